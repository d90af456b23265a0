import { describe, expect, test } from 'vitest';
import { mark } from '../../fuzz/coverage.js';
import { Fuzzer } from '../../fuzz/fuzzer.js';
import { mutateHttp } from '../../fuzz/mutate/http.js';
import { mutateWs } from '../../fuzz/mutate/ws.js';
import { readOptions } from '../../fuzz/options.js';
import { Random } from '../../fuzz/random.js';
import { demand } from '../../fuzz/targets/finding.js';
import type { Target } from '../../fuzz/targets/target.js';
import { parseFrames } from '../support/ws_frames.js';

const SECRET = ':;\x7f';

/** Breaks a rule for inputs with three certain bytes in a row, and shows when the first of them are there. */
function toy(runs: string[] = []): Target {
  const run = async (input: Buffer) => {
    runs.push(input.toString('latin1'));
    let right = 0;
    while (right < SECRET.length && input.subarray(1).includes(SECRET.slice(0, right + 1))) right += 1;
    mark(right);
    demand(right < SECRET.length, 'nobody says the secret');
  };
  return {
    name: 'http',
    controls: 1,
    maxLen: 100,
    seeds: [Buffer.from('.something else')],
    run,
    replay: run,
    mutate: mutateHttp,
    drop: () => {},
    stop: () => Promise.resolve(),
  };
}

async function search(seed: number, runs: string[] = []): Promise<Fuzzer> {
  const fuzzer = await Fuzzer.make(async () => toy(runs), new Random(seed));
  await fuzzer.begin(fuzzer.target.seeds);
  for (let i = 0; i < 20_000 && fuzzer.crashes.length === 0; i++) await fuzzer.step();
  return fuzzer;
}

describe('the fuzzer', () => {
  test('finds what is three right steps away, makes it short, and reports it once', async () => {
    const fuzzer = await search(1);
    expect(fuzzer.crashes).toHaveLength(1);
    const [crash] = fuzzer.crashes;
    if (crash === undefined) return;
    expect(crash.error.message).toBe('nobody says the secret');
    expect((await fuzzer.minimise(crash)).input.subarray(1).toString()).toBe(SECRET);
    await fuzzer.begin([crash.input]);
    expect(fuzzer.crashes).toHaveLength(1);
  });

  test('keeps one input for each thing that was reached', async () => {
    const fuzzer = await search(2);
    const kept = fuzzer.cover().map(input => input.subarray(1).toString('latin1'));
    expect(kept.filter(text => text.includes(SECRET.slice(0, 2)))).toHaveLength(1);
    expect(kept).toHaveLength(SECRET.length);
  });

  test('does the same again with the same seed, and something else with another', async () => {
    const [once, again, other]: [string[], string[], string[]] = [[], [], []];
    await search(3, once);
    await search(3, again);
    await search(4, other);
    expect(again).toEqual(once);
    expect(other).not.toEqual(once);
  });
});

describe('changes of frames', () => {
  test('most often make frames that can be read, of every opcode', () => {
    const random = new Random(1);
    let bytes: Buffer = Buffer.from('818537fa213d7f9f4d5158', 'hex');
    const opcodes = new Set<number>();
    let whole = 0;
    for (let i = 0; i < 2_000; i++) {
      const changed = mutateWs(bytes, bytes, random);
      const { frames, rest } = parseFrames(changed);
      for (const { opcode } of frames) opcodes.add(opcode);
      if (rest.length === 0 && frames.length > 0) {
        whole += 1;
        if (changed.length < 200) bytes = changed;
      }
    }
    expect(whole).toBeGreaterThan(1_000);
    expect([...opcodes]).toEqual(expect.arrayContaining([0, 1, 2, 8, 9, 10, 3, 11]));
  });
});

describe('the command line', () => {
  test('is read', () => {
    expect(readOptions(['--seconds', '5', '--target', 'ws', '--seed', '7', '--save'])).toEqual({
      seconds: 5,
      targets: ['ws'],
      seed: 7,
      replay: [],
      save: true,
    });
    expect(readOptions([])).toMatchObject({ seconds: 60, targets: ['http', 'ws', 'form', 'raw'], save: false });
    expect(readOptions(['--replay', 'a', '--replay', 'b']).replay).toEqual(['a', 'b']);
  });

  test.each([
    ['--seconds', '0'],
    ['--seconds', 'x'],
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--target', 'x'],
    ['--what'],
  ])('refuses %s %s', (...args) => {
    expect(() => readOptions(args.filter(arg => arg !== undefined))).toThrow();
  });
});
