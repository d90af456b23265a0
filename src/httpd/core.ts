/**
 * The inside of a server: what its sessions, connections and WebSockets share. `server.ts` is its outside.
 */
import { Contexts } from '../async_context.js';
import type { HttpdConfig } from '../config.js';
import { clientGone, ESP_ERR_NOT_FOUND, EspError } from '../err.js';
import { MessageMemory } from '../httpd_ws/message.js';
import { escapeForLog, type HttpdLogs, httpdLogs, logThrown } from '../log.js';
import type { Listener, Port, PortOf } from '../port/port.js';
import { releaseCtx } from '../sess/ctx.js';
import { type Clock, Deadlines } from '../sess/deadlines.js';
import type { Heap } from '../sess/heap.js';
import { ReceiveBuffer } from '../sess/input.js';
import { Lingering } from '../sess/lingering.js';
import type { SessHost } from '../sess/protocol.js';
import type { Sess } from '../sess/sess.js';
import { SessTable } from '../sess/table.js';
import { TurnBudget } from '../sess/turn_budget.js';
import { Outbox } from '../sess/tx.js';
import { watch } from '../thenable.js';
import { Admission, LISTEN_FD } from './admission.js';
import { BeforeHooks } from './before.js';
import type { BodyLimits } from './body.js';
import type { ErrHandler } from './callbacks.js';
import { EventHub } from './events.js';
import { Failures } from './failures.js';
import { RECV_SHARE, receiveBuffer } from './llhttp.js';
import { LogStory } from './log_story.js';
import type { ParseLimits } from './parse.js';
import type { HttpdReq } from './req.js';
import type { Route } from './route.js';
import type { HttpdServer } from './server.js';
import { Stats } from './stats.js';
import { type UriMatchFn, UriTable } from './uri.js';
import { isExactTemplate, uriMatchParams } from './uri_params.js';

/** Without `enableSoLinger`: how long a closed session waits for the peer to take its last bytes. */
const LINGER_MS = 2000;
/** At so many bytes to send, a session's next request waits, and so does who awaits its sends. */
const TX_HIGH_WATER = 64 * 1024;

/** What a server stands on. A simulated device brings more than a machine has. */
export interface CoreParts {
  readonly clock: Clock;
  /** Memory that may run out. */
  readonly heap?: Heap | undefined;
  /** Stands between each select loop and the server. */
  readonly wrapPort?: <L extends Listener>(port: PortOf<L>) => PortOf<L>;
  /** Calls what it is given in another turn of the loop; default: setImmediate. */
  readonly schedule?: (run: () => void) => void;
}

/** OpenSSL's codes for a request, and for a CONNECT, where a handshake should begin. */
const PLAIN_HTTP: ReadonlySet<string> = new Set(['ERR_SSL_HTTP_REQUEST', 'ERR_SSL_HTTPS_PROXY_REQUEST']);
/** So often the log tells of them, in ms. */
const PLAIN_HTTP_LINE_MS = 60_000;

/** All servers of this thread receive into the same buffer. */
const receive = new ReceiveBuffer(receiveBuffer, RECV_SHARE);

export class HttpdCore implements SessHost {
  readonly logs: HttpdLogs;
  readonly story: LogStory;
  readonly events: EventHub;
  readonly failures: Failures;
  readonly uris: UriTable<Route>;
  readonly before = new BeforeHooks();
  readonly errHandlers: (ErrHandler | undefined)[] = [];
  readonly sessions = new SessTable(LISTEN_FD + 1);
  /** Over, and not yet released. */
  readonly lingering: Lingering;
  readonly admission: Admission;
  readonly contexts = new Contexts();
  readonly stats = new Stats();
  readonly startedAt: number;
  readonly clock: Clock;
  readonly heap: Heap | undefined;
  readonly budget: TurnBudget<Sess>;
  readonly outbox: Outbox;
  readonly deadlines: Deadlines;
  readonly receive = receive;
  readonly messageMemory: MessageMemory;
  readonly limits: ParseLimits;
  readonly recvWaitMs: number;
  readonly sendWaitMs: number;
  readonly idleMs: number;
  readonly handlerMs: number;
  readonly bodyLimits: BodyLimits;
  readonly lingerMs: number;
  readonly txHighWater: number;
  readonly maxTxPending: number;
  readonly txOverflow: HttpdConfig['txOverflow'];
  /** Are connections let in? Not before the server listens on all that it is to listen on. */
  opened = false;
  /** The select loops that it listens on. */
  readonly ports = new Set<Pick<Port, 'whenServed'>>();
  stopping = false;
  /** Works that applications have queued so far. */
  worksQueued = 0;
  /** Is called when a connection has been released. */
  onRelease: (() => void) | undefined;
  /** Whose handler has been called and has not returned: what it calls before its first `await` comes from there. */
  running: Sess | undefined;
  /** Is told of handshakes that failed. */
  onTlsError: ((error: Error, address: string) => void) | undefined;
  private nextPlainHttpLine = Number.NEGATIVE_INFINITY;
  private dateSecond = 0;
  private dateText = '';
  private dateStale = true;

