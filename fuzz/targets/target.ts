/** What the fuzzer knows of a target. */
import type { TargetName } from '../options.js';
import type { Random } from '../random.js';

export interface Target {
  readonly name: TargetName;
  /** Bytes at the start of an input that say how the others are played. */
  readonly controls: number;
  /** The longest input. */
  readonly maxLen: number;
  /** Inputs to begin with, beside those of the corpus. */
  readonly seeds: readonly Buffer[];
  /**
   * Plays an input.
   *
   * @throws Finding
   */
  run(input: Buffer): Promise<void>;
  /** The same, with all that `run` does now and then only. */
  replay(input: Buffer): Promise<void>;
  /** A change of the bytes behind the controls that knows their format. */
  mutate(bytes: Buffer, other: Buffer, random: Random): Buffer;
  /** After a finding: ends what it has left. The target is not used any more. */
  drop(): void;
  stop(): Promise<void>;
}
