import { ManualClock } from './clock.js';

/** A clock to be turned by hand whose timers run where those of the system's clock do: behind the loop's poll. */
export class AfterPollClock extends ManualClock {
  override every(ms: number, fn: () => void): () => void {
    return super.every(ms, () => setImmediate(fn));
  }
}

/** Each look at the time makes so much of it pass that the select loop ends its turn, from the next one on. */
export function tireLoop(): () => void {
  const { now } = performance;
  let passed = 0;
  performance.now = () => {
    passed += 1_000;
    return now.call(performance) + passed;
  };
  return () => {
    performance.now = now;
  };
}
