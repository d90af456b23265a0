import { describe, expect, test } from 'vitest';
import { EPOLL_HERE } from '../support/epoll.js';
import { run } from './child.js';
import type { Outcome } from './choose_child.js';

async function outcomeOf(scene: string): Promise<Outcome> {
  const { code, output } = await run('choose_child.ts', [scene]).ended;
  expect(code, output).toBe(0);
  const line = output.split('\n').find(text => text.startsWith('{'));
  return JSON.parse(line ?? `no JSON: ${output}`) as Outcome;
}

describe('the select loop that a server gets', () => {
  test.skipIf(!EPOLL_HERE)("on Linux x64 it is epoll, and 'auto' has nothing to say", async () => {
    const { auto, epoll, koffi } = await outcomeOf('here');
    expect(auto).toEqual({ answer: 'served', lines: [] });
    expect(epoll).toEqual({ answer: 'served', lines: [] });
    expect(koffi).toBe(true);
  });

  // a machine on which epoll can't work shows the first reason that it finds, whatever the scene
  test.skipIf(!EPOLL_HERE).each([
    ['a worker thread', "libuv's default loop belongs to the main thread, and this is a worker thread"],
    ['no koffi', "the optional package koffi can't be loaded: Cannot find module 'koffi'"],
    ['no function', "koffi can't find a function: Cannot find function for 'int setsockopt("],
    ['no libuv', "koffi can't find a function: "],
    ['Bun', 'epoll needs the libuv of Node.js, and this is Bun 1.4.5'],
    ['Deno', 'epoll needs the libuv of Node.js, and this is Deno 2.9.6'],
    ['another platform', 'epoll is Linux only, and this is freebsd'],
    ['another architecture', 'the epoll port knows x64 only, and this is arm64'],
  ])("%s: 'auto' serves over net and says why; 'epoll' is refused and says why", async (scene, why) => {
    const { auto, epoll } = await outcomeOf(scene);
    expect(auto.answer).toBe('served');
    expect(auto.lines).toEqual([expect.stringContaining(`select loop: net, since ${why}`)]);
    expect(auto.lines[0]).not.toMatch(/[\r\n]/);
    expect(epoll.answer).toBeUndefined();
    expect(epoll.error).toBe('ESP_ERR_NOT_SUPPORTED');
    expect(epoll.message).toContain(why);
    expect(epoll.message).toContain("'epoll'");
  });

  test.skipIf(!EPOLL_HERE)(
    "in a worker of a cluster 'auto' is net, which shares ports, and 'epoll' is epoll",
    async () => {
      const { auto, epoll } = await outcomeOf('a worker of a cluster');
      expect(auto.answer).toBe('served');
      expect(auto.lines).toEqual([expect.stringContaining('select loop: net, since workers of a cluster')]);
      expect(epoll).toEqual({ answer: 'served', lines: [] });
    },
  );

  test("'net' does not load koffi", async () => {
    expect((await outcomeOf('here')).koffiAfterNet).toBe(false);
  });
});
