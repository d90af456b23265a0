/**
 * From a request to a WebSocket: the checks, the application's callbacks, the 101, the change of protocol.
 */
import { ESP_ERR_INVALID_STATE, ESP_ERR_NO_MEM, EspError } from '../err.js';
import type { HttpdWsFrame } from '../httpd_ws/frame_type.js';
import { acceptKey, checkHandshake, keyWithGuid, type Refused, UPGRADE_REQUIRED } from '../httpd_ws/handshake.js';
import { encodeFrame } from '../httpd_ws/send.js';
import { WsConn, type WsHost } from '../httpd_ws/ws_conn.js';
import type { TagLog } from '../log.js';
import { lendCtx, returnCtx } from '../sess/ctx.js';
import type { Sess } from '../sess/sess.js';
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import { findHeader, joinHeaders } from './headers.js';
import { HTTPD_403_FORBIDDEN, HTTPD_500_INTERNAL_SERVER_ERROR } from './http_err.js';
import { HTTPD_WS_FRAME } from './methods.js';
import type { RequestHead } from './parse.js';
import type { HttpdReq, WsOps } from './req.js';
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
    for (const frame of early.frames) sess.tx.write(frame);
    const ws = new WsConn(sess, new WsSession(core, sess, route, served));
    sess.protocol = ws;
    conn.handOver();
    served.detachHttp(HTTPD_WS_FRAME);
    served.attachWs(ws);
    early.become(ws);
    core.logDone();
    const { wsPostHandshakeCb } = route;
    if (wsPostHandshakeCb !== undefined) ws.call(() => wsPostHandshakeCb(served));
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
  readonly frames: Buffer[] = [];
  private bytes = 0;
  private ws: WsConn | undefined;

  constructor(private readonly max: number) {}

  become(ws: WsConn): void {
    this.ws = ws;
  }

  sendFrame(pkt: HttpdWsFrame): Promise<void> {
    if (this.ws !== undefined) return this.ws.sendFrame(pkt);
    const frame = encodeFrame(pkt);
    this.bytes += frame.length;
    if (this.bytes > this.max) {
      throw new EspError(ESP_ERR_NO_MEM, `more than ${this.max} bytes (maxTxPending) before the handshake has ended`);
    }
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

/** What a WebSocket knows of its URI handler and server. */
class WsSession implements WsHost {
  constructor(
    private readonly core: HttpdCore,
    private readonly sess: Sess,
    private readonly route: Route,
    readonly request: HttpdReq,
  ) {}

  get log(): TagLog {
    return this.core.logs.ws;
  }

  get recvWaitMs(): number {
    return this.core.recvWaitMs;
  }

  get wantsControlFrames(): boolean {
    return this.route.handleWsControlFrames;
  }

  callHandler(): unknown {
    lendCtx(this.sess, this.request);
    return this.route.handler(this.request);
  }

  onHandlerDone(): void {
    returnCtx(this.sess, this.request, this.core.onFreeFailure);
    this.core.logDone();
  }

  onFrame(firstByte: number, len: number): void {
    this.core.onFrame(this.sess.fd, firstByte, len);
  }

  onSentData(len: number): void {
    this.core.events.emitData('sentData', this.sess.fd, len);
  }
}
