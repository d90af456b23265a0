/** A server in a process of its own that has nothing else to live for. */
import { pino } from 'pino';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { startWith } from '../../src/httpd/start.js';
import { loadLibc } from '../../src/port/libc.js';

const [how, port] = process.argv.slice(2);
const server = await startWith(
  { serverPort: 0, host: '127.0.0.1', port: port as 'epoll' | 'net', logger: pino({ level: 'silent' }) },
  {},
);
server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('ok') });
process.on('beforeExit', () => {
  console.log(`nothing left to do, ${port === 'epoll' ? loadLibc().callbacks() : 0} callbacks left`);
});
console.log(`port=${server.port}.`);
if (how === 'serve once') {
  server.on('disconnected', () => void server.stop());
} else if (how === 'stop') {
  await server.stop();
} else {
  // this timer keeps no process alive: it runs only if something else does
  setTimeout(() => console.log('still here'), 300).unref();
}