  constructor(
    readonly config: HttpdConfig,
    readonly parts: CoreParts,
    readonly server: HttpdServer,
  ) {
    const { clock } = parts;
    this.clock = clock;
    this.heap = parts.heap;
    const ms = (seconds: number) => seconds * 1000;
    this.startedAt = clock.now();
    this.logs = httpdLogs(config.logger);
    this.story = new LogStory(this.logs, () => this.sessions.maxFd);
    this.events = new EventHub((thrown, name) => {
      const what = `esp_http_server_dispatch_event: a listener for '${name}' failed`;
      // one for 'error' is not told of its own failures
      if (name === 'error') logThrown(this.logs.httpd, what, thrown);
      else this.failures.tell(this.logs.httpd, what, thrown);
    });
    this.failures = new Failures(this.events);
    this.uris = new UriTable(config.maxUriHandlers, config.uriMatchFn, exactTemplates(config.uriMatchFn));
    this.messageMemory = new MessageMemory(config.maxWsPending);
    const { maxUriLen, maxReqHdrLen, maxReqBodyLen, lenientLineEndings } = config;
    this.limits = { maxUriLen, maxReqHdrLen, maxReqBodyLen, lenientLineEndings };
    this.recvWaitMs = ms(config.recvWaitTimeout);
    this.sendWaitMs = ms(config.sendWaitTimeout);
    this.idleMs = ms(config.idleTimeout);
    this.handlerMs = ms(config.handlerTimeout);
    this.bodyLimits = { ...this.limits, recvWaitMs: this.recvWaitMs, minBodyRate: config.minBodyRate };
    this.lingerMs = config.enableSoLinger ? ms(config.lingerTimeout) : LINGER_MS;
    this.maxTxPending = config.maxTxPending;
    this.txHighWater = Math.min(TX_HIGH_WATER, config.maxTxPending / 2);
    this.txOverflow = config.txOverflow;
    this.outbox = new Outbox(() => {
      this.dateStale = true;
      this.stats.turn();
      this.story.wait();
    });
    const timeouts = [this.recvWaitMs, this.sendWaitMs, this.idleMs, this.handlerMs, this.lingerMs];
    this.budget = new TurnBudget<Sess>(
      () => clock.now(),
      sess => sess.goOn(),
    );
    this.lingering = new Lingering(config.maxOpenSockets);
    this.admission = new Admission(this);
    const timed = [this.sessions, this.admission.refused, this.lingering];
    this.deadlines = new Deadlines(clock, timeouts, timed, fn => this.whenServed(fn));
  }

  /** Calls `fn` when all sessions have been served that have something to do by now: at once if none is left over. */
  whenServed(fn: () => void): void {
    // those that a select loop has served may wait for their turn
    let next = () => this.budget.whenServed(fn);
    for (const port of this.ports) {
      const then = next;
      next = () => port.whenServed(then);
    }
    next();
  }

  onHandshakeFailure(error: Error, address: string): void {
    const { httpd: log } = this.logs;
    this.stats.failedHandshakes += 1;
    const isPlainHttp = PLAIN_HTTP.has((error as NodeJS.ErrnoException).code ?? '');
    if (isPlainHttp && this.clock.now() >= this.nextPlainHttpLine) {
      this.nextPlainHttpLine = this.clock.now() + PLAIN_HTTP_LINE_MS;
      log.warn(
        `httpd_ssl_open: ${escapeForLog(address)} speaks plain HTTP on a port with TLS: its address begins with https:// (said once a minute)`,
      );
    } else if (log.debugOn) {
      log.debug(`httpd_ssl_open: handshake with ${escapeForLog(address)} failed: ${escapeForLog(error.message)}`);
    }
    this.onTlsError?.(error, address);
  }

