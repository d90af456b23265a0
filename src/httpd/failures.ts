/**
 * Failures of application code: each is logged, and the faults among them are told to who listens for 'error'.
 */
import { faultOf } from '../err.js';
import { logThrown, type TagLog } from '../log.js';
import type { EventHub } from './events.js';
import { HTTPD_500_INTERNAL_SERVER_ERROR } from './http_err.js';

export class Failures {
  constructor(private readonly events: EventHub) {}

  /** A callback has thrown, or its promise was rejected. @param what in words for the log */
  tell(log: TagLog, what: string, thrown: unknown, level: 'warn' | 'error' = 'error'): void {
    logThrown(log, what, thrown, level);
    const fault = faultOf(thrown);
    if (fault !== undefined) this.events.emit('error', HTTPD_500_INTERNAL_SERVER_ERROR, fault);
  }
}
