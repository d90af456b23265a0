import { afterAll, describe, expect, test } from 'vitest';
import { readCorpus } from '../../fuzz/corpus.js';
import { FormTarget } from '../../fuzz/targets/form.js';
import { HttpTarget } from '../../fuzz/targets/http.js';
import { RawAnswerTarget } from '../../fuzz/targets/raw_answer.js';
import type { Target } from '../../fuzz/targets/target.js';
import { WsTarget } from '../../fuzz/targets/ws.js';

const targets: readonly Target[] = await Promise.all([
  HttpTarget.start(),
  WsTarget.start(),
  new FormTarget(),
  new RawAnswerTarget(),
]);

afterAll(async () => {
  for (const target of targets) await target.stop();
});

describe.each(targets)('the $name target', target => {
  /** Plays them all. @returns what was found */
  async function findings(inputs: readonly Buffer[]): Promise<string[]> {
    const found: string[] = [];
    for (const input of inputs) {
      try {
        await target.replay(input);
      } catch (thrown) {
        found.push(`${input.toString('base64')}: ${String(thrown)}`);
      }
    }
    return found;
  }

  test('finds nothing in its seeds', async () => {
    expect(target.seeds.length).toBeGreaterThan(50);
    expect(await findings(target.seeds)).toEqual([]);
  });

  test('finds nothing in its corpus', async () => {
    const inputs = readCorpus(target.name);
    expect(inputs.length).toBeGreaterThan(10);
    expect(await findings(inputs)).toEqual([]);
  });
});
