/**
 * What a request or a frame costs inside of the server: no socket and no kernel, only a port that plays them. A profile
 * of it (`node --cpu-prof --import tsx bench/inside.ts get`) shows our own code and nothing else.
 *
 *   npm run bench:inside [-- NAME…]
 */
import { startWith } from '../src/httpd/start.js';
import { ESP_OK, HTTP_GET, HTTP_POST, type HttpdReq, wsFrame } from '../src/index.js';
import type { Port, PortSocket, SocketHandler } from '../src/port/port.js';

const CONNECTIONS = 50;
/** How often each load is measured; the median counts. */
const RUNS = 7;
const RUN_MS = 300;

type Peer = { readonly handler: SocketHandler; readonly sent: { bytes: number } };

/** A port whose peers take every byte at once. */
class NoPort implements Port {
  readonly name = 'none';
  private accept: ((socket: PortSocket) => SocketHandler | undefined) | undefined;
  private receiveBuffer: (() => Buffer) | undefined;

  listen(_options: unknown, receiveBuffer: () => Buffer, accept: (socket: PortSocket) => SocketHandler | undefined) {
    this.receiveBuffer = receiveBuffer;
    this.accept = accept;
    return Promise.resolve({ port: 1, close: () => Promise.resolve() });
  }

  whenServed(fn: () => void): void {
    fn();
  }

  connect(): Peer {
    const sent = { bytes: 0 };
    const handler = this.accept?.({
      ...{ remoteAddress: '', remotePort: 0, localAddress: '', localPort: 0, pending: 0 },
      send(_buf, from, to) {
        sent.bytes += to - from;
        return to - from;
      },
      pause() {},
      resume() {},
      shutdown() {},
      close() {},
      reset() {},
    });
    if (handler === undefined) throw new Error('the server has refused a connection');
    return { handler, sent };
  }

  /** These bytes arrive. */
  deliver({ handler }: Peer, bytes: Buffer): void {
    const buf = this.receiveBuffer?.();
    if (buf === undefined) throw new Error('nobody listens');
    handler.onData(bytes.copy(buf));
  }
}

/** A turn of the loop, with all that it leads to. */
const turn = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)));

const host = 'Host: 127.0.0.1\r\n';
const browser = [
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site: none',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-User: ?1',
  'Sec-Fetch-Dest: document',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-US,en;q=0.9',
  '',
].join('\r\n');
const get = `GET / HTTP/1.1\r\n${host}\r\n`;
const upgrade = `GET /ws HTTP/1.1\r\n${host}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

/** A masked binary frame of `size` bytes. */
function frame(size: number): Buffer {
  const head = size < 126 ? Buffer.from([0x82, 0x80 | size]) : Buffer.from([0x82, 0xfe, size >> 8, size & 0xff]);
  return Buffer.concat([head, Buffer.from([1, 2, 3, 4]), Buffer.alloc(size, 5)]);
}

/** What arrives at once on each connection, and how many answers it gets, each of so many bytes. */
const LOADS = {
  get: { bytes: Buffer.from(get), per: 1 },
  'get-browser': { bytes: Buffer.from(`GET / HTTP/1.1\r\n${host}${browser}\r\n`), per: 1 },
  'get-pipelined': { bytes: Buffer.from(get.repeat(16)), per: 16 },
  post: { bytes: Buffer.from(`POST / HTTP/1.1\r\n${host}Content-Length: 1024\r\n\r\n${'x'.repeat(1024)}`), per: 1 },
  echo: { bytes: frame(32), per: 1 },
  'echo-16': { bytes: Buffer.concat(Array.from({ length: 16 }, () => frame(32))), per: 16 },
  'echo-1k': { bytes: frame(1024), per: 1 },
  'echo-60k': { bytes: frame(60_000), per: 1 },
};

async function echo(req: HttpdReq): Promise<number> {
  if (req.method === HTTP_GET) return ESP_OK;
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  pkt.payload = new Uint8Array(pkt.len);
  await req.wsRecvFrame(pkt, pkt.len);
  await req.wsSendFrame(pkt);
  return ESP_OK;
}

async function postEcho(req: HttpdReq): Promise<void> {
  const body = new Uint8Array(req.contentLen ?? 0);
  for (let n = 0; n < body.length; ) n += await req.recv(body.subarray(n));
  await req.respSend(body);
}

const port = new NoPort();
const server = await startWith({}, { port });
server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => void req.respSend('Hello World!') });
server.registerUriHandler({ uri: '/', method: HTTP_POST, handler: postEcho });
server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: echo });

/** Nanoseconds for each answer. */
async function measure(peers: Peer[], bytes: Buffer, per: number): Promise<number> {
  const end = performance.now() + RUN_MS;
  const start = process.hrtime.bigint();
  let answers = 0;
  do {
    for (const peer of peers) port.deliver(peer, bytes);
    await turn();
    answers += peers.length * per;
  } while (performance.now() < end);
  return Number(process.hrtime.bigint() - start) / answers;
}

const wanted = process.argv.slice(2);
for (const [name, { bytes, per }] of Object.entries(LOADS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const peers = Array.from({ length: CONNECTIONS }, () => port.connect());
  if (name.startsWith('echo')) for (const peer of peers) port.deliver(peer, Buffer.from(upgrade));
  await turn();
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) times.push(await measure(peers, bytes, per));
  const [first] = peers;
  if (first === undefined || first.sent.bytes === 0) throw new Error(`${name}: nothing was answered`);
  times.sort((a, b) => a - b);
  console.log(`${name.padEnd(14)} ${(times[RUNS >> 1] ?? 0).toFixed(0).padStart(8)} ns`);
}
// the connections that were played would be idle for a minute
process.exit();
