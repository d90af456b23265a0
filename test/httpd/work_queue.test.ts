import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { WorkQueue } from '../../src/httpd/work_queue.js';
import { turn } from '../support/server.js';

function setUp(max = 10) {
  const log: string[] = [];
  const failures: unknown[] = [];
  const queue = new WorkQueue(
    max,
    setImmediate,
    () => log.push('before'),
    thrown => failures.push(thrown),
  );
  const add = (name: string) => queue.add(arg => log.push(`${name} ${String(arg)}`), name.length);
  return { queue, log, failures, add };
}

describe('the work queue', () => {
  test('runs what is queued first in, first out, with its argument, not at once', async () => {
    const { queue, log, add } = setUp();
    add('a');
    add('bb');
    add('ccc');
    expect([log, queue.length]).toEqual([[], 3]);
    await turn();
    expect(log).toEqual(['before', 'a 1', 'before', 'bb 2', 'before', 'ccc 3']);
    expect(queue.length).toBe(0);
  });

  test('holds max works; one more is refused with ESP_FAIL, and none is lost (fault 5: lost closes)', async () => {
    const { queue, log, add } = setUp(3);
    for (const name of ['a', 'b', 'c']) add(name);
    expect(() => add('d')).toThrow(
      expect.objectContaining({ code: ESP_FAIL, message: expect.stringContaining('3 works') }),
    );
    expect(queue.length).toBe(3);
    await turn();
    expect(log.filter(line => line !== 'before')).toEqual(['a 1', 'b 1', 'c 1']);
    add('e');
    await turn();
    expect(log.at(-1)).toBe('e 1');
  });

  test('a work that throws is told, and the others run', async () => {
    const { queue, log, failures, add } = setUp();
    add('a');
    queue.add(() => {
      throw new Error('oops');
    }, undefined);
    add('b');
    await turn();
    expect(log.filter(line => line !== 'before')).toEqual(['a 1', 'b 1']);
    expect(failures).toEqual([new Error('oops')]);
  });

  test('a work that rejects is told, and ends no process', async () => {
    const { queue, failures } = setUp();
    queue.add(async () => {
      throw new Error('later');
    }, undefined);
    await turn();
    expect(failures).toContainEqual(new Error('later'));
  });

  test('a work that queues another leaves it for the next turn', async () => {
    const { queue, log } = setUp(2);
    let rounds = 0;
    const again = () => {
      log.push(`round ${++rounds}, ${queue.length} wait`);
      if (rounds < 3) queue.add(again, undefined);
    };
    queue.add(again, undefined);
    await turn();
    await turn();
    expect(log.filter(line => line !== 'before')).toEqual(['round 1, 0 wait', 'round 2, 0 wait', 'round 3, 0 wait']);
  });

  test('while works run, the queue is empty again: each may queue as many as it holds', async () => {
    const { queue, add, log } = setUp(2);
    queue.add(() => {
      add('x');
      add('y');
      expect(() => add('z')).toThrow();
    }, undefined);
    await turn();
    await turn();
    expect(log.filter(line => line !== 'before')).toEqual(['x 1', 'y 1']);
  });
});
