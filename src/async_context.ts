/**
 * Contexts of asynchronous execution (node:async_hooks), one for each thing that happens to a session.
 *
 * What a handler puts into an AsyncLocalStorage with `enterWith` stays in the context that it runs in. A loop of our own
 * has one context for all sockets, and a timer or an immediate that of whoever happened to ask for it: so each event
 * gets a context of its own, made as if by who started the server.
 */
import { AsyncResource } from 'node:async_hooks';

// nothing is kept per resource, so none has to be told of its end
const OPTIONS = { requireManualDestroy: true };

function alone<T, A, R>(run: (this: T, arg: A) => R, self: T, arg: A): R {
  return new AsyncResource('HTTPD_SESS', OPTIONS).runInAsyncScope(run, self, arg);
}

export class Contexts {
  private readonly root = new AsyncResource('HTTPD', OPTIONS);

  /** Calls `run` as a method of `self` in a context that nobody else runs in. */
  run<T, A, R>(run: (this: T, arg: A) => R, self: T, arg: A): R {
    return this.root.runInAsyncScope(alone<T, A, R>, undefined, run, self, arg);
  }
}
