import { expect, test, vi } from 'vitest';
import { GrowingBuffer } from '../../src/web/form_splitter.js';

test('a buffer that grows gives back what came, and is empty then', () => {
  const buffer = new GrowingBuffer();
  expect([buffer.length, buffer.take().toString()]).toEqual([0, '']);
  for (const piece of ['a', '', 'bc', 'x'.repeat(1_000), 'd']) buffer.append(Buffer.from(piece));
  expect(buffer.length).toBe(1_004);
  expect(buffer.take().toString()).toBe(`abc${'x'.repeat(1_000)}d`);
  buffer.append(Buffer.from('e'));
  expect([buffer.length, buffer.take().toString()]).toEqual([1, 'e']);
});

test('bytes that come one by one are moved a few times only, and take twice their length at most', () => {
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
  const buffer = new GrowingBuffer();
  for (let i = 0; i < 10_000; i++) buffer.append(Buffer.from([i]));
  const sizes = allocate.mock.calls.map(([size]) => size);
  allocate.mockRestore();
  expect(sizes.length).toBeLessThan(20);
  expect(Math.max(...sizes)).toBeLessThan(20_000);
});
