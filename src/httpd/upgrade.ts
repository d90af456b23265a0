/**
 * From a request to a WebSocket: the checks, the application's callbacks, the 101, the change of protocol.
 */
import { ESP_ERR_INVALID_STATE, ESP_ERR_NO_MEM, ESP_FAIL, ESP_OK, EspError } from '../err.js';
import { WS_CLOSE_GOING_AWAY, WS_CLOSE_NORMAL } from '../httpd_ws/close.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_CONTINUE, type HttpdWsFrame, payloadOf } from '../httpd_ws/frame_type.js';
import { type Accepted, checkHandshake, type Refused, UPGRADE_REQUIRED } from '../httpd_ws/handshake.js';
import { whyNotAllowed } from '../httpd_ws/options.js';
import { isFinal } from '../httpd_ws/send.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import type { WsHost } from '../httpd_ws/ws_host.js';
import { checkClosePayload, checkFragment, closeHasGone } from '../httpd_ws/ws_tx.js';
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import { findHeader, joinHeaders } from './headers.js';
import { HTTPD_403_FORBIDDEN, HTTPD_500_INTERNAL_SERVER_ERROR, withStatus } from './http_err.js';
import { HTTPD_WS_FRAME } from './methods.js';
import type { RequestHead } from './parse.js';
import type { HttpdReq } from './req.js';
import type { WsOps } from './req_owner.js';
import { expectsContinue } from './request_rules.js';
import type { Route } from './route.js';
import { type RouteWs, routeWs } from './route_ws.js';

const FULL: Refused = {
  status: '503 Service Unavailable',
  headers: [['Retry-After', '5']],
  message: 'This address has as many WebSockets as it takes. Try again soon.',
};
/** Headers of the 101 that an application can't set: they must not be there twice (RFC 6455 section 11.3). */
const OURS: ReadonlySet<string> = new Set(['upgrade', 'sec-websocket-accept', 'sec-websocket-extensions']);
const OURS_AND_PROTOCOL: ReadonlySet<string> = new Set([...OURS, 'sec-websocket-protocol']);
/** What a frame that waits for the 101 costs beside its payload. */
const FRAME_COST = 128;

/** A request for a WebSocket URI has come: upgrades it, or refuses. */
export function beginUpgrade(conn: HttpConn, core: HttpdCore, route: Route, head: RequestHead, req: HttpdReq): void {
  const host = routeWs(core, route);
  let accepted: Accepted | undefined;
  // as a handler: what an application's wsAllowedOrigins throws is answered like what a handler throws
  const check = (): number | Promise<number> => (host.full ? core.admission.anotherLook().then(decide) : decide());
  const decide = (): number => {
    const outcome = host.full ? FULL : checkRequest(head, route, host.onLateFailure);
    if ('status' in outcome) refuse(req, outcome);
    else accepted = outcome;
    return ESP_OK;
  };
  conn.invoke(req, check, {
    go: () => new Upgrade(conn, core, route, host, head, accepted as Accepted).begin(),
    refusal: HTTPD_403_FORBIDDEN,
  });
}

/** What happens between a handshake that is right and the 101. */
class Upgrade {
  private readonly early: EarlyFrames;

  constructor(
    private readonly conn: HttpConn,
    private readonly core: HttpdCore,
    private readonly route: Route,
    private readonly host: RouteWs,
    private readonly head: RequestHead,
    private readonly accepted: Accepted,
  ) {
    this.early = new EarlyFrames(core.config.maxTxPending);
  }

  begin(): void {
    const req = this.conn.current as HttpdReq;
    const { wsPreHandshakeCb } = this.route;
    req.attachWs(this.early);
    this.conn.resp.handshake = this.route.subprotocols.length > 0 ? OURS_AND_PROTOCOL : OURS;
    if (wsPreHandshakeCb === undefined) return this.callHandler();
    this.conn.invoke(req, wsPreHandshakeCb, { go: () => this.callHandler(), refusal: HTTPD_403_FORBIDDEN });
  }

  private callHandler(): void {
    const req = this.conn.current as HttpdReq;
    const { handler, handleWsHandshake } = this.route;
    if (!handleWsHandshake) return this.switchProtocols();
    this.conn.invoke(req, handler, {
      go: () => this.switchProtocols(),
      refusal: HTTPD_500_INTERNAL_SERVER_ERROR,
    });
  }

