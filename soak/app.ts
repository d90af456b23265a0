/** The application under soak: every feature of the library, on one server, and small ones that are always full. */
import { createHash } from 'node:crypto';
import {
  ESP_OK,
  HTTP_GET,
  HTTP_POST,
  HTTPD_403_FORBIDDEN,
  HTTPD_404_NOT_FOUND,
  HTTPD_WS_TYPE_TEXT,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  type HttpdWsFrame,
  httpdStart,
  type UriHandler,
  uriMatchParams,
  wsFrame,
} from '../src/index.js';
import { registerWeb } from './app_web.js';
import { idOf, type Tally } from './tally.js';

/** Sessions of the small servers. */
export const CROWD = 8;
/** Length of what slow readers are sent. */
const LARGE = 1024 * 1024;

/** How long a handler works whose clients pipeline. */
const BUSY_MS = 0.1;

/** Short enough that every one of them passes some times in a run. */
const TIMES: Partial<HttpdConfig> = {
  recvWaitTimeout: 2,
  sendWaitTimeout: 2,
  idleTimeout: 3,
  handlerTimeout: 2,
};

export interface Servers {
  readonly main: HttpdServer;
  /** Full: refuses with 503. */
  readonly refusing: HttpdServer;
  /** Full: ends the least recently used session. */
  readonly purging: HttpdServer;
  /** Full for one address. */
  readonly perPeer: HttpdServer;
}

/** @param folder what `makeFolder` has made */
export async function startServers(tally: Tally, port: HttpdConfig['port'], folder: string): Promise<Servers> {
  const common: Partial<HttpdConfig> = { ...TIMES, host: '127.0.0.1', serverPort: 0, port, logger: tally.logger() };
  const start = async (name: string, config: Partial<HttpdConfig>): Promise<HttpdServer> => {
    const [globalUserCtx, globalUserCtxFreeFn] = tally.context();
    return httpdStart({ ...common, ...config, ...tally.hooks(name), globalUserCtx, globalUserCtxFreeFn });
  };
  const main = await start('main', {
    ...{ maxReqBodyLen: LARGE, maxTxPending: 256 * 1024, maxOpenSockets: 2_000 },
    uriMatchFn: uriMatchParams,
  });
  const refusing = await start('refusing', { maxOpenSockets: CROWD });
  const purging = await start('purging', { maxOpenSockets: CROWD, lruPurgeEnable: true });
  registerHttp(main, tally);
  registerAnswers(main, tally);
  registerWebSockets(main, tally);
  registerBad(main, tally);
  registerWeb(main, tally, folder);
  const perPeer = await start('perPeer', { maxSessPerIp: CROWD });
  for (const server of [refusing, purging, perPeer]) route(server, tally, HTTP_GET, '/get', get);
  return { main, refusing, purging, perPeer };
}

function route(server: HttpdServer, tally: Tally, method: number, uri: string, handler: UriHandler): void {
  server.registerUriHandler({ uri, method, handler: tally.watch(handler) });
}

/** Marks the answer as that to this request. */
function mark(req: HttpdReq): string {
  const id = idOf(req) ?? '';
  req.respSetHdr('X-Id', id);
  req.respSetType('text/plain');
  return id;
}

const ms = (n: number) => new Promise(resolve => setTimeout(resolve, n));

function get(req: HttpdReq): void {
  void req.respSend(`get ${mark(req)}`);
}

/** Keeps the process busy. */
function work(forMs: number): void {
  const end = performance.now() + forMs;
  while (performance.now() < end);
}

