/**
 * The life of an HTTP connection, as a table: in which state which event leads where.
 * An event that a state does not list is a mistake of ours.
 *
 *             head          dispatch           answered            done
 *   idle ----------> head ----------> handling ---------> purging ------> idle
 *                                        |  \_______________ done _______^
 *                                        | upgrade
 *                                        v
 *                                     upgraded              and from each: close -> closed
 */

const NEXT = {
  /** Between requests. */
  idle: { head: 'head', dispatch: 'handling', close: 'closed' },
  /** A part of a head has arrived. */
  head: { dispatch: 'handling', close: 'closed' },
  /** A handler runs, or its response is not complete. */
  handling: { answered: 'purging', done: 'idle', upgrade: 'upgraded', close: 'closed' },
  /** Answered; the rest of the body is still to be read and dropped. */
  purging: { done: 'idle', close: 'closed' },
  /** Another protocol has taken over. */
  upgraded: { close: 'closed' },
  /** Nothing is read any more. */
  closed: { close: 'closed' },
} as const;

export type HttpState = keyof typeof NEXT;
export type HttpEvent = 'head' | 'dispatch' | 'answered' | 'done' | 'upgrade' | 'close';

/** The state after `event`. */
export function next(state: HttpState, event: HttpEvent): HttpState {
  const row: Partial<Record<HttpEvent, HttpState>> = NEXT[state];
  const to = row[event];
  if (to === undefined) throw new Error(`internal error: '${event}' can't happen to a connection that is '${state}'`);
  return to;
}
