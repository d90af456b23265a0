import { expect, test } from 'vitest';
import { BUFFER_SIZE, BufferPool } from '../../src/files/buffer_pool.js';

test('makes as many buffers as it may, and gives them out again', () => {
  const pool = new BufferPool(2);
  const [a, b] = [pool.take() as Buffer, pool.take() as Buffer];
  expect([a.length, b.length]).toEqual([BUFFER_SIZE, BUFFER_SIZE]);
  expect(a.buffer).not.toBe(b.buffer);
  pool.give(a);
  expect(pool.take()).toBe(a);
});

test('who comes when all are out waits, in the order of coming', async () => {
  const pool = new BufferPool(1);
  const only = pool.take() as Buffer;
  const order: string[] = [];
  const take = async (name: string) => {
    const buf = await pool.take();
    order.push(name);
    expect(buf).toBe(only);
    return buf;
  };
  const all = ['first', 'second', 'third'].map(async name => pool.give(await take(name)));
  await Promise.resolve();
  expect(order).toEqual([]);
  pool.give(only);
  await Promise.all(all);
  expect(order).toEqual(['first', 'second', 'third']);
  expect(pool.take()).toBe(only);
});
