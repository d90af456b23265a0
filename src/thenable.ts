/** What application code returns may be a promise, of any make. */

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Takes care that a promise that is returned where none is waited for does not end the process when it rejects. */
export function watch(result: unknown, onFailure: (thrown: unknown) => void): void {
  if (isThenable(result)) result.then(undefined, onFailure);
}

/** The same promise; if it rejects and nobody awaits it, the process goes on. */
export function harmless<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** A rejection. A client that leaves must not be able to end the process with it. */
export function rejected(error: unknown): Promise<never> {
  return harmless(Promise.reject(error));
}

/** A promise that is settled by who made it. Nobody has to await it. */
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
