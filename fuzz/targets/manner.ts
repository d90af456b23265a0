/** The first two bytes of an input: how the others are cut, and how they are played. */
import type { Ending, Manner } from './lab.js';

/** What the control bytes say. */
export interface Controls {
  /** How the bytes are played the second time. */
  readonly cut: Manner;
  readonly ending: Ending;
  /** Which of four servers. */
  readonly server: number;
}

const ROOMS = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1_000, 50] as const;
const ENDINGS = ['fin', 'time', 'reset', 'half'] as const satisfies readonly Ending[];

/**
 * @param sizes pieces of `1 + the lower four bits` and `1 + five times the upper ones` bytes take turns; 0: byte by byte
 * @param flags bit 0: the loop turns between two pieces; 1: the receive buffer is spoilt late; 2–3: how much the kernel
 *   takes at a time; 4–5: the ending; 6–7: the server
 */
export function controls(sizes: number, flags: number): Controls {
  return {
    cut: {
      sizes: [1 + (sizes & 15), 1 + 5 * (sizes >> 4)],
      turns: (flags & 1) !== 0,
      spoilsAtOnce: (flags & 2) === 0,
      room: ROOMS[(flags >> 2) & 3] as number,
    },
    ending: ENDINGS[(flags >> 4) & 3] as Ending,
    server: flags >> 6,
  };
}
