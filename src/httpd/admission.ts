/**
 * Who is let in: a connection becomes a session, takes the place of the one that was used least recently, or is told that
 * there is no room.
 *
 * Nobody is refused or purged for clients that have left. Where there seems to be no room a connection waits until the
 * loop has looked at all sockets once more.
 */
import type { HttpdConfig } from '../config.js';
import { ESP_OK } from '../err.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import { escapeForLog } from '../log.js';
import type { HttpdListener, PortSocket, SocketHandler } from '../port/port.js';
import { SecondLook } from '../port/second_look.js';
import { PeerTable } from '../sess/peers.js';
import type { Protocol } from '../sess/protocol.js';
import { Sess } from '../sess/sess.js';
import { isThenable, watch } from '../thenable.js';
import { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';

/** The number of the listening socket, which sessions' numbers follow. */
export const LISTEN_FD = 3;
/** Connections beyond `maxOpenSockets` that are told so at a time; further ones are reset. */
const REFUSALS_MAX = 64;

const FULL_PAGE = '<p>The server has no free connection. Try again soon.</p>';
const FULL_HEAD =
  `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: ${FULL_PAGE.length}\r\n` +
  'Retry-After: 5\r\nConnection: close\r\n';

/** A connection, and the listener that it has come by. */
interface Arrival {
  readonly sock: PortSocket;
  readonly listener: HttpdListener;
}

export class Admission {
  /** Connections that are told that there is no room, until their sockets are released. */
  readonly refused = new Set<Sess>();
  private readonly look = new SecondLook<Sess>(
    fn => this.core.whenServed(fn),
    sess => this.core.contexts.run(this.decide, this, sess),
  );
  /** Requests that wait for the same look. */
  private readonly requests = new SecondLook<() => void>(
    fn => this.core.whenServed(fn),
    resolve => resolve(),
  );
  private readonly perPeer: PeerTable | undefined;
  private nextHandshake = -1;

  constructor(private readonly core: HttpdCore) {
    const { maxSessPerIp } = core.config;
    this.perPeer = maxSessPerIp === 0 ? undefined : new PeerTable(maxSessPerIp);
  }

  /** A connection has come: makes a session of it, or refuses it. */
  accept(sock: PortSocket, listener: HttpdListener): SocketHandler | undefined {
    return this.core.contexts.run(this.take, this, { sock, listener });
  }

  /** Resolves when the loop has looked once more at who has left, for limits beside those on sessions. */
  anotherLook(): Promise<void> {
    return new Promise(resolve => {
      if (!this.requests.wait(resolve)) resolve();
    });
  }

  /** Is the address without room for another handshake, unless somebody has left? */
  isPeerFull(address: string): boolean {
    return this.perPeer?.isFull(address) ?? false;
  }

  /** A connection has come whose handshake is to begin. @returns what to call when it has ended; undefined refuses it */
  beginHandshake(address: string): (() => void) | undefined {
    const { core, perPeer } = this;
    if (!core.opened || core.stopping || this.refusesPeer(address)) return undefined;
    // its number is none that a session has
    const id = this.nextHandshake--;
    perPeer?.add(id, address);
    return () => perPeer?.remove(id);
  }

  /** The session is over. */
  onOver(sess: Sess): void {
    this.perPeer?.remove(sess.fd);
  }

  /** Its socket has been released. */
  onReleased(sess: Sess): void {
    this.refused.delete(sess);
    this.look.waiting.delete(sess);
  }

  /** The server stops: those that wait are not let in any more. */
  stop(): void {
    for (const sess of [...this.look.waiting]) sess.reset('the server stops');
  }

  private take({ sock, listener }: Arrival): SocketHandler | undefined {
    const { core } = this;
    const { httpd: log } = core.logs;
    if (log.debugOn) log.debug(`httpd_server: processing listen socket ${LISTEN_FD}`);
    if (!core.opened || core.stopping) {
      sock.reset();
      return undefined;
    }
    const sess = new Sess(core.sessions.nextFd(), sock, listener, core);
    sess.protocol = new Waiting(sess);
    if (!this.seemsFull(sock) || !this.look.wait(sess)) this.decide(sess);
    return sess.ended ? undefined : sess;
  }

  /** Is there no room, unless somebody has left? Nor is there while others wait for it. */
  private seemsFull(sock: PortSocket): boolean {
    const { config, sessions } = this.core;
    if (this.look.waiting.size > 0 || sessions.size >= config.maxOpenSockets) return true;
    return this.perPeer?.isFull(sock.remoteAddress) === true;
  }

  private decide(sess: Sess): void {
    const { core } = this;
    try {
      if (this.hasRoom(sess)) this.admit(sess);
      else this.refuse(sess);
    } catch (thrown) {
      core.failures.tell(core.logs.httpd, 'httpd_accept_conn: session creation failed', thrown);
      sess.reset('session creation failed');
    }
  }

  /** Makes room by purging, if that is allowed. */
  private hasRoom(sess: Sess): boolean {
    const { sessions, config, stats, logs } = this.core;
    const { maxOpenSockets } = config;
    if (this.perPeer !== undefined && this.refusesPeer(sess.sock.remoteAddress)) return false;
    if (sessions.size < maxOpenSockets || this.purgeOne()) return true;
    stats.refusedFull += 1;
    logs.httpd.warn(`httpd_accept_conn: all ${maxOpenSockets} sockets are taken (maxOpenSockets)`);
    return false;
  }

  private refusesPeer(address: string): boolean {
    if (!this.isPeerFull(address)) return false;
    const { stats, logs, config } = this.core;
    stats.refusedPeer += 1;
    logs.httpd.warn(`httpd_accept_conn: ${escapeForLog(address)} has ${config.maxSessPerIp} sessions (maxSessPerIp)`);
    return true;
  }

  private admit(sess: Sess): void {
    const { core } = this;
    const { httpd: log, sess: sessLog } = core.logs;
    sess.protocol = new HttpConn(sess, core);
    core.sessions.add(sess);
    core.stats.opened += 1;
    this.perPeer?.add(sess.fd, sess.sock.remoteAddress);
    if (log.debugOn) {
      log.debug(`httpd_accept_conn: newfd = ${sess.fd}`);
      sessLog.debug(`httpd_sess_new: fd = ${sess.fd}`);
    }
    const { openFn } = core.config;
    if (openFn !== undefined && !this.tryOpenFn(openFn, sess.fd)) {
      core.stats.refusedByApp += 1;
      return sess.end('openFn refused it');
    }
    if (log.debugOn) sessLog.debug(`httpd_sess_new: active sockets: ${core.sessions.size}`);
    core.events.emit('connected', sess.fd);
    if (log.debugOn) {
      log.debug('httpd_accept_conn: complete');
      core.story.turn();
    }
    // what has come while it waited
    if (sess.input.length > 0 || sess.peerEnded) sess.pump();
  }

  /** Ends the least recently used idle session. @returns whether there was one */
  private purgeOne(): boolean {
    const { config, sessions, stats, logs, clock, contexts } = this.core;
    if (!config.lruPurgeEnable) return false;
    const victim = sessions.purgeCandidate();
    if (victim === undefined) return false;
    const { protocol, fd, sock, heardAt } = victim;
    stats.purged += 1;
    logs.sess.info(
      `httpd_sess_close_lru: Closing session with fd ${fd}: least recently used of ${sessions.size}, ` +
        `${protocol.isWebsocket ? 'WebSocket' : 'HTTP'} with ${escapeForLog(sock.remoteAddress)}, ` +
        `idle for ${Math.max(0, Math.round((clock.now() - heardAt) / 1000))} s`,
    );
    if (protocol instanceof WsConn) protocol.leave('purged');
    // what is queued just now is at most a Close frame: it goes out before the socket is released
    victim.tx.flush();
    contexts.run(victim.end, victim, 'purged: least recently used');
    return true;
  }

  private refuse(sess: Sess): void {
    const { refused, core } = this;
    if (refused.size >= REFUSALS_MAX) return sess.reset('no free socket');
    refused.add(sess);
    sess.protocol = REFUSAL;
    sess.tx.write(Buffer.from(`${FULL_HEAD}${core.dateLine()}\r\n${FULL_PAGE}`));
    sess.finish('no free socket');
  }

  /** @returns whether it lets the session be */
  private tryOpenFn(openFn: NonNullable<HttpdConfig['openFn']>, fd: number): boolean {
    const { server, logs, failures } = this.core;
    const what = `httpd_sess_new: open_fn failed for fd = ${fd}`;
    try {
      const result: unknown = openFn(server, fd);
      // it has to decide at once: what comes later can only be logged
      if (isThenable(result)) watch(result, thrown => failures.tell(logs.sess, what, thrown));
      else if (result !== undefined && result !== ESP_OK) {
        logs.sess.warn(`${what}: it returned ${String(result)}`);
        return false;
      }
      return true;
    } catch (thrown) {
      failures.tell(logs.sess, what, thrown, 'warn');
      return false;
    }
  }
}

/** Stands for a protocol where nothing that comes is looked at. */
class Deaf implements Protocol {
  readonly busy: boolean = true;
  readonly isWebsocket: boolean = false;
  readonly request = undefined;
  readonly blocked: boolean = true;
  readonly unfinished: boolean = false;
  readonly endsWithPeer: boolean = false;

  run(): void {}
  onPeerEnd(): void {}
  onDeadline(): void {}
  onEnded(): void {}
}

/** Of a connection that only is told that there is no room. */
const REFUSAL = new Deaf();

/** Of one that waits for another look at who has left. */
class Waiting extends Deaf {
  constructor(private readonly sess: Sess) {
    super();
  }

  /** It has left itself, and has asked for nothing. */
  override onPeerEnd(): void {
    this.sess.end('it left before it was let in');
  }
}
