/** Frames as a strict client reads them (RFC 6455 section 5): each octet must have its place. */
import { isUtf8 } from 'node:buffer';
import { constants, inflateRawSync } from 'node:zlib';
import { isCloseCode } from '../../src/httpd_ws/close.js';
import { CLOSE, frameSize, parseFrame, type ServerFrame, TEXT } from '../../test/support/ws_frames.js';
import { Finding, shown } from './finding.js';

const PING = 0x9;
const PONG = 0xa;

export interface ReadFrames {
  readonly frames: readonly ServerFrame[];
  /** A part of a frame. */
  readonly rest: Buffer;
}

/**
 * @param deflate has permessage-deflate been agreed on?
 * @param anyText may text be other than UTF-8, since the application echoes what it takes?
 * @throws Finding
 */
export function readFrames(bytes: Buffer, deflate: boolean, anyText: boolean): ReadFrames {
  const frames: ServerFrame[] = [];
  const messages = new Messages(deflate, anyText);
  let rest = bytes;
  for (let size = frameSize(rest); size >= 0; size = frameSize(rest)) {
    if (frames.at(-1)?.opcode === CLOSE) throw new Finding('bytes follow a Close frame', shown(rest));
    const frame = parseFrame(rest.subarray(0, size));
    if (frame.masked) throw new Finding('a frame of the server is masked');
    checkLength(frame);
    if (frame.opcode >= CLOSE) checkControl(frame);
    else messages.add(frame);
    frames.push(frame);
    rest = rest.subarray(size);
  }
  if (rest.length > 0 && frames.at(-1)?.opcode === CLOSE) throw new Finding('bytes follow a Close frame', shown(rest));
  return { frames, rest };
}

function checkLength({ payload, bytes }: ServerFrame): void {
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10;
  if (bytes.length !== head + payload.length) throw new Finding('a length is not in its shortest form', shown(bytes));
}

function checkControl({ fin, rsv, opcode, payload, code, bytes }: ServerFrame): void {
  const known = opcode === CLOSE || opcode === PING || opcode === PONG;
  if (!known || !fin || rsv !== 0 || payload.length > 125) throw new Finding('a malformed control frame', shown(bytes));
  if (opcode !== CLOSE || payload.length === 0) return;
  if (code === undefined || !isCloseCode(code) || !isUtf8(payload.subarray(2))) {
    throw new Finding('a malformed Close frame', shown(bytes));
  }
}

/** Data frames as the messages that they make. */
class Messages {
  private parts: Buffer[] | undefined;
  private text = false;
  private compressed = false;

  constructor(
    private readonly deflate: boolean,
    private readonly anyText: boolean,
  ) {}

  add({ fin, rsv, opcode, payload, bytes }: ServerFrame): void {
    if (opcode > 2) throw new Finding('a reserved opcode is sent', shown(bytes));
    if ((opcode === 0) !== (this.parts !== undefined)) throw new Finding('a fragment out of order', shown(bytes));
    if (rsv !== 0 && (rsv !== 4 || opcode === 0 || !this.deflate))
      throw new Finding('a reserved bit is sent', shown(bytes));
    if (opcode !== 0) {
      this.text = opcode === TEXT;
      this.compressed = rsv === 4;
    }
    this.parts ??= [];
    this.parts.push(payload);
    if (!fin) return;
    this.complete(Buffer.concat(this.parts));
    this.parts = undefined;
  }

  private complete(payload: Buffer): void {
    const whole = this.compressed ? inflated(payload) : payload;
    if (this.text && !this.anyText && whole !== undefined && !isUtf8(whole)) {
      throw new Finding('text that is not UTF-8 is sent', shown(whole));
    }
  }
}

/** @returns undefined for one that needs the context of an earlier one */
function inflated(payload: Buffer): Buffer | undefined {
  try {
    const tail = Buffer.from([0, 0, 0xff, 0xff]);
    return inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return undefined;
  }
}
