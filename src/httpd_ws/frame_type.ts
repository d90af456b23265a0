/**
 * The frame as applications see it, after `httpd_ws_frame_t`, and its types.
 */
import { invalidArg } from '../err.js';

/** Continues a fragmented message (RFC 6455 section 5.2). */
export const HTTPD_WS_TYPE_CONTINUE = 0x0;
export const HTTPD_WS_TYPE_TEXT = 0x1;
export const HTTPD_WS_TYPE_BINARY = 0x2;
export const HTTPD_WS_TYPE_CLOSE = 0x8;
export const HTTPD_WS_TYPE_PING = 0x9;
export const HTTPD_WS_TYPE_PONG = 0xa;

/** No session has this fd. */
export const HTTPD_WS_CLIENT_INVALID = 0;
/** The session speaks HTTP: it has not been upgraded, or it is closing. */
export const HTTPD_WS_CLIENT_HTTP = 1;
/** The session is an open WebSocket. */
export const HTTPD_WS_CLIENT_WEBSOCKET = 2;

/** A WebSocket frame, after `httpd_ws_frame_t`. `wsFrame()` makes one. */
export interface HttpdWsFrame {
  /** Received: the FIN bit. To send: the FIN bit, if `fragmented`; other frames always have it. */
  final: boolean;
  /** Received: part of a fragmented message. To send: take FIN from `final`. */
  fragmented: boolean;
  /** One of `HTTPD_WS_TYPE_…`. */
  type: number;
  /** The buffer to receive into, or what to send. To send it may be a string. */
  payload: Uint8Array | string | undefined;
  /** Received: length of the whole frame's payload. To send: how much of `payload`; 0 is all of it. */
  len: number;
  /** Bytes of the frame's payload that have not been received yet. */
  leftLen: number;
}

/** A frame with nothing in it, like one that memset() has zeroed, and with the fields of `init`. */
export function wsFrame(init?: Partial<HttpdWsFrame>): HttpdWsFrame {
  return { final: false, fragmented: false, type: 0, payload: undefined, len: 0, leftLen: 0, ...init };
}

export function isWsType(type: unknown): boolean {
  return type === 0 || type === 1 || type === 2 || type === 8 || type === 9 || type === 10;
}

/**
 * What of `frame` is to be sent.
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function payloadOf(frame: HttpdWsFrame): Uint8Array | string {
  if (frame === null || typeof frame !== 'object') invalidArg('the frame must be made with wsFrame()');
  const { payload = '', len = 0, type } = frame;
  if (!isWsType(type)) invalidArg(`frame.type ${String(type)} is not one of HTTPD_WS_TYPE_…`);
  if (typeof len !== 'number' || !Number.isInteger(len) || len < 0) invalidArg('frame.len must be an integer from 0');
  let bytes: Uint8Array | string;
  let size: number;
  if (typeof payload === 'string') {
    bytes = payload;
    size = type >= HTTPD_WS_TYPE_CLOSE || len > 0 ? Buffer.byteLength(payload) : 0;
    if (len > 0 && len !== size) {
      bytes = Buffer.from(payload);
    }
  } else if (payload instanceof Uint8Array) {
    bytes = payload;
    size = payload.length;
  } else {
    return invalidArg('frame.payload must be a string or a Uint8Array');
  }
  if (len > size) invalidArg(`frame.len is ${len}, but frame.payload has ${size} bytes`);
  if (type >= HTTPD_WS_TYPE_CLOSE && (len || size) > 125) {
    invalidArg('the payload of a control frame may have at most 125 bytes (RFC 6455 section 5.5)');
  }
  if (type >= HTTPD_WS_TYPE_CLOSE && frame.fragmented && !frame.final) {
    invalidArg('a control frame must not be fragmented (RFC 6455 section 5.4)');
  }
  return len > 0 && len < size && typeof bytes !== 'string' ? bytes.subarray(0, len) : bytes;
}
