import { beforeEach, describe, expect, test } from 'vitest';
import { Agenda } from '../../src/device/agenda.js';
import { Gate } from '../../src/device/gate.js';
import { ManualClock } from '../support/clock.js';

describe('a gate', () => {
  let clock: ManualClock;
  let gate: Gate;
  let passed: string[];
  const pass = (name: string) => gate.pass(() => passed.push(`${name} ${clock.now()}`));

  beforeEach(() => {
    clock = new ManualClock(0);
    passed = [];
    gate = new Gate(
      new Agenda(clock, thrown => {
        throw thrown;
      }),
    );
  });

  test('that is open lets pass at once', () => {
    pass('a');
    expect([passed, gate.shut]).toEqual([['a 0'], false]);
  });

  test('that is shut lets pass when it opens, in the order of coming', () => {
    gate.shutUntil(10);
    pass('a');
    clock.advance(5);
    pass('b');
    expect([passed, gate.shut]).toEqual([[], true]);
    clock.advance(5);
    expect([passed, gate.shut]).toEqual([['a 10', 'b 10'], false]);
  });

  test('may be shut for longer, and never for shorter', () => {
    gate.shutUntil(10);
    pass('a');
    gate.shutUntil(20);
    gate.shutUntil(5);
    clock.advance(15);
    expect(passed).toEqual([]);
    clock.advance(5);
    expect(passed).toEqual(['a 20']);
  });

  test('may be shut by one that passes: the others wait on, and who comes first then stands in front of them', () => {
    gate.shutUntil(10);
    gate.pass(() => {
      passed.push('a');
      gate.shutUntil(20);
      gate.passFirst(() => passed.push(`first ${clock.now()}`));
    });
    pass('b');
    clock.advance(10);
    expect(passed).toEqual(['a']);
    clock.advance(10);
    expect(passed).toEqual(['a', 'first 20', 'b 20']);
  });

  test('can be opened before its time, and one without a time too', () => {
    gate.shutUntil(1_000);
    pass('a');
    gate.open();
    clock.advance(1);
    expect(passed).toEqual(['a 0']);
    gate.shutUntil(Number.POSITIVE_INFINITY);
    pass('b');
    clock.advance(1_000_000);
    expect([passed, clock.running]).toEqual([['a 0'], 0]);
    gate.open();
    clock.advance(1);
    expect(passed).toHaveLength(2);
  });

  test('that is reset forgets who waits', () => {
    gate.shutUntil(10);
    pass('a');
    gate.reset();
    clock.advance(100);
    expect([passed, gate.shut]).toEqual([[], false]);
  });

  test('that is shut anew after that opens in its new time', () => {
    gate.shutUntil(1_000);
    pass('a');
    gate.reset();
    gate.shutUntil(10);
    pass('b');
    clock.advance(10);
    expect(passed).toEqual(['b 10']);
    clock.advance(1_000);
    expect(passed).toHaveLength(1);
  });
});