  private switchProtocols(): void {
    const { conn, core, host, route } = this;
    const { sess } = conn;
    const req = conn.current as HttpdReq;
    // others may have come while the application decided
    if (host.full) return conn.invoke(req, () => refuse(req, FULL));
    this.tell();
    const { accept, protocol, deflate } = this.accepted;
    let fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
    if (protocol !== undefined) fields += `Sec-WebSocket-Protocol: ${protocol}\r\n`;
    if (deflate !== undefined) fields += `Sec-WebSocket-Extensions: ${deflate.header}\r\n`;
    // RFC 9110 section 7.8: the 100 comes first
    if (expectsContinue(this.head)) conn.resp.sendContinue();
    conn.resp.switchProtocols(fields);
    // a listener for 'headersSent' may have ended the session
    if (!sess.open) return conn.abandon();
    const leaving = conn.handOver();
    const ws = new WsConn(sess, req, host as WsHost, host.open(deflate?.params), protocol);
    sess.protocol = ws;
    req.detachHttp(HTTPD_WS_FRAME, route.uri);
    req.attachWs(ws);
    core.story.done();
    const { wsPostHandshakeCb } = route;
    if (wsPostHandshakeCb !== undefined || !this.early.empty) {
      ws.call(() => {
        this.early.hand(ws);
        return wsPostHandshakeCb?.(req);
      });
    }
    // somebody has asked for the session's end meanwhile
    if (leaving) ws.close(core.stopping ? WS_CLOSE_GOING_AWAY : WS_CLOSE_NORMAL);
    sess.pump();
  }

  private tell(): void {
    const { conn, core, head, route } = this;
    const { protocol } = this.accepted;
    core.story.handshake(conn.sess.fd, findHeader(head.headers, 'sec-websocket-key') ?? '');
    const offered = joinHeaders(head.headers, 'sec-websocket-protocol');
    // a list of empty elements offers nothing
    if (offered === undefined || !/[^,\s]/.test(offered)) return;
    // one that the application has chosen itself is its own affair
    if (protocol === undefined && conn.resp.hasHeader('sec-websocket-protocol')) return;
    core.story.subprotocol(offered, protocol, route.subprotocols);
  }
}

/** @throws EspError ESP_FAIL, with a 403 for the client, if pages of this origin may not connect; and what the application throws */
function checkRequest(
  head: RequestHead,
  { subprotocols, ws }: Route,
  onLateFailure: (thrown: unknown) => void,
): Accepted | Refused {
  // RFC 6455 section 4.2.1: HTTP/1.1 or higher; and a body would be taken for frames
  if (!head.upgrade || head.http10) return UPGRADE_REQUIRED;
  if (head.hasBody) return { status: '400 Bad Request', headers: [], message: 'A WebSocket handshake has no body.' };
  const field = (name: string) => joinHeaders(head.headers, name);
  const why = whyNotAllowed(ws, field('origin'), field('host'), onLateFailure);
  if (why !== undefined) throw withStatus(new EspError(ESP_FAIL, why), HTTPD_403_FORBIDDEN);
  return checkHandshake(
    {
      upgrade: field('upgrade'),
      key: field('sec-websocket-key'),
      version: field('sec-websocket-version'),
      protocol: field('sec-websocket-protocol'),
      extensions: field('sec-websocket-extensions'),
    },
    subprotocols,
    ws.deflate,
  );
}

function refuse(req: HttpdReq, { status, headers, message }: Refused): void {
  for (const [name, value] of headers) req.respSetHdr(name, value);
  void req.respSendCustomErr(status, message);
}

/** Frames that are sent before the 101 is: they leave right behind it. */
class EarlyFrames implements WsOps {
  private readonly frames: HttpdWsFrame[] = [];
  private bytes = 0;
  private closed = false;
  private inMessage = false;
  private ws: WsConn | undefined;

  constructor(private readonly max: number) {}

  get empty(): boolean {
    return this.frames.length === 0;
  }

  /** The 101 is out. */
  hand(ws: WsConn): void {
    this.ws = ws;
    for (const frame of this.frames) void ws.sendFrame(frame);
    this.frames.length = 0;
  }

  sendFrame(pkt: HttpdWsFrame): Promise<void> {
    if (this.ws !== undefined) return this.ws.sendFrame(pkt);
    if (this.closed) throw closeHasGone();
    const payload = Buffer.from(payloadOf(pkt) as Uint8Array);
    const { type } = pkt;
    if (type === HTTPD_WS_TYPE_CLOSE) checkClosePayload(payload);
    const isFragment = type < HTTPD_WS_TYPE_CLOSE && (pkt.fragmented || type === HTTPD_WS_TYPE_CONTINUE);
    if (isFragment) checkFragment(type, this.inMessage);
    if (this.bytes + payload.length > this.max) {
      throw new EspError(ESP_ERR_NO_MEM, `more than ${this.max} bytes (maxTxPending) before the handshake has ended`);
    }
    this.bytes += payload.length + FRAME_COST;
    this.closed = type === HTTPD_WS_TYPE_CLOSE;
    if (isFragment) this.inMessage = !isFinal(pkt);
    this.frames.push({ ...pkt, payload, len: 0 });
    return Promise.resolve();
  }

  recvFrame(): Promise<void> {
    throw new EspError(ESP_ERR_INVALID_STATE, 'no frame to receive: this call is for the handshake');
  }
}
