import { describe, expect, test } from 'vitest';
import { type HttpEvent, type HttpState, next } from '../../src/httpd/lifecycle.js';

const STATES: HttpState[] = ['idle', 'head', 'handling', 'purging', 'upgraded', 'closed'];
const EVENTS: HttpEvent[] = ['head', 'dispatch', 'answered', 'done', 'upgrade', 'close'];

/** Every step there is, beside `close`. */
const STEPS: readonly (readonly [from: HttpState, event: HttpEvent, to: HttpState])[] = [
  ['idle', 'head', 'head'],
  ['idle', 'dispatch', 'handling'],
  ['head', 'dispatch', 'handling'],
  ['handling', 'answered', 'purging'],
  ['handling', 'done', 'idle'],
  ['handling', 'upgrade', 'upgraded'],
  ['purging', 'done', 'idle'],
];

describe('the life of a connection', () => {
  test.each(STEPS)('%s, %s: %s', (from, event, to) => {
    expect(next(from, event)).toBe(to);
  });

  test.each(STATES)('%s can be closed', state => {
    expect(next(state, 'close')).toBe('closed');
  });

  test('nothing else can happen', () => {
    const allowed = new Set(STEPS.map(([from, event]) => `${from} ${event}`));
    for (const state of STATES) {
      for (const event of EVENTS) {
        if (event === 'close' || allowed.has(`${state} ${event}`)) continue;
        expect(() => next(state, event)).toThrow(`'${event}' can't happen to a connection that is '${state}'`);
      }
    }
  });
});