  /** The select loop tells of what no session can be told. */
  onPortError(error: NodeJS.ErrnoException): void {
    const { httpd: log } = this.logs;
    if (error.syscall === 'accept') log.error(`httpd_accept_conn: error in accept: ${error.message}`);
    else log.error(`httpd_server: ${error.message}`, error);
  }

  onActive(sess: Sess): void {
    this.sessions.touch(sess);
  }

  onDrain(sess: Sess): void {
    this.events.emit('drain', sess.fd);
  }

  onFault(sess: Sess, thrown: unknown): void {
    this.failures.tell(this.logs.sess, `httpd_sess_process: fault in fd = ${sess.fd}`, thrown);
  }

  onOver(sess: Sess, reason: string): void {
    const { sess: log } = this.logs;
    // one that was never let in is nobody's loss
    if (!sess.listed) return;
    if (log.debugOn) log.debug(`httpd_sess_delete: fd = ${sess.fd}`);
    this.tellOver(sess.fd);
    releaseCtx(sess, this.onFreeFailure);
    this.sessions.remove(sess);
    this.admission.onOver(sess);
    if (log.debugOn) {
      log.debug(`httpd_sess_delete: ${escapeForLog(reason)}`);
      log.debug(`httpd_sess_delete: active sockets: ${this.sessions.size}`);
    }
    if (!sess.ended) this.lingering.add(sess);
  }

  /** Calls application code for a session. */
  runFor<R>(sess: Sess, code: (req: HttpdReq) => R, req: HttpdReq): R {
    const before = this.running;
    this.running = sess;
    try {
      return code(req);
    } finally {
      this.running = before;
    }
  }

  onReleased(sess: Sess): void {
    this.lingering.delete(sess);
    this.admission.onReleased(sess);
    this.onRelease?.();
  }

  /** Has every connection been released, but for one that is not waited for? */
  isEmpty(but: Sess | undefined): boolean {
    const held = but !== undefined && this.sessions.get(but.fd) === but ? 1 : 0;
    return this.sessions.size === held && this.lingering.size === 0 && this.admission.refused.size === 0;
  }

  /** All that have a socket, but for those that wait to be let in. */
  everySess(): Sess[] {
    return [...this.sessions, ...this.lingering, ...this.admission.refused];
  }

  /** The session is found by its fd, with its contexts, until all have been told. */
  private tellOver(fd: number): void {
    const onFailure = (thrown: unknown) =>
      this.failures.tell(this.logs.sess, 'httpd_sess_delete: close_fn failed', thrown);
    try {
      watch(this.config.closeFn?.(this.server, fd), onFailure);
    } catch (thrown) {
      onFailure(thrown);
    }
    this.events.emit('disconnected', fd);
  }

  readonly onFreeFailure = (thrown: unknown): void => {
    this.failures.tell(this.logs.sess, 'httpd_sess_free_ctx: a free function failed', thrown);
  };

  /**
   * The open session of an fd.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  session(fd: number): Sess {
    const sess = this.sessions.get(fd);
    if (sess === undefined) {
      const why = `no session has fd ${String(fd)}: it has ended, or never was`;
      throw this.sessions.wasGiven(fd) ? clientGone(ESP_ERR_NOT_FOUND, why) : new EspError(ESP_ERR_NOT_FOUND, why);
    }
    return sess;
  }

  /** A Date header for now (RFC 9110 section 6.6.1), with its line ending; looked up once in a turn of the loop. */
  dateLine(): string {
    if (this.dateStale) {
      this.dateStale = false;
      const second = Math.floor(Date.now() / 1000);
      if (second !== this.dateSecond) this.dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
      this.dateSecond = second;
    }
    return this.dateText;
  }
}

function exactTemplates(matchFn: UriMatchFn | undefined): ((template: string) => boolean) | undefined {
  return matchFn === uriMatchParams ? isExactTemplate : undefined;
}
