/**
 * The bytes of a file, from the disk to a reader of any speed, in bounded memory.
 *
 * A buffer is held from the start of a read until its bytes are handed over, and never while a reader is waited for.
 */
import { ESP_FAIL, EspError } from '../err.js';
import { BUFFER_SIZE, buffers } from './buffer_pool.js';
import { loopShare, SHARE_MS } from './loop_share.js';
import type { OpenFile } from './open_file.js';
import { warmFiles } from './warm_files.js';

/** Where a body goes. */
export interface BodySink {
  respSend(body?: string | Uint8Array): Promise<void>;
  respSendHead(contentLen: number): void;
  respSendPart(bytes: Uint8Array): Promise<void>;
}

/** What is read at first, and from slow readers' files. A body of this size or less leaves in one send, with its head. */
const READ_MIN = 64 * 1024;

/** A piece that took less, in ms, may be followed by one of twice the size. */
const FAST_MS = SHARE_MS / 2;

/** Sends `len` bytes from `from` on as the whole body. */
export async function sendSlice(sink: BodySink, file: OpenFile, from: number, len: number): Promise<void> {
  if (len > READ_MIN) return sendParts(sink, file, from, len, len);
  if (len === 0) return sink.respSend();
  const buf = await buffers.take();
  let sent: Promise<void>;
  try {
    for (let at = 0; at < len; ) at += await readSome(file, buf.subarray(at), len - at, from + at);
    sent = sink.respSend(buf.subarray(0, len));
  } finally {
    buffers.give(buf);
  }
  return sent;
}

/**
 * Sends `len` bytes from `from` on as a part of the body, in pieces. They grow while the reader and the kernel keep up:
 * then few large ones cost less, and else what the socket does not take has to be kept.
 *
 * @param announce length of the body, whose head then leaves with the first piece; undefined if the head is out
 */
export async function sendParts(
  sink: BodySink,
  file: OpenFile,
  from: number,
  len: number,
  announce?: number,
): Promise<void> {
  const end = from + len;
  let size = READ_MIN;
  for (let at = from; at < end; ) {
    const buf = await buffers.take();
    let sent = Promise.resolve();
    let took = 0;
    try {
      const count = await readSome(file, buf, Math.min(size, end - at), at);
      took = await loopShare.run(() => {
        if (at === from && announce !== undefined) sink.respSendHead(announce);
        sent = sink.respSendPart(buf.subarray(0, count));
      });
      at += count;
    } finally {
      buffers.give(buf);
    }
    const fast = (await isSettled(sent)) && took < FAST_MS;
    size = fast ? Math.min(2 * size, BUFFER_SIZE) : READ_MIN;
    await sent;
  }
}

/** Reads a byte or more. */
async function readSome(file: OpenFile, buf: Buffer, len: number, position: number): Promise<number> {
  const inThread = () => file.read(buf, len, position);
  const inPlace = () => file.readInPlace(buf, len, position);
  const count = file.size > READ_MIN ? await inThread() : await warmFiles.read(file.state, inPlace, inThread);
  if (count > 0) return count;
  throw new EspError(ESP_FAIL, `a file became shorter while it was sent: it ends before byte ${position} now`);
}

const NOT_YET = Promise.resolve('not yet');

/** Has the promise been settled already? Rejects if it has been rejected. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  // of those that are settled the first one wins
  return (await Promise.race([promise, NOT_YET])) !== 'not yet';
}
