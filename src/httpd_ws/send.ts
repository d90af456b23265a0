/** Frames into a session's transmit queue. */
import { RESERVE_MAX, type TxQueue } from '../sess/tx.js';
import { writeHeader } from './frame.js';
import { HTTPD_WS_TYPE_CLOSE, type HttpdWsFrame, payloadOf } from './frame_type.js';

/** The longest header of an unmasked frame. */
const HEADER_ROOM = 10;

/** FIN of a frame that an application sends: only a frame marked as fragmented may lack it. */
export function isFinal(frame: HttpdWsFrame): boolean {
  return !frame.fragmented || frame.final || frame.type >= HTTPD_WS_TYPE_CLOSE;
}

/** Queues one frame. The payload is copied, or sent before this returns. */
export function writeFrame(tx: TxQueue, fin: boolean, opcode: number, payload: Uint8Array | string): void {
  const len = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const large = HEADER_ROOM + len > RESERVE_MAX;
  const at = tx.reserve(large ? HEADER_ROOM : HEADER_ROOM + len);
  const { buf } = tx;
  const end = writeHeader(buf, at, fin, opcode, len);
  if (large) {
    tx.commit(end - at);
    tx.write(typeof payload === 'string' ? Buffer.from(payload) : payload);
    return;
  }
  if (typeof payload === 'string') buf.write(payload, end);
  else buf.set(payload, end);
  tx.commit(end + len - at);
}

/** One frame as bytes of its own, for a connection that can't send yet. */
export function encodeFrame(frame: HttpdWsFrame): Buffer {
  const payload = Buffer.from(payloadOf(frame) as Uint8Array);
  const bytes = Buffer.allocUnsafe(HEADER_ROOM + payload.length);
  const end = writeHeader(bytes, 0, isFinal(frame), frame.type, payload.length);
  payload.copy(bytes, end);
  return bytes.subarray(0, end + payload.length);
}
