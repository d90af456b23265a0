import { describe, expect, test } from 'vitest';
import { Agenda } from '../../src/device/agenda.js';
import { randomFrom } from '../../src/device/random.js';
import { ManualClock } from '../support/clock.js';

function rig() {
  // it begins at 1,000 ms
  const clock = new ManualClock();
  const faults: unknown[] = [];
  const agenda = new Agenda(clock, thrown => faults.push(thrown));
  const seen: string[] = [];
  const plan = (time: number, name: string, act = () => {}): void =>
    agenda.at(time, () => {
      seen.push(`${agenda.now} ${name}`);
      act();
    });
  return { clock, agenda, faults, seen, plan };
}

describe('an agenda', () => {
  test('calls by time, and at the same time in the order of planning', () => {
    const { clock, seen, plan } = rig();
    plan(1_020, 'c');
    plan(1_010, 'a');
    plan(1_020, 'd');
    plan(1_010, 'b');
    plan(1_015.5, 'between');
    clock.advance(9);
    expect(seen).toEqual([]);
    clock.advance(1);
    expect(seen).toEqual(['1010 a', '1010 b']);
    clock.advance(100);
    expect(seen).toEqual(['1010 a', '1010 b', '1015.5 between', '1020 c', '1020 d']);
  });

  test('keeps that order among thousands, in whatever order they are planned', () => {
    const { clock, agenda } = rig();
    const random = randomFrom(1);
    const planned = Array.from({ length: 3_000 }, (_, i) => ({ time: 1_000 + Math.floor(random() * 300), i }));
    const seen: object[] = [];
    for (const entry of planned) agenda.at(entry.time, () => seen.push(entry));
    clock.advance(300);
    expect(seen).toEqual(planned.toSorted((a, b) => a.time - b.time || a.i - b.i));
  });

  test('lets others have their turn after a thousand entries', () => {
    const { clock, agenda } = rig();
    let done = 0;
    for (let i = 0; i < 1_500; i++) agenda.at(1_000, () => (done += 1));
    let between = 0;
    clock.after(0, () => {
      between = done;
    });
    clock.advance(0);
    expect([between, done]).toEqual([1_000, 1_500]);
  });

  test('what is due is called soon, but never from within the call', () => {
    const { clock, seen, plan } = rig();
    plan(1_000, 'now');
    plan(5, 'long ago');
    expect(seen).toEqual([]);
    clock.advance(0);
    expect(seen).toEqual(['5 long ago', '1000 now']);
  });

  test('has one timer, for the first entry, and none when nothing is planned', () => {
    const { clock, seen, plan } = rig();
    expect(clock.running).toBe(0);
    for (const time of [1_500, 1_100, 1_900, 1_050]) plan(time, 'x');
    expect(clock.running).toBe(1);
    clock.advance(50);
    expect(seen).toEqual(['1050 x']);
    expect(clock.running).toBe(1);
    clock.advance(900);
    expect(seen).toHaveLength(4);
    expect(clock.running).toBe(0);
    plan(1_960, 'again');
    clock.advance(10);
    expect(seen.at(-1)).toBe('1960 again');
  });

  test('its time stands still within an entry and runs on outside, however late the timer was', () => {
    const { clock, agenda, seen, plan } = rig();
    plan(1_010, 'a', () => plan(agenda.now + 5, 'behind a'));
    plan(1_012, 'b');
    plan(1_020, 'c', () => plan(agenda.now, 'at once'));
    plan(1_020, 'd');
    plan(1_200, 'later');
    clock.hold(100);
    expect(agenda.now).toBe(1_100);
    clock.advance(0);
    expect(seen).toEqual(['1010 a', '1012 b', '1015 behind a', '1020 c', '1020 d', '1020 at once']);
    expect(agenda.now).toBe(1_100);
    clock.advance(100);
    expect(seen.at(-1)).toBe('1200 later');
  });

  test('an entry that an entry plans for later gets its timer, though it is the first', () => {
    const { clock, agenda, seen, plan } = rig();
    plan(1_010, 'a', () => plan(agenda.now + 30, 'b'));
    plan(1_900, 'c');
    clock.advance(40);
    expect(seen).toEqual(['1010 a', '1040 b']);
  });

  test('what an entry throws is told, and the others go on', () => {
    const { clock, agenda, faults, seen, plan } = rig();
    plan(1_010, 'a', () => {
      throw new Error('mine');
    });
    plan(1_010, 'b');
    plan(1_020, 'c');
    clock.advance(15);
    expect(seen).toEqual(['1010 a', '1010 b']);
    expect(faults).toEqual([new Error('mine')]);
    expect(agenda.now).toBe(1_015);
    clock.advance(5);
    expect(seen).toHaveLength(3);
  });

  test('forgets all, from within an entry too', () => {
    const { clock, agenda, seen, plan } = rig();
    plan(1_010, 'a');
    agenda.clear();
    expect(clock.running).toBe(0);
    clock.advance(20);
    plan(1_030, 'b', () => agenda.clear());
    plan(1_030, 'c');
    plan(1_040, 'd');
    clock.advance(50);
    expect(seen).toEqual(['1030 b']);
    expect(clock.running).toBe(0);
    plan(1_100, 'e');
    clock.advance(50);
    expect(seen.at(-1)).toBe('1100 e');
  });
});
