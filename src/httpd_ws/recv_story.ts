/**
 * The log of what a handler asks for and gets, in the words of ESP-IDF's `httpd_ws_recv_frame`.
 */
import type { TagLog } from '../log.js';

/** A handler asks for up to `maxLen` bytes of a frame of `len`; 0 asks for its length. */
export function tellAsked(log: TagLog, len: number, maxLen: number, how: 'whole' | 'part'): void {
  if (!log.debugOn) return;
  if (maxLen === 0) {
    log.debug('regard max_len == 0 is OK for user to get frame len');
  } else if (len > maxLen && how === 'part') {
    log.debug('httpd_ws_recv_frame_internal: WS Message too long. User will have to call read again');
  }
}

/** Its call has got `read` bytes so far. */
export function tellRead(log: TagLog, len: number, read: number): void {
  if (log.debugOn && read > 0) log.debug(`Frame length: ${len}, Bytes Read: ${read}`);
}
