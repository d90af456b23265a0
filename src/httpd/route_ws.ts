/**
 * What the WebSockets of one URI handler share: its options, how many there are, and their way back to the server.
 */
import { type WsCodec, WsCodecs } from '../httpd_ws/deflate.js';
import type { DeflateParams } from '../httpd_ws/extension.js';
import type { MessageMemory } from '../httpd_ws/message.js';
import type { WsCloseInfo, WsSettings } from '../httpd_ws/options.js';
import type { WsHost } from '../httpd_ws/ws_host.js';
import type { TagLog } from '../log.js';
import { lendCtx, returnCtx } from '../sess/ctx.js';
import type { Sess } from '../sess/sess.js';
import { watch } from '../thenable.js';
import type { HttpdCore } from './core.js';
import type { HttpdReq } from './req.js';
import type { Route } from './route.js';

const HANDLER_FAILED = 'httpd_sess_process: uri handler execution failed';

export class RouteWs implements WsHost<HttpdReq> {
  readonly log: TagLog;
  readonly settings: WsSettings;
  readonly memory: MessageMemory;
  readonly recvWaitMs: number;
  readonly wantsControlFrames: boolean;
  readonly uri: string;
  /** WebSockets that are open. */
  private count = 0;
  private readonly codecs: WsCodecs;

  constructor(
    private readonly core: HttpdCore,
    private readonly route: Route,
  ) {
    this.log = core.logs.ws;
    this.settings = route.ws;
    this.codecs = new WsCodecs(route.ws);
    this.memory = core.messageMemory;
    this.recvWaitMs = core.recvWaitMs;
    this.wantsControlFrames = route.handleWsControlFrames;
    this.uri = route.uri;
    const { pingMs, pongMs, inactivityMs, messageMs, lifeMs } = route.ws;
    core.deadlines.expect([pingMs, pongMs, inactivityMs, messageMs, lifeMs]);
  }

  /** Is there no room for another WebSocket? */
  get full(): boolean {
    return this.count >= this.settings.maxSessions;
  }

  /** A WebSocket is opened. @returns how its messages look */
  open(params: DeflateParams | undefined): WsCodec {
    this.count += 1;
    return this.codecs.for(params);
  }

  callHandler(sess: Sess, req: HttpdReq): unknown {
    lendCtx(sess, req);
    return this.core.runFor(sess, this.route.handler, req);
  }

  onHandlerDone(sess: Sess, req: HttpdReq, peerCloses: boolean): void {
    returnCtx(sess, req, this.core.onFreeFailure);
    this.core.story.done(peerCloses ? sess.fd : undefined);
  }

  onHandlerRefused(sess: Sess, result: unknown): void {
    const level = sess.open ? 'warn' : 'debug';
    this.log[level](`${HANDLER_FAILED}: it returned ${String(result)}`);
  }

  onHandlerThrew(thrown: unknown): void {
    this.core.failures.tell(this.log, HANDLER_FAILED, thrown, 'warn');
  }

  onFrame(sess: Sess, firstByte: number, len: number): void {
    this.core.stats.framesReceived += 1;
    this.core.story.frame(sess.fd, firstByte, len, this.wantsControlFrames);
  }

  onControl(sess: Sess, type: number, len: number): void {
    this.core.story.control(sess.fd, type, len);
  }

  onData(sess: Sess, len: number): void {
    this.core.events.emitData('data', sess.fd, len);
  }

  onSentData(sess: Sess, len: number): void {
    this.core.stats.framesSent += 1;
    this.core.events.emitData('sentData', sess.fd, len);
  }

  onTimeout(): void {
    this.core.stats.timeouts.websocket += 1;
  }

  onClosed(info: WsCloseInfo): void {
    this.count -= 1;
    const { closeCb } = this.settings;
    if (closeCb === undefined) return;
    try {
      watch(closeCb(info), this.onLateFailure);
    } catch (thrown) {
      this.onLateFailure(thrown);
    }
  }

  /** What an application's callback has thrown, or rejected with, when there is nobody else to tell. */
  readonly onLateFailure = (thrown: unknown): void => {
    this.core.failures.tell(this.log, `httpd_ws: a callback of '${this.uri}' failed`, thrown);
  };
}

const hosts = new WeakMap<Route, RouteWs>();

/** @param route is a WebSocket's */
export function routeWs(core: HttpdCore, route: Route): RouteWs {
  let host = hosts.get(route);
  if (host === undefined) {
    host = new RouteWs(core, route);
    hosts.set(route, host);
  }
  return host;
}
