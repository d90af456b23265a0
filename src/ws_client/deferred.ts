/**
 * A promise that is settled by who made it. Nobody has to await it.
 */
import { harmless } from '../thenable.js';

export class Deferred {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = harmless(
      new Promise<void>((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
      }),
    );
  }
}
