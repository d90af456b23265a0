/**
 * On epoll, and with nothing else that goes on in its process, answers each message from a microtask; says so if an
 * immediate of the same turn came before.
 */
import { epollPort } from '../../src/port/epoll.js';

const buf = Buffer.alloc(1024);

const listener = await epollPort.listen(
  { port: 0, host: '127.0.0.1', path: undefined, backlog: 5, reusePort: false, keepAlive: undefined },
  () => buf,
  socket => ({
    onData(len) {
      const answer = Buffer.from(buf.subarray(0, len));
      let early = false;
      setImmediate(() => {
        early = true;
      });
      Promise.resolve().then(() => {
        if (early) answer.write('!');
        socket.send(answer, 0, answer.length);
      });
    },
    onEnd() {
      socket.close();
      void listener.close();
    },
    onWritable() {},
    onClose() {},
  }),
  error => {
    throw error;
  },
);
console.log(`port ${listener.port}`);
