/** A target that runs no server: nothing of one input stays for the next, and nothing is to be ended. */
import type { TargetName } from '../options.js';
import type { Random } from '../random.js';
import type { Target } from './target.js';

export abstract class PureTarget implements Target {
  readonly controls = 2;
  readonly maxLen = 1_024;
  abstract readonly name: TargetName;
  abstract readonly seeds: readonly Buffer[];

  abstract run(input: Buffer): Promise<void>;
  abstract mutate(bytes: Buffer, other: Buffer, random: Random): Buffer;

  replay(input: Buffer): Promise<void> {
    return this.run(input);
  }

  drop(): void {}

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
