/**
 * The server as applications see it, after `httpd_handle_t` and the functions that take one; those for one session are in
 * `server_sess.ts`.
 */
import type { HttpdConfig } from '../config.js';
import { ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import type { HttpdListener, Port } from '../port/port.js';
import type { Credentials } from '../tls/credentials.js';
import type { ErrHandler } from './callbacks.js';
import { type CoreParts, HttpdCore } from './core.js';
import type { HttpdEvents } from './events.js';
import { type HttpdErrCode, isErrCode } from './http_err.js';
import { inspectSessions, type SessInfo } from './inspect.js';
import { Listeners } from './listeners.js';
import { isMethod } from './methods.js';
import { checkUri, type HttpdUri, type UriHandler } from './route.js';
import { checkFunction, ServerSess } from './server_sess.js';
import { shutDown } from './shut_down.js';
import type { HttpdStats } from './stats.js';
import { takeStats } from './take_stats.js';
import { doubtOf } from './uri_doubts.js';
import { type WorkFn, WorkQueue } from './work_queue.js';

/** The longest time, in ms, that a timer of Node.js can wait. */
const TIMER_MAX = 2 ** 31 - 1;
/** How long `stop` lets handlers go on, in seconds, unless it is told otherwise. */
const GRACE = 5;

export class HttpdServer extends ServerSess {
  protected readonly core: HttpdCore;
  private readonly works: WorkQueue;
  private listening: Listeners | undefined;
  private stopped: Promise<void> | undefined;

  /** Servers are made by `httpdStart()`. */
  constructor(config: HttpdConfig, parts: CoreParts) {
    super();
    const core = new HttpdCore(config, parts, this);
    this.core = core;
    this.works = new WorkQueue(
      config.maxWorkQueue,
      parts.schedule ?? setImmediate,
      () => core.story.work(),
      thrown => core.failures.tell(core.logs.httpd, 'httpd_process_ctrl_msg: a work failed', thrown),
    );
  }

  /** The port that the server is bound to: the first one, if there are several; 0 if there is none, or it has stopped. */
  get port(): number {
    return this.listeners.find(({ port }) => port !== 0)?.port ?? 0;
  }

  /** What the server listens on, in the order of the configuration; empty when it has stopped. Not of ESP-IDF. */
  get listeners(): readonly HttpdListener[] {
    return this.listening?.infos ?? [];
  }

  /** @internal */
  async listen(port: Port): Promise<void> {
    const { core } = this;
    this.listening = await Listeners.open(core, port);
    core.story.start();
    core.events.emit('start');
  }

  /**
   * Replaces the certificate of encrypted listeners while they serve: connections that begin from now on get it, others go
   * on. If anything is wrong with it, the old one stays. Not of ESP-IDF.
   *
   * @param credentials as in `HttpdTlsConfig`
   * @param listener one of `listeners`; default: all encrypted ones
   * @throws EspError ESP_ERR_INVALID_ARG that says what is wrong with which file, ESP_ERR_NOT_FOUND if there is no such
   *   encrypted listener, ESP_ERR_INVALID_STATE if the server has stopped; all by rejection
   */
  async setCertificate(credentials: Credentials, listener?: HttpdListener): Promise<void> {
    if (this.listening === undefined) throw new EspError(ESP_ERR_INVALID_STATE, 'the server has stopped');
    await this.listening.setCertificate(credentials, listener);
  }

  /**
   * Stops the server (`httpd_stop`): accepts no more, lets running handlers end, says goodbye to WebSockets with
   * Close 1001, ends all sessions, frees the global contexts. Calling it again returns the same promise.
   *
   * A handler may await it before anything else that it awaits, or behind its whole answer: it does not wait for that
   * handler. One that awaits it in between waits for itself, until the grace is over.
   *
   * @param options.grace how long running handlers and closing handshakes may take, in seconds, default 5
   */
  stop(options: { grace?: number } = {}): Promise<void> {
    const { grace = GRACE } = options ?? {};
    if (typeof options !== 'object') invalidArg('stop takes an object such as { grace: 5 }');
    if (typeof grace !== 'number' || !(grace >= 0)) invalidArg('grace must be a number of seconds from 0');
    this.stopped ??= this.shutDown(Math.min(grace * 1000, TIMER_MAX));
    return this.stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Registers a URI handler (`httpd_register_uri_handler`). The first registered that fits a request serves it.
   *
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_HTTPD_HANDLER_EXISTS, ESP_ERR_HTTPD_HANDLERS_FULL,
   *   ESP_ERR_NOT_SUPPORTED for `wsPerMessageDeflate`, if this version of Node.js can't do it
   */
  registerUriHandler(uri: HttpdUri): void {
    const route = checkUri(uri);
    const place = this.core.uris.register(route);
    const { uri: log } = this.core.logs;
    if (log.debugOn) log.debug(`httpd_register_uri_handler: [${place}] installed ${route.uri}`);
    const doubt = doubtOf(route.uri, this.core.config.uriMatchFn);
    if (doubt !== undefined) log.warn(`httpd_register_uri_handler: '${route.uri}' will hardly fit a request: ${doubt}`);
  }

  /**
   * Removes the handler of a URI and method (`httpd_unregister_uri_handler`). Its WebSockets live on.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  unregisterUriHandler(uri: string, method: number): void {
    if (typeof uri !== 'string') invalidArg('uri must be a string');
    if (!isMethod(method)) invalidArg('the method must be HTTP_GET, another HTTP_… number, or HTTP_ANY');
    this.core.uris.unregister(uri, method);
  }

  /**
   * Removes all handlers of a URI (`httpd_unregister_uri`).
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  unregisterUri(uri: string): void {
    if (typeof uri !== 'string') invalidArg('uri must be a string');
    this.core.uris.unregisterAll(uri);
  }

  /**
   * Runs `hook` before whatever serves a request for `prefix` or a path below it, also before an error page for a URI
   * without a handler, and before a WebSocket's handshake. A path that only decoding, dot segments or doubled slashes
   * lead below the prefix counts too. Hooks run in the order of registration, but those of `cors` first. One that answers
   * ends the request; one that returns nothing or `ESP_OK` lets it go on; any other value is answered with 403, a throw with 500. Headers that it
   * sets are on whatever is answered later. Not of ESP-IDF.
   *
   * @param prefix a path such as `/admin`, and no pattern; `/` is for all. Not percent-encoded
   * @returns takes the hook away again
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  before(prefix: string, hook: UriHandler): () => void {
    return this.core.before.add(prefix, hook);
  }

  /**
   * Sets who answers an error (`httpd_register_err_handler`); undefined or null brings back the default page. If the
   * handler returns `ESP_OK` the connection stays open, where the error allows it.
   */
  registerErrHandler(code: HttpdErrCode, handler: ErrHandler | undefined | null): void {
    if (!isErrCode(code)) invalidArg(`${String(code)} is not one of HTTPD_4xx_… and HTTPD_5xx_…`);
    const given = handler ?? undefined;
    checkFunction(given, 'the error handler');
    this.core.errHandlers[code] = given;
  }

  /**
   * Queues work for the server's loop (`httpd_queue_work`): first in, first out, after the sockets that are ready now.
   * What it throws, or rejects with, is logged and harms no other. A handler that has queued work before its first `await`
   * may leave the answer to it, as one that has called `req.toSockfd()`.
   *
   * @throws EspError ESP_FAIL if `maxWorkQueue` works wait, ESP_ERR_INVALID_STATE if the server has stopped
   */
  queueWork<Arg>(fn: (arg: Arg) => unknown, arg?: Arg): void {
    if (typeof fn !== 'function') invalidArg('the work must be a function');
    this.addWork(fn as WorkFn, arg);
    this.core.worksQueued += 1;
  }

  protected addWork(fn: WorkFn, arg?: unknown): void {
    if (this.listening === undefined) throw new EspError(ESP_ERR_INVALID_STATE, 'the server has stopped');
    this.works.add(fn, arg);
  }

  /** `config.globalUserCtx` (`httpd_get_global_user_ctx`). */
  getGlobalUserCtx(): unknown {
    return this.core.config.globalUserCtx;
  }

  /** `config.globalTransportCtx` (`httpd_get_global_transport_ctx`). */
  getGlobalTransportCtx(): unknown {
    return this.core.config.globalTransportCtx;
  }

  /** What the server has counted, and what its sessions do now. Costs a look at each session. Not of ESP-IDF. */
  getStats(): HttpdStats {
    return takeStats(this.core, this.works.length);
  }

  /** The last event's number (`httpd_get_server_state`), `HTTP_SERVER_EVENT_…`. */
  getServerState(): number {
    return this.core.events.state;
  }

  /** Calls `listener` at each event of this name (`ESP_HTTP_SERVER_EVENT`). */
  on<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.on(name, listener);
    return this;
  }

  /** The same, for the next event only. */
  once<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.once(name, listener);
    return this;
  }

  /** @internal All sessions, in the order in which they would be purged. */
  inspectSessions(): SessInfo[] {
    return inspectSessions(this.core);
  }

  /** @internal Calls `listener` when a TLS handshake has failed; there is one at most. */
  onTlsError(listener: (error: Error, remoteAddress: string) => void): void {
    this.core.onTlsError = listener;
  }

  off<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.off(name, listener);
    return this;
  }

  private async shutDown(graceMs: number): Promise<void> {
    await shutDown(this.core, this.listening, graceMs);
    this.listening = undefined;
  }
}
