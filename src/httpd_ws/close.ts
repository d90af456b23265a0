/**
 * Close codes, and the ways in which a peer can break RFC 6455, each with the code that it ends with.
 */
import { invalidArg } from '../err.js';
import { isUtf8 } from '../is_utf8.js';

/** The connection has done what it was for (RFC 6455 section 7.4.1). */
export const WS_CLOSE_NORMAL = 1000;
/** The server is going down. */
export const WS_CLOSE_GOING_AWAY = 1001;
export const WS_CLOSE_PROTOCOL_ERROR = 1002;
/** Never on the wire: a Close frame without a code. */
export const WS_CLOSE_NO_STATUS = 1005;
export const WS_CLOSE_INVALID_PAYLOAD = 1007;
export const WS_CLOSE_POLICY_VIOLATION = 1008;
export const WS_CLOSE_TOO_BIG = 1009;
export const WS_CLOSE_INTERNAL_ERROR = 1011;
/** The server has no room now (IANA's registry of close codes). */
export const WS_CLOSE_TRY_AGAIN_LATER = 1013;
/** Never on the wire: the connection ended without a Close frame of the peer. */
export const WS_CLOSE_ABNORMAL = 1006;
/** The longest reason: what a control frame has room for behind the code. */
export const REASON_MAX = 123;

/** A violation and its close code. */
export interface Failure {
  readonly close: number;
  readonly why: string;
}

export const FAIL = {
  RSV: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a reserved bit is set (RFC 6455 section 5.2)' },
  OPCODE: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a reserved opcode (RFC 6455 section 5.2)' },
  UNMASKED: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a frame of a client is not masked (RFC 6455 section 5.1)' },
  MASKED: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a frame of a server is masked (RFC 6455 section 5.1)' },
  CONTROL_FRAGMENTED: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a control frame is fragmented (RFC 6455 section 5.5)' },
  CONTROL_LENGTH: {
    close: WS_CLOSE_PROTOCOL_ERROR,
    why: 'a control frame is longer than 125 bytes (RFC 6455 section 5.5)',
  },
  NOT_MINIMAL: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a length is not in its shortest form (RFC 6455 section 5.2)' },
  LENGTH_SIGN: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'the top bit of a 64-bit length is set (RFC 6455 section 5.2)' },
  LENGTH_HUGE: { close: WS_CLOSE_TOO_BIG, why: 'a frame is longer than 2^53 - 1 bytes' },
  NOTHING_TO_CONTINUE: {
    close: WS_CLOSE_PROTOCOL_ERROR,
    why: 'a continuation without a message (RFC 6455 section 5.4)',
  },
  NOT_CONTINUED: {
    close: WS_CLOSE_PROTOCOL_ERROR,
    why: 'a new message inside a fragmented one (RFC 6455 section 5.4)',
  },
  UTF8: { close: WS_CLOSE_INVALID_PAYLOAD, why: 'a text message is not UTF-8 (RFC 6455 section 8.1)' },
  CLOSE_LENGTH: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a Close frame with one byte (RFC 6455 section 5.5.1)' },
  CLOSE_CODE: { close: WS_CLOSE_PROTOCOL_ERROR, why: 'a close code that must not be sent (RFC 6455 section 7.4)' },
  CLOSE_UTF8: {
    close: WS_CLOSE_INVALID_PAYLOAD,
    why: 'the reason of a Close frame is not UTF-8 (RFC 6455 section 5.5.1)',
  },
  TOO_SLOW: { close: WS_CLOSE_POLICY_VIOLATION, why: 'a frame did not arrive within recvWaitTimeout' },
  HANDLER: { close: WS_CLOSE_INTERNAL_ERROR, why: 'the URI handler failed' },
  TOO_BIG: { close: WS_CLOSE_TOO_BIG, why: 'a frame is longer than the URI handler takes' },
  FRAME_LENGTH: { close: WS_CLOSE_TOO_BIG, why: 'a frame is longer than wsMaxFrameLen' },
  MESSAGE_LENGTH: { close: WS_CLOSE_TOO_BIG, why: 'a message is longer than wsMaxMessageLen' },
  FRAGMENTS: { close: WS_CLOSE_POLICY_VIOLATION, why: 'a message has too many fragments' },
  NO_MEMORY: { close: WS_CLOSE_TRY_AGAIN_LATER, why: 'incomplete messages fill maxWsPending' },
  DEFLATE: { close: WS_CLOSE_INVALID_PAYLOAD, why: 'a compressed message is broken (RFC 7692 section 7.2.2)' },
  STALLED: { close: WS_CLOSE_POLICY_VIOLATION, why: 'a message was begun and not continued' },
  INACTIVE: { close: WS_CLOSE_POLICY_VIOLATION, why: 'no data for wsInactivityTimeout' },
  TOO_OLD: { close: WS_CLOSE_POLICY_VIOLATION, why: 'the connection has reached wsRequestTimeout' },
} as const satisfies Record<string, Failure>;

/** May this code stand in a Close frame (RFC 6455 section 7.4, and the codes that IANA has registered since)? */
export function isCloseCode(code: number): boolean {
  return (
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
      (code >= 3000 && code <= 4999))
  );
}

/** What a Close frame says. */
export interface CloseInfo {
  /** 1005 if the frame has none. */
  readonly code: number;
  readonly reason: string;
}

/** Reads the payload of a Close frame. */
export function parseClose(payload: Buffer): CloseInfo | Failure {
  if (payload.length === 0) return { code: WS_CLOSE_NO_STATUS, reason: '' };
  if (payload.length === 1) return FAIL.CLOSE_LENGTH;
  const code = payload.readUInt16BE(0);
  if (!isCloseCode(code)) return FAIL.CLOSE_CODE;
  const reason = payload.subarray(2);
  return isUtf8(reason) ? { code, reason: reason.toString() } : FAIL.CLOSE_UTF8;
}

/**
 * May an application close with this?
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function checkClose(code: number, reason: string): void {
  if (!isCloseCode(code)) {
    invalidArg(`${String(code)} is no close code: 1000 to 1014 without 1004, 1005 and 1006, or 3000 to 4999`);
  }
  if (typeof reason !== 'string') invalidArg('the reason of a Close frame must be a string');
  const len = Buffer.byteLength(reason);
  if (len > REASON_MAX)
    invalidArg(`the reason has ${len} bytes of UTF-8, and a Close frame has room for ${REASON_MAX}`);
}

/** The payload of a Close frame. A reason that is too long is cut at a character. */
export function closePayload(code: number, reason = ''): Buffer {
  let text = Buffer.from(reason);
  if (text.length > REASON_MAX) {
    let end = REASON_MAX;
    while (((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
    text = text.subarray(0, end);
  }
  const payload = Buffer.alloc(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return payload;
}
