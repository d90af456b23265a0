/**
 * What a client does from its start to its end: connections, one after the other, and the waits between them.
 */
import { setMaxListeners } from 'node:events';
import { Contexts } from '../async_context.js';
import { ESP_FAIL, EspError } from '../err.js';
import { WS_CLOSE_ABNORMAL } from '../httpd_ws/close.js';
import { escapeForLog, type TagLog } from '../log.js';
import { Deferred } from '../thenable.js';
import type { Backoff } from './backoff.js';
import { Connection } from './connection.js';
import type { ConnectionClient, ConnectionHost, Ending, Journey } from './connection_host.js';
import { internalError, NO_ERROR, WEBSOCKET_ERROR_TYPE_SERVER_CLOSE, type WsResponse } from './errors.js';
import type { ClientEvents, WsConnectedEvent } from './events.js';
import type { Hop } from './redirect.js';
import { type Target, uriOf } from './target.js';

/** What a run needs from its client: what stays from one connection to the next. */
export interface RunClient extends ConnectionClient {
  readonly events: ClientEvents;
  readonly backoff: Backoff;
  readonly log: TagLog;
  /** In ms. */
  readonly reconnectMs: number;
  readonly destroyed: boolean;
  /** Where an attempt begins. */
  firstHop(): Hop;
  /** @param withinMs the time for it */
  journey(hop: Hop, withinMs: number): Journey;
  onData(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void;
  /** A connection is open: is reading wanted? */
  onOpen(connection: Connection): void;
  onConnectionEnded(): void;
  /** @param error why, unless the application asked for it, or the server closed the connection in order */
  onFinished(error: Error | undefined): void;
  /** 'finish' has been told, and nothing is to follow. */
  release(): void;
}

export class Run implements ConnectionHost {
  readonly contexts = new Contexts();
  connection: Connection | undefined;
  private readonly firstOpen = new Deferred();
  private readonly end = new Deferred();
  /** Has the application asked for the end? */
  private asked = false;
  private over = false;
  /** Are listeners told of the end of a connection? */
  private telling = false;
  private openedAt = 0;
  /** When what is left of `networkTimeoutMs` is over. */
  private attemptEnds = 0;
  private cancelWait: (() => void) | undefined;
  private readonly onAbort = (): void => this.stop();

  constructor(readonly client: RunClient) {
    const { signal } = client.settings;
    if (signal !== undefined) {
      // any number of clients may share it, and each takes its listener away again
      setMaxListeners(0, signal);
      signal.addEventListener('abort', this.onAbort);
    }
    // listeners that are added behind the call of start() hear of it too
    queueMicrotask(() => this.contexts.run(this.begin, this, undefined));
  }

  /** Resolves with the first connection; rejects if there was none in the end. */
  get connected(): Promise<void> {
    return this.firstOpen.promise;
  }

  /** Resolves at the end. */
  get finished(): Promise<void> {
    return this.end.promise;
  }

  /** Ends it now, whatever it does. */
  stop(): void {
    if (this.over) return;
    this.asked = true;
    this.contexts.run(this.stopNow, this, undefined);
  }

  /** Ends it with a closing handshake, if there is a connection. */
  close(code: number | undefined, reason: string, timeoutMs: number): void {
    this.asked = true;
    const { connection } = this;
    if (connection?.isOpen) connection.close(code, reason, timeoutMs);
    // one that is about to end may do so
    else if (!connection?.closing) this.stop();
  }

  onResponse({ rawHeaders }: WsResponse): void {
    for (const header of rawHeaders) {
      // a listener may stop the client at any of them
      if (!this.over) this.client.events.emit('headerReceived', header);
    }
  }

  onOpen(info: WsConnectedEvent): void {
    const { client, connection } = this;
    this.openedAt = client.clock.now();
    if (connection !== undefined) client.onOpen(connection);
    this.firstOpen.resolve();
    client.events.emit('connected', info);
  }

