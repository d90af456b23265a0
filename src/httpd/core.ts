/**
 * The inside of a server: what its sessions, connections and WebSockets share, and who is let in. `server.ts` is its
 * outside.
 */
import { Contexts } from '../async_context.js';
import type { HttpdConfig } from '../config.js';
import { clientGone, ESP_ERR_NOT_FOUND, ESP_OK, EspError } from '../err.js';
import { MessageMemory } from '../httpd_ws/message.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import { escapeForLog, type HttpdLogs, httpdLogs, logThrown } from '../log.js';
import type { HttpdListener, Listener, Port, PortOf, PortSocket, SocketHandler } from '../port/port.js';
import { releaseCtx } from '../sess/ctx.js';
import { type Clock, Deadlines } from '../sess/deadlines.js';
import type { Heap } from '../sess/heap.js';
import { ReceiveBuffer } from '../sess/input.js';
import { PeerTable } from '../sess/peers.js';
import type { Protocol, SessHost } from '../sess/protocol.js';
import { Sess } from '../sess/sess.js';
import { SessTable } from '../sess/table.js';
import { TurnBudget } from '../sess/turn_budget.js';
import { Outbox } from '../sess/tx.js';
import { isThenable, watch } from '../thenable.js';
import { BeforeHooks } from './before.js';
import type { BodyLimits } from './body.js';
import type { ErrHandler } from './callbacks.js';
import { HttpConn } from './conn.js';
import { EventHub } from './events.js';
import { Failures } from './failures.js';
import { RECV_SHARE, receiveBuffer } from './llhttp.js';
import { LogStory } from './log_story.js';
import type { ParseLimits } from './parse.js';
import type { Route } from './route.js';
import type { HttpdServer } from './server.js';
import { Stats } from './stats.js';
import { type UriMatchFn, UriTable } from './uri.js';
import { isExactTemplate, uriMatchParams } from './uri_params.js';

/** The number of the listening socket, which sessions' numbers follow. */
const LISTEN_FD = 3;
/** Connections beyond `maxOpenSockets` that are told so at a time; further ones are reset. */
const REFUSALS_MAX = 64;
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

/** A connection, and the listener that it has come by. */
interface Arrival {
  readonly sock: PortSocket;
  readonly listener: HttpdListener;
}

/** All servers of this thread receive into the same buffer. */
const receive = new ReceiveBuffer(receiveBuffer, RECV_SHARE);

const FULL_PAGE = '<p>The server has no free connection. Try again soon.</p>';
const FULL_HEAD =
  `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: ${FULL_PAGE.length}\r\n` +
  'Retry-After: 5\r\nConnection: close\r\n';

