/**
 * A clock for a simulated link. Timers of Node.js count whole milliseconds, and a segment takes less; so the last two of
 * them are waited for with turns of the loop.
 */
import { type Clock, systemClock } from '../sess/deadlines.js';

/** What a timer may be late, in ms. */
const TIMER_SLACK = 2;
/** The longest time that a timer of Node.js can wait, in ms. */
const TIMER_MAX = 2 ** 31 - 1;

export const preciseClock: Clock = {
  now: () => performance.now(),
  every: systemClock.every,
  after(ms, fn) {
    const due = performance.now() + ms;
    let timer: NodeJS.Timeout | undefined;
    let immediate: NodeJS.Immediate | undefined;
    const wait = (): void => {
      const rest = due - performance.now();
      if (rest <= 0) fn();
      else if (rest < TIMER_SLACK) immediate = setImmediate(wait);
      else timer = setTimeout(wait, Math.min(rest - TIMER_SLACK + 1, TIMER_MAX));
    };
    // never from within the call
    if (ms < TIMER_SLACK) immediate = setImmediate(wait);
    else wait();
    return () => {
      clearTimeout(timer);
      clearImmediate(immediate);
    };
  },
};
