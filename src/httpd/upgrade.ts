/**
 * From a request to a WebSocket: the checks, the application's callbacks, the 101, the change of protocol.
 */
import { ESP_ERR_INVALID_STATE, ESP_ERR_NO_MEM, EspError } from '../err.js';
import { WS_CLOSE_GOING_AWAY, WS_CLOSE_NORMAL } from '../httpd_ws/close.js';
import { HTTPD_WS_TYPE_CLOSE, type HttpdWsFrame } from '../httpd_ws/frame_type.js';
import { acceptKey, checkHandshake, keyWithGuid, type Refused, UPGRADE_REQUIRED } from '../httpd_ws/handshake.js';
import { encodeFrame } from '../httpd_ws/send.js';
import { WsConn, type WsHost } from '../httpd_ws/ws_conn.js';
import { lendCtx, returnCtx } from '../sess/ctx.js';
import type { Sess } from '../sess/sess.js';
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import { findHeader, joinHeaders } from './headers.js';
import { HTTPD_403_FORBIDDEN, HTTPD_500_INTERNAL_SERVER_ERROR } from './http_err.js';
import { HTTPD_WS_FRAME } from './methods.js';
import type { RequestHead } from './parse.js';
import type { HttpdReq } from './req.js';
import type { WsOps } from './req_owner.js';
import type { Route } from './route.js';

/** A request for a WebSocket URI has come: upgrades it, or refuses. */
export function beginUpgrade(conn: HttpConn, core: HttpdCore, route: Route, head: RequestHead, req: HttpdReq): void {
  const outcome = checkRequest(head, route);
  if ('status' in outcome) return refuse(conn, req, outcome);
  const early = new EarlyFrames(core.config.maxTxPending);
  req.attachWs(early);

  const switchProtocols = (): void => {
    const { logs } = core;
    const { sess } = conn;
    if (logs.ws.debugOn) {
      const key = findHeader(head.headers, 'sec-websocket-key') ?? '';
      logs.uri.debug(`httpd_uri: Responding WS handshake to sock ${sess.fd}`);
      logs.ws.debug(`httpd_ws_respond_server_handshake: Server key before encoding: ${keyWithGuid(key)}`);
      logs.ws.debug(`httpd_ws_respond_server_handshake: Generated server key: ${acceptKey(key)}`);
    }
    const served = conn.current as HttpdReq;
    const protocol = outcome.protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${outcome.protocol}\r\n`;
    conn.resp.switchProtocols(
      `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${outcome.accept}\r\n${protocol}`,
    );
    // a listener for 'headersSent' may have ended the session
    if (!sess.open) return conn.abandon();
    const ws = new WsConn(sess, served, wsHostOf(core, route));
    sess.protocol = ws;
    const leaving = conn.handOver();
    served.detachHttp(HTTPD_WS_FRAME, route.uri);
    served.attachWs(ws);
    early.hand(sess, ws);
    core.story.done();
    const { wsPostHandshakeCb } = route;
    if (wsPostHandshakeCb !== undefined) ws.call(() => wsPostHandshakeCb(served));
    // somebody has asked for the session's end meanwhile
    if (leaving) ws.close(core.stopping ? WS_CLOSE_GOING_AWAY : WS_CLOSE_NORMAL);
    sess.pump();
  };
  const callHandler = (): void => {
    const served = conn.current as HttpdReq;
    if (!route.handleWsHandshake) return switchProtocols();
    conn.invoke(served, route.handler, { go: switchProtocols, refusal: HTTPD_500_INTERNAL_SERVER_ERROR });
  };
  if (route.wsPreHandshakeCb === undefined) callHandler();
  else conn.invoke(req, route.wsPreHandshakeCb, { go: callHandler, refusal: HTTPD_403_FORBIDDEN });
}

function checkRequest(head: RequestHead, route: Route): ReturnType<typeof checkHandshake> {
  // RFC 6455 section 4.2.1: HTTP/1.1 or higher; and a body would be taken for frames
  if (!head.upgrade || head.http10) return UPGRADE_REQUIRED;
  if (head.hasBody) return { status: '400 Bad Request', headers: [], message: 'A WebSocket handshake has no body.' };
  const field = (name: string) => joinHeaders(head.headers, name);
  return checkHandshake(
    {
      upgrade: field('upgrade'),
      key: field('sec-websocket-key'),
      version: field('sec-websocket-version'),
      protocol: field('sec-websocket-protocol'),
    },
    route.subprotocols,
  );
}

function refuse(conn: HttpConn, req: HttpdReq, { status, headers, message }: Refused): void {
  conn.invoke(req, () => {
    for (const [name, value] of headers) req.respSetHdr(name, value);
    void req.respSendCustomErr(status, message);
  });
}

/** Frames that are sent before the 101 is: they leave right behind it. */
class EarlyFrames implements WsOps {
  private readonly frames: Buffer[] = [];
  private bytes = 0;
  private closed = false;
  private ws: WsConn | undefined;

  constructor(private readonly max: number) {}

  /** The 101 is out. */
  hand(sess: Sess, ws: WsConn): void {
    for (const frame of this.frames) sess.tx.write(frame);
    this.frames.length = 0;
    this.ws = ws;
    if (this.closed) ws.closeIsOut();
  }

  sendFrame(pkt: HttpdWsFrame): Promise<void> {
    if (this.ws !== undefined) return this.ws.sendFrame(pkt);
    if (this.closed) {
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'a Close frame has gone; nothing may follow it (RFC 6455 section 5.5.1)',
      );
    }
    const frame = encodeFrame(pkt);
    if (this.bytes + frame.length > this.max) {
      throw new EspError(ESP_ERR_NO_MEM, `more than ${this.max} bytes (maxTxPending) before the handshake has ended`);
    }
    this.bytes += frame.length;
    this.closed = pkt.type === HTTPD_WS_TYPE_CLOSE;
    this.frames.push(frame);
    return Promise.resolve();
  }

  recvFrame(): Promise<void> {
    throw new EspError(ESP_ERR_INVALID_STATE, 'no frame to receive: this call is for the handshake');
  }

  recvFramePart(): Promise<void> {
    return this.recvFrame();
  }
}

/** What the WebSockets of each URI handler share. */
const hosts = new WeakMap<Route, WsHost<HttpdReq>>();

function wsHostOf(core: HttpdCore, route: Route): WsHost {
  let host = hosts.get(route);
  if (host === undefined) {
    host = {
      log: core.logs.ws,
      recvWaitMs: core.recvWaitMs,
      wantsControlFrames: route.handleWsControlFrames,
      callHandler(sess, req) {
        lendCtx(sess, req);
        return route.handler(req);
      },
      onHandlerDone(sess, req) {
        returnCtx(sess, req, core.onFreeFailure);
        core.story.done();
      },
      onFrame(sess, firstByte, len) {
        core.events.emitData('data', sess.fd, len);
        core.story.frame(sess.fd, firstByte, len);
      },
      onSentData: (sess, len) => core.events.emitData('sentData', sess.fd, len),
    };
    hosts.set(route, host);
  }
  return host as WsHost;
}