export class HttpdCore implements SessHost {
  readonly logs: HttpdLogs;
  readonly story: LogStory;
  readonly events: EventHub;
  readonly failures: Failures;
  readonly uris: UriTable<Route>;
  readonly before = new BeforeHooks();
  readonly errHandlers: (ErrHandler | undefined)[] = [];
  readonly sessions = new SessTable(LISTEN_FD + 1);
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
  /** Is called when the last session has ended. */
  onEmpty: (() => void) | undefined;
  /** Is told of handshakes that failed. */
  onTlsError: ((error: Error, address: string) => void) | undefined;
  private nextHandshake = -1;
  private nextPlainHttpLine = Number.NEGATIVE_INFINITY;
  private refusals = 0;
  private readonly perPeer: PeerTable | undefined;
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
    this.perPeer = config.maxSessPerIp === 0 ? undefined : new PeerTable(config.maxSessPerIp);
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
    this.deadlines = new Deadlines(clock, timeouts, this.sessions, fn => this.whenServed(fn));
  }

  /** Calls `fn` when all sessions have been served that have something to do by now: at once if none is left over. */
  private whenServed(fn: () => void): void {
    // those that a select loop has served may wait for their turn
    let next = () => this.budget.whenServed(fn);
    for (const port of this.ports) {
      const then = next;
      next = () => port.whenServed(then);
    }
    next();
  }

  /** A connection has come: makes a session of it, or refuses it. */
  accept(sock: PortSocket, listener: HttpdListener): SocketHandler | undefined {
    return this.contexts.run(this.tryAdmit, this, { sock, listener });
  }

  /** A connection has come whose handshake is to begin. @returns what to call when it has ended; undefined refuses it */
  beginHandshake(address: string): (() => void) | undefined {
    const { perPeer } = this;
    if (!this.opened || this.stopping || this.isPeerFull(address)) return undefined;
    // its number is none that a session has
    const id = this.nextHandshake--;
    perPeer?.add(id, address);
    return () => perPeer?.remove(id);
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

  private isPeerFull(address: string): boolean {
    if (this.perPeer?.isFull(address) !== true) return false;
    this.stats.refusedPeer += 1;
    this.logs.httpd.warn(
      `httpd_accept_conn: ${escapeForLog(address)} has ${this.config.maxSessPerIp} sessions (maxSessPerIp)`,
    );
    return true;
  }

  private tryAdmit(arrival: Arrival): SocketHandler | undefined {
    try {
      return this.admit(arrival);
    } catch (thrown) {
      this.failures.tell(this.logs.httpd, 'httpd_accept_conn: session creation failed', thrown);
      arrival.sock.reset();
      return undefined;
    }
  }

  private admit(arrival: Arrival): SocketHandler | undefined {
    const { sock } = arrival;
    const { httpd: log, sess: sessLog } = this.logs;
    if (log.debugOn) log.debug(`httpd_server: processing listen socket ${LISTEN_FD}`);
    if (!this.opened || this.stopping) {
      sock.reset();
      return undefined;
    }
    const { maxOpenSockets } = this.config;
    if (this.isPeerFull(sock.remoteAddress)) return this.refuse(arrival);
    if (this.sessions.size - this.refusals >= maxOpenSockets && !this.purgeOne()) {
      this.stats.refusedFull += 1;
      log.warn(`httpd_accept_conn: all ${maxOpenSockets} sockets are taken (maxOpenSockets)`);
      return this.refuse(arrival);
    }
    const sess = this.open(arrival, session => new HttpConn(session, this));
    this.stats.opened += 1;
    this.perPeer?.add(sess.fd, sock.remoteAddress);
    if (log.debugOn) {
      log.debug(`httpd_accept_conn: newfd = ${sess.fd}`);
      sessLog.debug(`httpd_sess_new: fd = ${sess.fd}`);
    }
    const { openFn } = this.config;
    if (openFn !== undefined && !this.tryOpenFn(openFn, sess.fd)) {
      this.stats.refusedByApp += 1;
      sess.end('openFn refused it');
      return undefined;
    }
    if (log.debugOn) sessLog.debug(`httpd_sess_new: active sockets: ${this.sessions.size - this.refusals}`);
    this.events.emit('connected', sess.fd);
    if (log.debugOn) {
      log.debug('httpd_accept_conn: complete');
      this.story.turn();
    }
    return sess.ended ? undefined : sess;
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

  onEnded(sess: Sess, reason: string): void {
    const { sess: log } = this.logs;
    this.sessions.remove(sess);
    this.perPeer?.remove(sess.fd);
    if (sess.protocol instanceof Refusal) this.refusals -= 1;
    if (log.debugOn) {
      log.debug(`httpd_sess_delete: fd = ${sess.fd}`);
      log.debug(`httpd_sess_delete: ${escapeForLog(reason)}`);
      log.debug(`httpd_sess_delete: active sockets: ${this.sessions.size - this.refusals}`);
    }
    if (!(sess.protocol instanceof Refusal)) {
      const onFailure = (thrown: unknown) => this.failures.tell(log, 'httpd_sess_delete: close_fn failed', thrown);
      try {
        watch(this.config.closeFn?.(this.server, sess.fd), onFailure);
      } catch (thrown) {
        onFailure(thrown);
      }
      this.events.emit('disconnected', sess.fd);
    }
    releaseCtx(sess, this.onFreeFailure);
    if (this.sessions.size === 0) this.onEmpty?.();
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
    const sess = this.find(fd);
    if (sess === undefined) {
      const why = `no session has fd ${String(fd)}: it has ended, or never was`;
      throw this.sessions.wasGiven(fd) ? clientGone(ESP_ERR_NOT_FOUND, why) : new EspError(ESP_ERR_NOT_FOUND, why);
    }
    return sess;
  }

  /** The same, or undefined. */
  find(fd: number): Sess | undefined {
    const sess = this.sessions.get(fd);
    return sess?.protocol instanceof Refusal ? undefined : sess;
  }

  /** The fds of all sessions. */
  clientList(): number[] {
    return this.sessions.fds().filter(fd => !(this.sessions.get(fd)?.protocol instanceof Refusal));
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

  private open({ sock, listener }: Arrival, protocol: (sess: Sess) => Protocol): Sess {
    const sess = new Sess(this.sessions.nextFd(), sock, listener, this);
    sess.protocol = protocol(sess);
    this.sessions.add(sess);
    return sess;
  }

  /** Ends the least recently used idle session. @returns whether there was one */
  private purgeOne(): boolean {
    if (!this.config.lruPurgeEnable) return false;
    const victim = this.sessions.purgeCandidate();
    if (victim === undefined) return false;
    const { protocol, fd, sock, heardAt } = victim;
    this.stats.purged += 1;
    this.logs.sess.info(
      `httpd_sess_close_lru: Closing session with fd ${fd}: least recently used of ${this.sessions.size}, ` +
        `${protocol.isWebsocket ? 'WebSocket' : 'HTTP'} with ${escapeForLog(sock.remoteAddress)}, ` +
        `idle for ${Math.max(0, Math.round((this.clock.now() - heardAt) / 1000))} s`,
    );
    if (protocol instanceof WsConn) protocol.leave('purged');
    // what is queued just now is at most a Close frame: it goes out before the socket is released
    victim.tx.flush();
    this.contexts.run(victim.end, victim, 'purged: least recently used');
    return true;
  }

  private refuse(arrival: Arrival): SocketHandler | undefined {
    if (this.refusals >= REFUSALS_MAX) {
      arrival.sock.reset();
      return undefined;
    }
    this.refusals += 1;
    const sess = this.open(arrival, () => new Refusal());
    sess.tx.write(Buffer.from(`${FULL_HEAD}${this.dateLine()}\r\n${FULL_PAGE}`));
    sess.finish('no free socket');
    return sess;
  }

  /** @returns whether it lets the session in */
  private tryOpenFn(openFn: NonNullable<HttpdConfig['openFn']>, fd: number): boolean {
    const { sess: log } = this.logs;
    const what = `httpd_sess_new: open_fn failed for fd = ${fd}`;
    try {
      const result: unknown = openFn(this.server, fd);
      // it has to decide at once: what comes later can only be logged
      if (isThenable(result)) watch(result, thrown => this.failures.tell(log, what, thrown));
      else if (result !== undefined && result !== ESP_OK) {
        log.warn(`${what}: it returned ${String(result)}`);
        return false;
      }
      return true;
    } catch (thrown) {
      this.failures.tell(log, what, thrown, 'warn');
      return false;
    }
  }
}

function exactTemplates(matchFn: UriMatchFn | undefined): ((template: string) => boolean) | undefined {
  return matchFn === uriMatchParams ? isExactTemplate : undefined;
}

/** Stands for a protocol in a session that only says that there is no room. */
class Refusal implements Protocol {
  /** To end it would make no room. */
  readonly busy = true;
  readonly isWebsocket = false;
  readonly request = undefined;
  readonly blocked = true;
  readonly unfinished = false;
  readonly endsWithPeer = false;

  run(): void {}
  onPeerEnd(): void {}
  onDeadline(): void {}
  onEnded(): void {}
}
