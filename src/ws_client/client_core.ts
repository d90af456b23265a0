/**
 * What a client keeps from one connection to the next, and who hears of what they bring.
 */
import { randomBytes } from 'node:crypto';
import { HTTPD_WS_TYPE_CLOSE } from '../httpd_ws/frame_type.js';
import { espLog, logThrown, type TagLog } from '../log.js';
import { type Clock, systemClock } from '../sess/deadlines.js';
import { Backoff } from './backoff.js';
import { type ClientSettings, checkClientConfig, type EspWebsocketClientConfig } from './config.js';
import type { Connection } from './connection.js';
import type { Journey } from './connection_host.js';
import { ClientEvents, type WsDataEvent } from './events.js';
import type { HandshakeOffer } from './handshake.js';
import type { Header } from './header_list.js';
import { maskingKey } from './masking_keys.js';
import { MessageStream } from './messages.js';
import { checkZoneAndProxy } from './proxy.js';
import { firstHop, type Hop } from './redirect.js';
import { Run, type RunClient } from './run.js';
import { type Dial, dial, type SocketTarget } from './socket.js';
import { addressOf, type Target, targetOf } from './target.js';

/** So many addresses of a host are tried within `networkTimeoutMs`. */
const ADDRESSES = 4;

/** What tests bring along. */
export interface ClientParts {
  readonly clock?: Clock;
  /** From 0 up to, and without, 1. */
  readonly random?: () => number;
  readonly dial?: Dial;
  readonly maskingKey?: () => number;
}

export class ClientCore implements RunClient {
  readonly settings: ClientSettings;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly maskingKey: () => number;
  readonly log: TagLog;
  readonly backoff: Backoff;
  readonly events: ClientEvents;
  target: Target;
  headers: readonly Header[];
  pingMs: number;
  reconnectMs: number;
  /** From start to finish. */
  run: Run | undefined;
  destroyed = false;
  destroyOnExit = false;
  /** How the last run has ended, while there is no other. */
  private last: { readonly error: Error | undefined } | undefined;
  private readonly streams = new Set<MessageStream>();
  /** What a uri need not say. */
  private readonly given: Pick<EspWebsocketClientConfig, 'port' | 'username' | 'password'>;

  /** @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_NOT_SUPPORTED */
  constructor(config: EspWebsocketClientConfig, parts: ClientParts) {
    const settings = checkClientConfig(config);
    const { port, username, password } = config;
    this.given = { port, username, password };
    this.settings = settings;
    this.clock = parts.clock ?? systemClock;
    this.dial = parts.dial ?? dial;
    this.maskingKey = parts.maskingKey ?? maskingKey;
    this.backoff = new Backoff(parts.random ?? Math.random);
    this.log = espLog('websocket_client', settings.logger);
    this.events = new ClientEvents(thrown => logThrown(this.log, 'a listener failed', thrown));
    this.target = settings.target;
    this.headers = settings.headers;
    this.pingMs = settings.pingMs;
    this.reconnectMs = settings.backoff.firstMs;
  }

  get connection(): Connection | undefined {
    return this.run?.connection;
  }

  start(): Run {
    this.backoff.reset();
    this.last = undefined;
    const { trustWarning } = this.settings;
    if (trustWarning !== undefined) this.log.warn(trustWarning);
    this.run = new Run(this);
    return this.run;
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  setUri(uri: string): void {
    const target = targetOf({ ...this.given, uri });
    checkZoneAndProxy(target, this.settings.proxy);
    this.target = target;
  }

  firstHop(): Hop {
    return firstHop(this.target, this.settings.maxRedirects);
  }

  journey(hop: Hop, withinMs: number): Journey {
    return { hop, target: this.socketTarget(hop), offer: this.offer(hop), withinMs };
  }

  private socketTarget({ target, ours }: Hop): SocketTarget {
    const { settings } = this;
    const { proxy } = settings;
    const name = (ours ? settings.certName : undefined) ?? target.host;
    return {
      host: addressOf(target),
      port: target.port,
      attemptMs: Math.ceil(settings.networkMs / ADDRESSES),
      keepAliveMs: settings.keepAliveMs,
      tls: target.secure ? { ...settings.tls(ours), name } : undefined,
      proxy: proxy && { ...proxy, tls: proxy.secure ? settings.proxyTls() : undefined },
    };
  }

  private offer({ target, ours }: Hop): HandshakeOffer {
    const { settings } = this;
    return {
      target: target.path,
      authority: target.authority,
      authorization: target.authorization,
      key: randomBytes(16).toString('base64'),
      subprotocols: settings.subprotocols,
      deflate: settings.deflate,
      origin: settings.origin,
      userAgent: settings.userAgent,
      headers: ours ? this.headers : [],
    };
  }

  onData(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void {
    const { events, streams } = this;
    if (streams.size === 0 && !events.has('data')) return;
    const event: WsDataEvent = { opCode, data, dataLen: data.length, payloadLen, payloadOffset, fin };
    if (opCode < HTTPD_WS_TYPE_CLOSE) {
      for (const stream of streams) {
        stream.push(event);
        if (stream.full) this.connection?.hold(true);
      }
    }
    events.emit('data', event);
  }

  onOpen(connection: Connection): void {
    if (this.anyFull) connection.hold(true);
  }

  onConnectionEnded(): void {
    for (const stream of this.streams) stream.drop();
  }

  onFinished(error: Error | undefined): void {
    this.run = undefined;
    this.last = { error };
    this.endStreams(error);
    if (this.destroyOnExit) this.destroyed = true;
  }

  /** The client has been destroyed: nobody hears of anything any more. */
  release(): void {
    this.endStreams(undefined);
    this.events.clear();
  }

  /** Messages from now on; none if the client has stopped. */
  messages(): MessageStream {
    const stream = new MessageStream(
      this.settings.maxRxPending,
      () => {
        if (!this.anyFull) this.connection?.hold(false);
      },
      left => this.streams.delete(left),
    );
    if (this.last !== undefined || this.destroyed) stream.end(this.last?.error);
    else this.streams.add(stream);
    return stream;
  }

  private endStreams(error: Error | undefined): void {
    for (const stream of this.streams) stream.end(error);
    this.streams.clear();
  }

  get iterated(): boolean {
    return this.streams.size > 0;
  }

  private get anyFull(): boolean {
    for (const stream of this.streams) if (stream.full) return true;
    return false;
  }
}