  onData(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void {
    this.client.onData(opCode, data, payloadLen, payloadOffset, fin);
  }

  onEnded(ending: Ending): void {
    const { client } = this;
    this.connection = undefined;
    client.onConnectionEnded();
    if (ending.next !== undefined) {
      client.log.info(`redirected to ${shown(ending.next.target)}`);
      return this.goTo(ending.next);
    }
    this.telling = true;
    const willReconnect = this.tell(ending);
    this.telling = false;
    // listeners may have stopped it
    if (willReconnect && !this.asked) this.wait();
    else this.finish(this.asked ? undefined : ending.error);
  }

  /** @returns whether there is to be another connection */
  private tell({ error, close, wasClean, wasOpen }: Ending): boolean {
    const { client } = this;
    const { events, settings, log } = client;
    const good = wasOpen && client.clock.now() - this.openedAt >= client.reconnectMs;
    if (good) client.backoff.reset();
    if (error !== undefined) {
      log.error(error.message);
      events.emit('error', error);
    }
    const byServer = wasClean && !this.asked;
    const willReconnect = !this.asked && (wasClean ? settings.closeReconnect : settings.autoReconnect);
    if (wasOpen || error !== undefined) {
      events.emit(wasClean ? 'closed' : 'disconnected', {
        code: close.code,
        reason: close.reason,
        wasConnected: wasOpen,
        byClient: this.asked,
        willReconnect,
        errorHandle:
          error?.errorHandle ?? (byServer ? { ...NO_ERROR, errorType: WEBSOCKET_ERROR_TYPE_SERVER_CLOSE } : NO_ERROR),
      });
    }
    return willReconnect;
  }

  private begin(): void {
    if (this.over) return;
    this.client.events.emit('begin');
    if (!this.over) this.connect();
  }

  private connect(): void {
    const { client } = this;
    client.events.emit('beforeConnect');
    if (this.over) return;
    this.attemptEnds = client.clock.now() + client.settings.networkMs;
    this.goTo(client.firstHop());
  }

  private goTo(hop: Hop): void {
    const { client } = this;
    if (client.log.debugOn) client.log.debug(`connecting to ${shown(hop.target)}`);
    try {
      // redirections do not make an attempt longer
      const withinMs = Math.max(0, this.attemptEnds - client.clock.now());
      this.connection = new Connection(this, client.journey(hop, withinMs));
    } catch (thrown) {
      const error = internalError(thrown);
      this.onEnded({ error, close: { code: WS_CLOSE_ABNORMAL, reason: '' }, wasClean: false, wasOpen: false });
    }
  }

  private wait(): void {
    const { client } = this;
    const { backoff, settings } = client;
    const ms = backoff.next({ ...settings.backoff, firstMs: client.reconnectMs });
    client.log.info(`Reconnect after ${ms} ms`);
    this.cancelWait = client.clock.after(ms, () => {
      this.cancelWait = undefined;
      this.contexts.run(this.connect, this, undefined);
    });
  }

  private stopNow(): void {
    if (this.connection !== undefined) this.connection.end();
    else if (!this.telling) this.finish(undefined);
  }

  private finish(error: Error | undefined): void {
    if (this.over) return;
    this.over = true;
    this.cancelWait?.();
    const { client } = this;
    const { signal } = client.settings;
    signal?.removeEventListener('abort', this.onAbort);
    const why = signal?.aborted ? { cause: signal.reason as unknown } : undefined;
    this.firstOpen.reject(error ?? new EspError(ESP_FAIL, 'the client was stopped before it was connected', why));
    client.onFinished(error);
    client.events.emit('finish');
    if (client.destroyed) client.release();
    this.end.resolve();
  }
}

/** A target in a log: without its query, which may hold a secret. */
function shown(target: Target): string {
  return escapeForLog(uriOf(target).replace(/\?.*$/, ''));
}
