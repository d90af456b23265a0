/** What the server of the WebSocket target serves: a handler for each way to receive, each with its options. */
import { ESP_OK, EspError } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import {
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_PONG,
  type HttpdWsFrame,
  wsFrame,
} from '../../src/httpd_ws/frame_type.js';
import type { Lab } from './lab.js';

type Handler = (req: HttpdReq, lab: Lab) => unknown;

function note(lab: Lab, { type, final, fragmented, len }: HttpdWsFrame, payload: Uint8Array): void {
  const text = Buffer.from(payload).toString('latin1');
  lab.calls.push(`frame ${type} ${final} ${fragmented} ${len} ${text}`);
}

function answer(req: HttpdReq, { type, final, fragmented }: HttpdWsFrame, payload: Uint8Array): Promise<void> {
  const back = type === HTTPD_WS_TYPE_PING ? HTTPD_WS_TYPE_PONG : type;
  return req.wsSendFrame(wsFrame({ type: back, final, fragmented, payload }));
}

/** Length, payload, echo, as the example does it. */
export async function echoWhole(req: HttpdReq, lab: Lab): Promise<void> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  if (pkt.len > 0) await req.wsRecvFrame(pkt, pkt.len);
  const payload = (pkt.payload as Uint8Array | undefined) ?? Buffer.alloc(0);
  note(lab, pkt, payload);
  if (pkt.type !== HTTPD_WS_TYPE_PONG) await answer(req, pkt, payload);
}

/** Parts of five bytes, into one buffer; whole frames are echoed, and of a long one its end. */
async function echoParts(req: HttpdReq, lab: Lab): Promise<void> {
  const buf = Buffer.alloc(5);
  const pkt = wsFrame({ payload: buf });
  const got: Buffer[] = [];
  await req.wsRecvFrame(pkt, 0);
  const size = pkt.len > 1_000 ? 999 : 5;
  while (pkt.leftLen > 0) {
    pkt.payload = Buffer.alloc(size);
    const before = pkt.leftLen;
    await req.wsRecvFramePart(pkt, size);
    got.push((pkt.payload as Buffer).subarray(0, before - pkt.leftLen));
    if (got.length % 3 === 0 && got.length < 20) await lab.later();
  }
  note(lab, pkt, Buffer.concat(got));
  await answer(req, pkt, Buffer.concat(got));
}

/** Receives half of each frame, and of some nothing. */
async function half(req: HttpdReq, lab: Lab): Promise<void> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  const n = pkt.len % 3 === 0 ? 0 : pkt.len >> 1;
  pkt.payload = Buffer.alloc(n);
  if (n > 0) await req.wsRecvFramePart(pkt, n);
  note(lab, pkt, pkt.payload as Uint8Array);
  await req.wsSendFrame(wsFrame({ type: 1, payload: `${pkt.len}`, final: true }));
}

async function echoLater(req: HttpdReq, lab: Lab): Promise<void> {
  await lab.later();
  await echoWhole(req, lab);
}

/** Says goodbye by itself, or fails, when it is told to. */
async function moody(req: HttpdReq, lab: Lab): Promise<unknown> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 100);
  const payload = pkt.payload as Uint8Array;
  note(lab, pkt, payload);
  switch (payload[0]) {
    case 0x63:
      req.handle.wsClose(req.toSockfd(), 4000, 'as asked');
      return ESP_OK;
    case 0x65:
      return req.handle.sessTriggerClose(req.toSockfd());
    case 0x66:
      return -1;
    case 0x74:
      throw new Error('asked for');
    case 0x73:
      for (let i = 0; i < 3; i++) void answer(req, pkt, payload);
  }
  return answer(req, pkt, payload);
}

/** Answers control frames itself. */
async function control(req: HttpdReq, lab: Lab): Promise<void> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  pkt.payload = Buffer.alloc(pkt.len);
  if (pkt.len > 0) await req.wsRecvFrame(pkt, pkt.len);
  note(lab, pkt, pkt.payload as Uint8Array);
  // every other Close is left to the library
  if (pkt.type === HTTPD_WS_TYPE_CLOSE && pkt.len % 2 === 1) return;
  if (pkt.type !== HTTPD_WS_TYPE_PONG) await answer(req, pkt, pkt.payload as Uint8Array);
}

/** A URI of the server, and how a client asks for it. */
export interface Kind {
  readonly options: Partial<HttpdUri>;
  readonly handler: Handler;
  /** Sec-WebSocket-Extensions of the handshake. */
  readonly extensions?: string;
}

const DEFLATE = 'permessage-deflate';
const MESSAGE: Partial<HttpdUri> = { wsMessageMode: true };
const COMPRESSED: Partial<HttpdUri> = { wsPerMessageDeflate: { threshold: 4 } };
const PACKETS: Partial<HttpdUri> = { wsMessageMode: true, wsMaxPacketLen: 16 };
const CONTEXT = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false, level: 1, memLevel: 1 };

/** An input byte chooses one of them: sixteen. */
export const KINDS: readonly Kind[] = [
  { options: {}, handler: echoWhole },
  { options: {}, handler: echoParts },
  { options: {}, handler: half },
  { options: { wsIgnoreEncodingErrors: true, wsFragmentLen: 16 }, handler: echoLater },
  { options: { handleWsControlFrames: true }, handler: control },
  { options: {}, handler: moody },
  { options: MESSAGE, handler: echoWhole },
  { options: PACKETS, handler: echoLater },
  { options: { ...MESSAGE, wsMaxMessageLen: 60 }, handler: half },
  { options: { ...MESSAGE, handleWsControlFrames: true }, handler: control },
  { options: COMPRESSED, handler: echoWhole, extensions: DEFLATE },
  { options: { ...COMPRESSED, ...PACKETS, wsFragmentLen: 16 }, handler: echoParts, extensions: DEFLATE },
  { options: { ...COMPRESSED, ...MESSAGE, wsMaxMessageLen: 300 }, handler: echoLater, extensions: DEFLATE },
  {
    options: { ...MESSAGE, wsPerMessageDeflate: CONTEXT },
    handler: echoWhole,
    extensions: `${DEFLATE}; client_max_window_bits`,
  },
  {
    options: { ...PACKETS, wsPerMessageDeflate: CONTEXT, wsIgnoreEncodingErrors: true },
    handler: half,
    extensions: `${DEFLATE}; server_max_window_bits=9`,
  },
  {
    options: { ...COMPRESSED, ...MESSAGE, wsInactivityTimeout: 40, wsPingInterval: 30, wsPongTimeout: 15 },
    handler: moody,
    extensions: DEFLATE,
  },
];

/** How long a frame, and a message, may be; fits the longest input. */
const LIMITS: Partial<HttpdUri> = { wsMaxFrameLen: 30_000, wsMaxMessageLen: 40_000 };

/** Registers them all, each with the path `/` and its number. */
export function registerKinds(lab: Lab): void {
  KINDS.forEach(({ options, handler }, i) => {
    lab.server.registerUriHandler({
      uri: `/${i}`,
      method: HTTP_GET,
      isWebsocket: true,
      handleWsHandshake: false,
      ...LIMITS,
      ...options,
      handler: req => lab.watch(req, false, () => caught(lab, handler(req, lab))) as Promise<number>,
    });
  });
}

/** What fails in a handler is an event too. */
function caught(lab: Lab, result: unknown): unknown {
  if (!(result instanceof Promise)) return result;
  return result.catch(thrown => {
    lab.calls.push(`failed: ${thrown instanceof EspError ? thrown.name : String(thrown)}`);
    throw thrown;
  });
}
