/**
 * Conversations with a server whose port has faults, and what must hold behind each: the client has seen what it sees
 * without faults, and whatever has begun has ended, once.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { HttpdConfig } from '../../src/config.js';
import { Llhttp } from '../../src/httpd/llhttp.js';
import * as methods from '../../src/httpd/methods.js';
import type { HttpdUri, UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { startWith } from '../../src/httpd/start.js';
import type { Port } from '../../src/port/port.js';
import { ManualClock } from './clock.js';
import { FaultPort, type Faults } from './fault_port.js';
import { type MemConn, MemPort } from './mem_port.js';
import { RawClient } from './raw_client.js';
import { collectLog } from './server.js';
import { frameSize } from './ws_frames.js';

/** Nothing takes that long, unless it hangs. */
const PATIENCE_MS = 8_000;
const LOOK_EVERY = 64;
/** So long what is left may be about to end. */
const TURNS = 10_000;

/** What a client and a server have to say to each other on one connection. */
export interface Conversation {
  readonly name: string;
  readonly config?: Partial<HttpdConfig>;
  /** Lines of the log, of level error, that belong to it. */
  readonly errors?: RegExp;
  /** Pieces are so many times as long as elsewhere, since much is said. Default 1. */
  readonly scale?: number;
  /** Registers the handlers. */
  serve(app: App): void;
  /** What the server chooses at random; it is crossed out in what the client got. */
  readonly random?: RegExp;
  /** What is left behind a run that should not be; asked again until it is nothing, or no turn of the loop helps. */
  leftovers?(): readonly string[];
  /** What the client says. When it has ended, or the server has, it sends FIN. */
  client(client: Client): Promise<void>;
}

/** How one run went. */
export interface Outcome {
  /** All that the client got, as Latin-1. */
  readonly received: string;
  /** Has the client said and got all that it wanted? */
  readonly complete: boolean;
  /** Operations of the connection at the port. */
  readonly operations: number;
  /** What does not hold; empty if all is well. */
  readonly problems: readonly string[];
}

/** The connection is over before the client has got what it waits for. */
class Gone extends Error {}

/** The client's end of a connection. */
interface Link {
  readonly received: Buffer;
  /** Has the server sent FIN, or is the connection gone? */
  readonly over: boolean;
  send(bytes: Uint8Array): void;
  fin(): void;
  /** Lets the kernel work, where the test plays it. */
  pump(): void;
  /** What the server should not have done. */
  misuse(): readonly string[];
}

/** A client, as its conversation moves it. */
export class Client {
  private at = 0;
  private ended = false;
  private waiting: { look: (link: Link) => boolean; go: () => void; fail: (error: Error) => void } | undefined;

  constructor(private readonly link: Link) {}

  send(...parts: (Uint8Array | string)[]): this {
    const bytes = parts.map(part => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
    if (!this.ended) this.link.send(Buffer.concat(bytes));
    return this;
  }

  fin(): void {
    if (!this.ended) this.link.fin();
    this.ended = true;
  }

  /** Waits for a text behind the last one. */
  until(text: string): Promise<void> {
    return this.wait(({ received }) => {
      const found = received.indexOf(text, this.at, 'latin1');
      if (found >= 0) this.at = found + text.length;
      return found >= 0;
    });
  }

  /** Waits for so many frames behind the last text, or frame. */
  frames(n: number): Promise<void> {
    let left = n;
    return this.wait(({ received }) => {
      for (; left > 0; left--) {
        const size = frameSize(received.subarray(this.at));
        if (size < 0) return false;
        this.at += size;
      }
      return true;
    });
  }

  /** Waits for the server's FIN. */
  end(): Promise<void> {
    return this.wait(() => false).catch(() => {});
  }

  /** Goes on if what it waits for has come. */
  look(): void {
    const { link, waiting } = this;
    if (waiting?.look(link)) {
      this.waiting = undefined;
      waiting.go();
    } else if (link.over) {
      this.waiting = undefined;
      waiting?.fail(new Gone());
      this.fin();
    }
  }

  private wait(look: (link: Link) => boolean): Promise<void> {
    return new Promise((go, fail) => {
      this.waiting = { look, go, fail };
    });
  }
}

/** The application: its server, and what it has begun. */
export class App {
  server!: HttpdServer;
  private readonly running: string[] = [];
  private readonly contexts: { name: string; freed: number }[] = [];
  private readonly opened: number[] = [];
  private readonly closed: number[] = [];
  private readonly wsOpened: number[] = [];
  private readonly wsClosed: number[] = [];

