import { expect } from 'vitest';
import { ESP_OK } from '../../src/err.js';
import { HTTP_ANY, HTTP_GET, HTTPD_WS_FRAME } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { startWith } from '../../src/httpd/start.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { ManualClock } from '../support/clock.js';
import { type MemConn, MemPort } from '../support/mem_port.js';
import { collectLog, turn } from '../support/server.js';

/** How a stream of bytes reaches the server, and how its answers leave. */
export interface Manner {
  readonly chunks: readonly Uint8Array[];
  /** Does the loop turn between two chunks? */
  readonly turns: boolean;
  readonly spoilsAtOnce: boolean;
  /** How many bytes the kernel takes at a time. */
  readonly room: number;
}

/** What came of it. */
export interface Result {
  readonly calls: readonly string[];
  /** All that was sent, without the Date headers. */
  readonly sent: string;
}

/** More turns than any of these streams needs. */
const TURNS_MAX = 2_000;

/** A server on a port in memory, whose handlers write down what they are called with. */
export class Lab {
  readonly port = new MemPort();
  readonly clock = new ManualClock();
  readonly calls = new Map<number, string[]>();
  /** Handlers that run, by session. */
  private readonly running = new Map<number, number>();
  private readonly log = collectLog('warn');
  private server!: HttpdServer;

  static async start(): Promise<Lab> {
    const lab = new Lab();
    const { port, clock, log } = lab;
    const config = { serverPort: 0, logger: log.logger, maxReqHdrLen: 2_000, maxUriLen: 500, maxReqBodyLen: 200_000 };
    lab.server = await startWith(config, { port, clock });
    lab.register();
    return lab;
  }

  async stop(): Promise<void> {
    const stopped = this.server.stop({ grace: 0 });
    this.clock.advance(1);
    await stopped;
  }

  /** Plays a stream; `fin` when `done` says that nothing more is to come. */
  async play(manner: Manner, done: (conn: MemConn, calls: readonly string[]) => boolean): Promise<Result> {
    const { port } = this;
    const conn = port.connect({ room: manner.room });
    conn.spoilsAtOnce = manner.spoilsAtOnce;
    const fd = this.server.getClientList().at(-1) as number;
    const calls: string[] = [];
    this.calls.set(fd, calls);
    for (const chunk of manner.chunks) {
      conn.deliver(chunk);
      if (manner.turns) await turn();
    }
    const step = async (): Promise<void> => {
      await turn();
      conn.drain(manner.room);
    };
    for (let i = 0; i < TURNS_MAX && conn.ended === undefined && !done(conn, calls); i++) await step();
    for (let quiet = 0, last = -1; quiet < 4; quiet = conn.sent.length === last ? quiet + 1 : 0) {
      last = conn.sent.length;
      await step();
    }
    conn.fin();
    for (let i = 0; i < TURNS_MAX && (conn.ended === undefined || this.running.get(fd) !== undefined); i++)
      await step();
    // a session that has ended leaves nothing behind
    expect(conn.ended, 'the session outlives its peer').toBeDefined();
    expect(this.running.get(fd), 'a handler never ends').toBeUndefined();
    expect(this.server.getClientList()).not.toContain(fd);
    expect(port.open).toEqual([]);
    expect(conn.misuse).toEqual([]);
    expect(this.log.lines.filter(line => /fault|internal error/.test(line))).toEqual([]);
    this.log.lines.length = 0;
    port.conns.length = 0;
    return { calls, sent: conn.sent.toString('latin1').replace(/Date: [^\r]*\r\n/g, '') };
  }

  private register(): void {
    const { server } = this;
    const add = (uri: string, handle: (req: HttpdReq, note: (what: string) => void) => unknown) => {
      server.registerUriHandler({ uri, method: HTTP_ANY, handler: req => this.watch(req, handle) });
    };
    add('/sync', (req, note) => {
      note('body not read');
      void req.respSend(`sync ${req.uri}`);
    });
    add('/text', async (req, note) => {
      const text = await req.text();
      note(text);
      await req.respSend(`text ${text}`);
    });
    add('/parts', async (req, note) => {
      const buf = Buffer.alloc(7);
      let text = '';
      for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) text += buf.toString('latin1', 0, n);
      note(text);
      await req.respSend(text);
    });
    add('/chunks', (req, note) => {
      note('body not read');
      for (const piece of ['one', 'two', '']) void req.respSendChunk(piece);
    });
    add('/later', async (req, note) => {
      await turn();
      note('later');
      await req.respSend('later');
    });
    add('/copy', (req, note) => {
      const copy = req.asyncHandlerBegin();
      setImmediate(() => {
        note('copy');
        copy.respSend('copy').catch(() => {});
        try {
          copy.asyncHandlerComplete();
        } catch {
          // the session has ended meanwhile
        }
      });
    });
    server.registerUriHandler({
      uri: '/ws',
      method: HTTP_GET,
      isWebsocket: true,
      handler: req => this.watch(req, (_req, note) => echoFrame(req, note)),
    });
  }

  /** Runs a handler, and knows when it has ended. */
  private watch(req: HttpdReq, handle: (req: HttpdReq, note: (what: string) => void) => unknown) {
    const fd = req.toSockfd();
    const calls = this.calls.get(fd) ?? [];
    if (req.method !== HTTPD_WS_FRAME) {
      calls.push(`${req.method} ${req.uri} ${req.contentLen} ${req.getHdrValueStr('x-n')}`);
    }
    this.running.set(fd, (this.running.get(fd) ?? 0) + 1);
    const ended = () => {
      const left = (this.running.get(fd) ?? 0) - 1;
      if (left > 0) this.running.set(fd, left);
      else this.running.delete(fd);
    };
    const result = handle(req, what => calls.push(what));
    if (!(result instanceof Promise)) {
      ended();
      return ESP_OK;
    }
    return result.then(() => ESP_OK).finally(ended);
  }
}

/** The handler of ws_echo_server: length, payload, echo; long frames in parts. */
async function echoFrame(req: HttpdReq, note: (what: string) => void): Promise<void> {
  if (req.method !== HTTPD_WS_FRAME) return;
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  const { len, type, final } = pkt;
  pkt.payload = Buffer.alloc(len);
  if (len % 3 === 1) await turn();
  if (len > 10_000) {
    const part = wsFrame();
    let at = 0;
    do {
      part.payload = pkt.payload.subarray(at, at + 3_000);
      await req.wsRecvFramePart(part, 3_000);
      at = len - part.leftLen;
    } while (part.leftLen > 0);
  } else if (len > 0) {
    await req.wsRecvFrame(pkt, len);
  }
  note(`frame ${type} ${final} ${len} ${Buffer.from(pkt.payload).toString('latin1')}`);
  await req.wsSendFrame(wsFrame({ type, payload: pkt.payload, len, fragmented: pkt.fragmented, final }));
}