/** Ways to answer. */
function registerHttp(server: HttpdServer, tally: Tally): void {
  const on = (uri: string, handler: UriHandler) => route(server, tally, HTTP_GET, uri, handler);
  on('/get', get);
  on('/busy', req => {
    work(BUSY_MS);
    get(req);
  });
  on('/async', async req => {
    const id = mark(req);
    await ms(id.length % 5);
    await req.respSend(`get ${id}`);
  });
  on('/later', req => {
    const id = mark(req);
    const copy = req.asyncHandlerBegin();
    const answer = async (): Promise<void> => {
      await ms(10);
      try {
        await copy.respSend(`get ${id}`);
      } finally {
        copy.asyncHandlerComplete();
      }
    };
    tally.track(answer()).catch(() => {});
  });
  on('/queued', req => {
    const id = mark(req);
    const copy = req.asyncHandlerBegin();
    server.queueWork(() => {
      void copy.respSend(`get ${id}`);
      copy.asyncHandlerComplete();
    });
  });
  on('/by-socket', req => {
    const body = `get ${idOf(req)}`;
    const head = `HTTP/1.1 200 OK\r\nX-Id: ${idOf(req)}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const fd = req.toSockfd();
    server.queueWork(() => {
      server.socketSend(fd, Buffer.from(head));
      // the next request must not be answered before this
      server.queueWork(() => server.socketSend(fd, Buffer.from(body)));
    });
  });
  on('/context', req => {
    mark(req);
    const context = req.sessCtx as { requests?: number };
    context.requests = (context.requests ?? 0) + 1;
    void req.respSend(`${context.requests}`);
  });
  on('/throws', () => {
    throw new Error('on purpose');
  });
  server.registerErrHandler(HTTPD_404_NOT_FOUND, async req => {
    mark(req);
    // a handler that was called has been counted
    if (req.uriTemplate === '') tally.count(req);
    await req.respSendErr(HTTPD_404_NOT_FOUND, 'not here');
    return ESP_OK;
  });
  server.before('/hooked', async req => {
    await ms(1);
    req.respSetHdr('X-Hook', 'yes');
  });
  server.before('/hooked/closed', req => {
    mark(req);
    tally.count(req);
    return req.respSendErr(HTTPD_403_FORBIDDEN, 'closed');
  });
  on('/hooked/open', get);
}

/** Long answers, and bodies. */
function registerAnswers(server: HttpdServer, tally: Tally): void {
  const on = (method: number, uri: string, handler: UriHandler) => route(server, tally, method, uri, handler);
  on(HTTP_GET, '/chunks', async req => {
    const id = mark(req);
    for (let i = 0; i < 20; i++) await req.respSendChunk(`${id} piece ${i};`.repeat(20));
    await req.respSendChunk();
  });
  on(HTTP_GET, '/parts', async req => {
    const part = Buffer.from(mark(req).repeat(100));
    req.respSendHead(20 * part.length);
    for (let i = 0; i < 20; i++) await req.respSendPart(part);
  });
  on(HTTP_GET, '/events', req => {
    const id = mark(req);
    const stream = req.respStartEvents({ keepAlive: 1 });
    const feed = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await stream.send({ data: `${id}\nevent ${i}`, id: `${i}` });
        await ms(1);
      }
      stream.end();
      await stream.closed;
    };
    tally.track(feed()).catch(() => {});
  });
  on(HTTP_POST, '/echo', async req => {
    mark(req);
    await req.respSend(await req.text());
  });
  on(HTTP_POST, '/json', async req => {
    mark(req);
    await req.respSend(JSON.stringify(await req.json()));
  });
  on(HTTP_POST, '/hash', async req => {
    mark(req);
    const hash = createHash('sha1');
    for await (const piece of req) hash.update(piece);
    await req.respSend(hash.digest('hex'));
  });
  on(HTTP_POST, '/stream', async req => {
    mark(req);
    const buf = Buffer.alloc(999);
    for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) await req.respSendChunk(buf.subarray(0, n));
    await req.respSendChunk();
  });
  on(HTTP_POST, '/unread', get);
}

function websocket(uri: string, handler: UriHandler) {
  return { uri, method: HTTP_GET, isWebsocket: true, handleWsHandshake: false, handler };
}

async function receive(req: HttpdReq): Promise<HttpdWsFrame> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, LARGE);
  return pkt;
}

async function echoFrame(req: HttpdReq): Promise<void> {
  await req.wsSendFrame(await receive(req));
}

function registerWebSockets(server: HttpdServer, tally: Tally): void {
  const on = (uri: string, handler: UriHandler, options: object) =>
    server.registerUriHandler(tally.watchWs('main', { ...websocket(uri, handler), ...options }));
  const counted =
    (kind: string): UriHandler =>
    async req => {
      tally.serve(kind);
      await echoFrame(req);
    };
  on('/ws', counted('ws'), { wsPingInterval: 1, wsPongTimeout: 2 });
  on('/message', counted('message'), {
    wsMessageMode: true,
    wsFragmentLen: 1_000,
    wsPerMessageDeflate: { threshold: 100 },
  });
  on('/takeover', counted('takeover'), {
    wsMessageMode: true,
    wsPerMessageDeflate: { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false, memLevel: 5 },
  });
  const room = async (req: HttpdReq): Promise<void> => {
    tally.serve('room');
    const { payload } = await receive(req);
    server.wsBroadcast(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload }), fd => rooms.has(fd));
  };
  const rooms = new Set<number>();
  const uri = tally.watchWs('main', {
    ...websocket('/room', room),
    wsPostHandshakeCb: req => {
      rooms.add(req.toSockfd());
    },
  });
  server.registerUriHandler({
    ...uri,
    wsCloseCb: info => {
      rooms.delete(info.fd);
      uri.wsCloseCb?.(info);
    },
  });
}

/** For clients that misbehave; they send no ids. */
function registerBad(server: HttpdServer, tally: Tally): void {
  const on = (method: number, uri: string, handler: UriHandler) => route(server, tally, method, uri, handler);
  const large = Buffer.alloc(LARGE, 'large ');
  on(HTTP_GET, '/bad/large', req => req.respSend(large));
  on(HTTP_GET, '/bad/chunks', async req => {
    for (let at = 0; at < LARGE; at += 10_000) await req.respSendChunk(large.subarray(at, at + 10_000));
    await req.respSendChunk();
  });
  on(HTTP_GET, '/bad/events', req => {
    const stream = req.respStartEvents({ keepAlive: 0.1 });
    const feed = async (): Promise<void> => {
      while (stream.open) {
        await stream.send({ data: 'x'.repeat(10_000) });
        await ms(5);
      }
    };
    tally.track(feed()).catch(() => {});
  });
  on(HTTP_GET, '/bad/slow', async req => {
    await ms(3_000);
    // too late: the client has got a 500, or has gone
    await req.respSend('late').catch(() => {});
  });
  on(HTTP_POST, '/bad/post', async req => req.respSend(await req.text()));
  on(HTTP_GET, '/evil', () => tally.problem('a smuggled request was served'));
  const ws = (uri: string, options: object) =>
    server.registerUriHandler(tally.watchWs('main', { ...websocket(uri, echoFrame), ...options }));
  ws('/bad/ws', { wsMaxFrameLen: 200_000, wsPingInterval: 1, wsPongTimeout: 1 });
  ws('/bad/message', { wsMessageMode: true, wsMaxMessageLen: 200_000, wsPerMessageDeflate: true });
}
