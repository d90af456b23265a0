/**
 * Masking keys, which a server must not be able to foretell (RFC 6455 sections 5.3 and 10.3).
 */
import { randomFillSync } from 'node:crypto';

/** Keys that are drawn at a time: one by one they would cost as much as sending a short frame. */
const POOL = 1024;
const pool = new Int32Array(POOL);
let left = 0;

/** A key, as a number: a 32-bit integer. */
export function maskingKey(): number {
  if (left === 0) {
    randomFillSync(pool);
    left = POOL;
  }
  left -= 1;
  return pool[left] as number;
}