  /** Registers a handler such as `'GET /a'`. The session's first handler sets its context. */
  route(key: string, handler: UriHandler): void {
    const [name = '', uri = ''] = key.split(' ');
    const method = (methods as unknown as Record<string, number>)[`HTTP_${name}`] as number;
    this.server.registerUriHandler({ uri, method, handler: this.watched(key, handler) });
  }

  /** Registers the WebSocket `/ws`. */
  websocket(uri: Partial<HttpdUri> & { handler: UriHandler }): void {
    this.server.registerUriHandler({
      wsPingInterval: 0,
      ...uri,
      uri: '/ws',
      method: methods.HTTP_GET,
      isWebsocket: true,
      handler: this.watched('the frame handler', uri.handler),
      wsPostHandshakeCb: req => {
        this.wsOpened.push(req.toSockfd());
        return uri.wsPostHandshakeCb?.(req);
      },
      wsCloseCb: info => this.wsClosed.push(info.fd),
    });
  }

  /** Something has begun, and must end, well or not. */
  async track<T>(name: string, promise: Promise<T>): Promise<T> {
    this.running.push(name);
    try {
      return await promise;
    } finally {
      this.running.splice(this.running.indexOf(name), 1);
    }
  }

  /** Is a connection open, or has something begun that has not ended? */
  get busy(): boolean {
    return this.opened.length !== this.closed.length || this.running.length > 0;
  }

  /** What has not ended, or not once. Forgets everything. */
  settle(): string[] {
    const problems = this.running.map(name => `${name} has not ended`);
    for (const { name, freed } of this.contexts) if (freed !== 1) problems.push(`${name} was freed ${freed} times`);
    if (String(this.opened) !== String(this.closed)) problems.push(`opened ${this.opened}, closeFn for ${this.closed}`);
    if (String(this.wsOpened) !== String(this.wsClosed)) {
      problems.push(`WebSockets ${this.wsOpened} opened, wsCloseCb for ${this.wsClosed}`);
    }
    const list = this.server.getClientList();
    if (list.length > 0) problems.push(`sessions ${list} are left`);
    if (Llhttp.live !== 0) problems.push(`${Llhttp.live} parsers are left`);
    const { running, contexts, opened, closed, wsOpened, wsClosed } = this;
    for (const all of [running, contexts, opened, closed, wsOpened, wsClosed]) all.length = 0;
    return problems;
  }

  /** `openFn` and `closeFn`. */
  readonly hooks: Partial<HttpdConfig> = {
    openFn: (server, fd) => {
      this.opened.push(fd);
      server.sessSetTransportCtx(fd, ...this.context(`the transport context of ${fd}`));
    },
    closeFn: (_server, fd) => void this.closed.push(fd),
  };

  private watched(name: string, handler: UriHandler): UriHandler {
    return req => {
      if (req.sessCtx === undefined) [req.sessCtx, req.freeCtx] = this.context(`the context of ${req.toSockfd()}`);
      const result: unknown = handler(req);
      return result instanceof Promise ? this.track(name, result) : (result as undefined);
    };
  }

  private context(name: string): [unknown, (ctx: unknown) => void] {
    const context = { name, freed: 0 };
    this.contexts.push(context);
    return [
      context,
      () => {
        context.freed += 1;
      },
    ];
  }
}

/** A server for the runs of one conversation, one after the other. */
export class FaultyServer {
  private readonly app = new App();
  private readonly clock = new ManualClock();
  private readonly mem = new MemPort();
  private readonly log = collectLog('error');
  private faults: Faults = {};
  private port!: FaultPort;

  private constructor(private readonly conversation: Conversation) {}

