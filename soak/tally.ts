/** What the application has begun, and what has ended: nothing may be left, and nothing end twice. */
import { type Logger, pino } from 'pino';
import type { HttpdConfig, HttpdReq, HttpdUri, UriHandler } from '../src/index.js';
import { queryKeyValue } from '../src/index.js';

/** Problems that are kept; more of them say nothing new. */
const PROBLEMS_MAX = 30;

/** Lines of the log, of level warn or error, that belong to what clients do. All others are problems. */
const EXPECTED_LINES = [
  /^httpd_accept_conn: (all \d+ sockets are taken|\S+ has \d+ sessions)/,
  /^httpd_uri: (URI '|Method '|httpd_uri: |uri handler)/,
  /^parse_block: /,
  /^httpd_sess_process: uri handler execution failed/,
  /^httpd_ws_fail_connection: /,
];

export class Tally {
  /** Requests with an id that handlers were called for, and WebSocket messages on routes of good clients, by kind. */
  readonly served = new Map<string, number>();
  sessions = 0;
  webSockets = 0;
  contextsMade = 0;
  contextsFreed = 0;
  /** Handlers and other promises that have not settled. */
  running = 0;
  /** How often each of them has been seen. */
  private readonly problemTimes = new Map<string, number>();
  private readonly open = new Set<string>();
  private readonly openWs = new Set<string>();

  problem(text: string): void {
    const times = this.problemTimes.get(text) ?? 0;
    if (times > 0 || this.problemTimes.size < PROBLEMS_MAX) this.problemTimes.set(text, times + 1);
  }

  get problems(): string[] {
    return [...this.problemTimes].map(([text, times]) => (times === 1 ? text : `${text} (${times} times)`));
  }

  serve(kind: string): void {
    this.served.set(kind, (this.served.get(kind) ?? 0) + 1);
  }

  /** A handler was called for this request, which may have an id. */
  count(req: HttpdReq): void {
    const id = idOf(req);
    if (id !== undefined) this.serve(kindOf(id));
  }

  /** A context, and what frees it. */
  context(): [object, (ctx: unknown) => void] {
    const context = { freed: false };
    this.contextsMade += 1;
    return [
      context,
      () => {
        if (context.freed) this.problem('a context was freed twice');
        context.freed = true;
        this.contextsFreed += 1;
      },
    ];
  }

  async track<T>(promise: Promise<T>): Promise<T> {
    this.running += 1;
    try {
      return await promise;
    } finally {
      this.running -= 1;
    }
  }

  /** Session callbacks of one server. */
  hooks(server: string): Pick<HttpdConfig, 'openFn' | 'closeFn'> {
    return {
      openFn: (hd, fd) => {
        this.sessions += 1;
        this.open.add(`${server} ${fd}`);
        hd.sessSetTransportCtx(fd, ...this.context());
      },
      closeFn: (_hd, fd) => {
        if (!this.open.delete(`${server} ${fd}`)) this.problem(`closeFn was called twice for ${server} ${fd}`);
      },
    };
  }

  /** Watches a handler, and sets the session's context at its first request. */
  watch(handler: UriHandler): UriHandler {
    return req => {
      if (req.sessCtx === undefined) [req.sessCtx, req.freeCtx] = this.context();
      this.count(req);
      const result: unknown = handler(req);
      return result instanceof Promise ? this.track(result) : (result as undefined);
    };
  }

  /** Watches a WebSocket's opening and end. */
  watchWs(server: string, uri: HttpdUri): HttpdUri {
    return {
      ...uri,
      handler: this.watch(uri.handler),
      wsPostHandshakeCb: req => {
        this.webSockets += 1;
        this.openWs.add(`${server} ${req.toSockfd()}`);
        return uri.wsPostHandshakeCb?.(req);
      },
      wsCloseCb: info => {
        if (!this.openWs.delete(`${server} ${info.fd}`)) this.problem(`wsCloseCb came twice for ${server} ${info.fd}`);
      },
    };
  }

  /** What is open: sessions and WebSockets whose end has not been told. */
  get left(): string[] {
    return [...this.open, ...[...this.openWs].map(name => `WebSocket ${name}`)];
  }

  /** A logger that lets nothing pass that should not be. */
  logger(): Logger {
    const write = (line: string): void => {
      const { msg = '', tag = '' } = JSON.parse(line) as { msg?: string; tag?: string };
      const expected = EXPECTED_LINES.some(pattern => pattern.test(msg));
      if (!expected) this.problem(`in the log: ${tag}: ${msg}`);
    };
    return pino({ level: 'warn', base: null }, { write });
  }
}

/** The id of a request of a client that counts. */
export function idOf(req: HttpdReq): string | undefined {
  const query = req.getUrlQueryStr();
  return query === undefined ? undefined : queryKeyValue(query, 'id');
}

/** `get.3.17` is of kind `get`. */
export function kindOf(id: string): string {
  return id.slice(0, id.indexOf('.'));
}
