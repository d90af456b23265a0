/** What application code returns may be a promise, of any make. */

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Takes care that a promise that is returned where none is waited for does not end the process when it rejects. */
export function watch(result: unknown, onFailure: (thrown: unknown) => void): void {
  if (isThenable(result)) result.then(undefined, onFailure);
}