  /** @param inner is left out for a port without a kernel, on which nothing takes time */
  static async start(conversation: Conversation, inner?: Port): Promise<FaultyServer> {
    const faulty = new FaultyServer(conversation);
    const { app, log, clock } = faulty;
    faulty.port = new FaultPort(inner ?? faulty.mem, () => faulty.faults);
    const config = { serverPort: 0, host: '127.0.0.1', logger: log.logger, ...app.hooks, ...conversation.config };
    app.server = await startWith(config, { port: faulty.port, clock });
    conversation.serve(app);
    return faulty;
  }

  /**
   * One connection with these faults.
   *
   * @param at what else happens: `holds`: does the kernel hold each send for a turn (in memory only)? `stopAt`: the
   *   operation at which the server is stopped
   */
  async run(faults: Faults, at: { holds?: boolean; stopAt?: number } = {}): Promise<Outcome> {
    this.faults = faults;
    const { holds = false, stopAt = Number.POSITIVE_INFINITY } = at;
    const socketsBefore = this.port.sockets.length;
    const link = await this.connect(holds);
    const client = new Client(link);
    const problems: string[] = [];
    let complete = false;
    let scriptEnded = false;
    const script = this.conversation
      .client(client)
      .then(
        () => {
          complete = true;
        },
        error => {
          if (!(error instanceof Gone)) problems.push(`the client: ${String(error)}`);
        },
      )
      .finally(() => {
        client.fin();
        scriptEnded = true;
      });
    const socket = () => this.port.sockets[socketsBefore];
    const patience = performance.now() + PATIENCE_MS;
    let operations = -1;
    for (let turns = 1; !scriptEnded || this.app.busy || !socket()?.over; turns++) {
      link.pump();
      const now = socket()?.operations ?? 0;
      // while bytes come one by one there is no need to look at them all in each turn
      if (now === operations || turns % LOOK_EVERY === 0) client.look();
      operations = now;
      await turn();
      if (operations >= stopAt) this.stopNow();
      if (turns % LOOK_EVERY === 0 && performance.now() > patience) {
        problems.push(`it hangs; the client has got ${JSON.stringify(link.received.toString('latin1'))}`);
        break;
      }
    }
    if (scriptEnded) await script;
    // what should not come any more, and what ends in a thread
    for (let i = 0; i < 2 || (i < TURNS && this.leftovers().length > 0); i++) await turn();
    const errors = this.log.lines.splice(0).filter(line => !this.conversation.errors?.test(line));
    problems.push(...this.app.settle(), ...this.leftovers(), ...errors, ...link.misuse());
    return { received: this.masked(link.received), complete, operations: socket()?.operations ?? 0, problems };
  }

  /** Stops the server while a run is under way: what does not end by itself has no time. */
  private stopNow(): void {
    void this.app.server.stop({ grace: 0 });
    this.clock.advance(1);
  }

  /** Stops the server. @returns what does not hold */
  async stop(): Promise<string[]> {
    await this.app.server.stop();
    return this.clock.running === 0 ? [] : [`${this.clock.running} timers run behind stop()`];
  }

  private masked(received: Buffer): string {
    const text = received.toString('latin1');
    const { random } = this.conversation;
    return random === undefined ? text : text.replaceAll(random, found => 'x'.repeat(found.length));
  }

  private leftovers(): readonly string[] {
    return this.conversation.leftovers?.() ?? [];
  }

  private async connect(holds: boolean): Promise<Link> {
    if (this.mem.options !== undefined) return memLink(this.mem.connect({ holds }), holds);
    return tcpLink(await RawClient.connect(this.app.server.port));
  }
}

function memLink(conn: MemConn, holds: boolean): Link {
  return {
    get received() {
      return conn.sent;
    },
    get over() {
      return conn.finSent || conn.ended !== undefined;
    },
    send: bytes => void conn.deliver(bytes),
    fin: () => void conn.fin(),
    pump: () => void (holds ? conn.drain() : conn.pump()),
    // releasing what has broken is allowed
    misuse: () => conn.misuse.filter(call => !call.startsWith('close on')),
  };
}

function tcpLink(client: RawClient): Link {
  return {
    get received() {
      return client.received;
    },
    get over() {
      return client.over;
    },
    send: bytes => void client.send(bytes),
    fin: () => void client.end(),
    pump: () => {},
    misuse: () => [],
  };
}
