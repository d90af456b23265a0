import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAIL } from '../../src/httpd_ws/close.js';
import { Inflaters } from '../../src/httpd_ws/deflate.js';
import { HTTPD_WS_TYPE_BINARY, HTTPD_WS_TYPE_CONTINUE, HTTPD_WS_TYPE_TEXT } from '../../src/httpd_ws/frame_type.js';
import { Message, MessageMemory } from '../../src/httpd_ws/message.js';
import { pieces } from '../support/feed.js';
import { hex } from '../support/ws_frames.js';
import { foreignDeflate, json, noise } from './deflate_support.js';
import { BIG, INFLATER_COST, joined, rulesOf, run, shape, usedOf } from './message_support.js';

describe('a message', () => {
  test.each([true, false])('is handed over whole, of the type that it began with (compressed: %s)', compressed => {
    const payload = json(3000);
    const frames = pieces(compressed ? foreignDeflate(payload) : payload, [100, 1, 50]);
    const outcome = run([...frames, Buffer.alloc(0)], { type: HTTPD_WS_TYPE_TEXT, compressed });
    expect(shape(outcome)).toEqual([[HTTPD_WS_TYPE_TEXT, 3000, true]]);
    expect(joined(outcome).equals(payload)).toBe(true);
    expect([outcome.failure, outcome.left]).toEqual([undefined, 0]);
  });

  test.each([true, false])('may be empty (compressed: %s)', compressed => {
    for (const frames of [[], [Buffer.alloc(0)], ...(compressed ? [[hex('00')]] : [])]) {
      const outcome = run(frames, { compressed });
      expect(shape(outcome)).toEqual([[HTTPD_WS_TYPE_BINARY, 0, true]]);
      expect([outcome.failure, outcome.left]).toEqual([undefined, 0]);
    }
  });

  test.each([
    [99, [[2, 99, true]]],
    [100, [[2, 100, true]]],
    [
      101,
      [
        [2, 100, false],
        [0, 1, true],
      ],
    ],
    [
      200,
      [
        [2, 100, false],
        [0, 100, true],
      ],
    ],
    [
      250,
      [
        [2, 100, false],
        [0, 100, false],
        [0, 50, true],
      ],
    ],
  ])('of %i bytes in one frame comes in packets of 100', (len, packets) => {
    for (const compressed of [true, false]) {
      const payload = noise(len);
      const frame = compressed ? foreignDeflate(payload) : payload;
      const outcome = run([frame], { compressed, rules: { maxPacketLen: 100 } });
      expect(shape(outcome), `compressed: ${compressed}`).toEqual(packets);
      expect(joined(outcome).equals(payload)).toBe(true);
      expect(outcome.left).toBe(0);
    }
  });

  test('whose handler receives only parts of its packets goes on with the next ones', () => {
    for (const compressed of [true, false]) {
      const payload = noise(250);
      const frame = compressed ? foreignDeflate(payload) : payload;
      const { packets, left } = run([frame], { compressed, rules: { maxPacketLen: 100 }, reads: [10, 20] });
      expect(packets.map(({ bytes }) => bytes)).toEqual([0, 100, 200].map(at => payload.subarray(at, at + 30)));
      expect(left).toBe(0);
    }
  });

  test('of any length, in any frames, comes in such packets; nothing of it stays behind', () => {
    const cut = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 });
    const payload = fc.oneof(
      fc.nat(2000).map(n => json(n)),
      fc.nat(1500).map(n => noise(n)),
      fc.nat(3000).map(n => Buffer.alloc(n)),
    );
    fc.assert(
      fc.property(
        payload,
        cut,
        fc.integer({ min: 1, max: 700 }),
        fc.boolean(),
        (bytes, sizes, maxPacketLen, compressed) => {
          const frames = pieces(compressed ? foreignDeflate(bytes) : bytes, sizes);
          const outcome = run(frames, { compressed, rules: { maxPacketLen } });
          expect(outcome.failure).toBeUndefined();
          expect(joined(outcome).equals(bytes)).toBe(true);
          const { packets } = outcome;
          for (const [i, { type, final, bytes: part }] of packets.entries()) {
            expect(type).toBe(i === 0 ? HTTPD_WS_TYPE_BINARY : HTTPD_WS_TYPE_CONTINUE);
            expect(final).toBe(i === packets.length - 1);
            if (!final) expect(part.length).toBe(maxPacketLen);
            else expect(part.length).toBeLessThanOrEqual(maxPacketLen);
          }
          // one byte of the next packet may have been inflated, to see whether there is one
          const most = Math.min(bytes.length, maxPacketLen + 1) + (compressed && bytes.length > 0 ? INFLATER_COST : 0);
          expect(outcome.peak).toBeLessThanOrEqual(Math.max(most, compressed ? INFLATER_COST : 0));
          expect(outcome.left).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a message that is inflated', () => {
  test('may have just as many bytes as wsMaxMessageLen says, and not one more', () => {
    for (const make of [json, noise, (n: number) => Buffer.alloc(n)]) {
      for (const maxPacketLen of [BIG, 100, 1000, 999, 1001]) {
        const rules = { maxMessageLen: 1000, maxPacketLen };
        const right = run([foreignDeflate(make(1000))], { compressed: true, rules });
        expect(joined(right).equals(make(1000))).toBe(true);
        expect([right.failure, right.left]).toEqual([undefined, 0]);
        const wrong = run([foreignDeflate(make(1001))], { compressed: true, rules });
        expect(wrong.failure).toBe(FAIL.MESSAGE_LENGTH);
        expect(wrong.packets.every(({ final }) => !final)).toBe(true);
        expect(wrong.left).toBe(0);
      }
    }
  });

  test.each([BIG, 1000])(
    'never takes more memory than wsMaxMessageLen, or a packet of %i bytes, however much it would be',
    maxPacketLen => {
      const bomb = foreignDeflate(Buffer.alloc(50_000_000));
      const outcome = run([bomb], { compressed: true, rules: { maxMessageLen: 100_000, maxPacketLen } });
      expect(outcome.failure).toBe(FAIL.MESSAGE_LENGTH);
      expect(outcome.peak).toBeLessThanOrEqual(INFLATER_COST + Math.min(100_000, maxPacketLen + 1));
      expect(outcome.left).toBe(0);
    },
  );

  test('and is broken ends with 1007, wherever that shows', () => {
    const rest = foreignDeflate(json(500));
    for (const [what, frames] of Object.entries({
      'at once': [hex('07')],
      'behind a good frame': [rest.subarray(0, 50), Buffer.alloc(50, 0xff)],
      'by its end': [rest.subarray(0, 60)],
    })) {
      for (const maxPacketLen of [BIG, 40]) {
        const { failure, packets, left } = run(frames, { compressed: true, rules: { maxPacketLen } });
        expect(failure, what).toBe(FAIL.DEFLATE);
        expect(packets.every(({ final }) => !final)).toBe(true);
        expect(left).toBe(0);
      }
    }
    expect(FAIL.DEFLATE.close).toBe(1007);
  });

  test.each<[string, string, boolean]>([
    ['whole', 'ce ba e1 bd b9 cf 83 ce bc ce b5 f0 9f 98 80', true],
    ['cut at the end', 'ce ba e1 bd', false],
    ['cut in the middle', 'ce ba e1 41', false],
    ['with a surrogate', '41 ed a0 80', false],
  ])('and is text must be UTF-8: %s', (_what, bytes, right) => {
    for (const maxPacketLen of [BIG, 1, 2, 3]) {
      for (const size of [1, 1000]) {
        const frames = pieces(foreignDeflate(hex(bytes)), [size]);
        const options = { compressed: true, rules: { maxPacketLen } };
        const text = run(frames, { ...options, type: HTTPD_WS_TYPE_TEXT });
        expect(text.failure).toBe(right ? undefined : FAIL.UTF8);
        if (!right) expect(text.packets.every(({ final }) => !final)).toBe(true);
        expect(text.left).toBe(0);
        // binary messages and those of wsIgnoreEncodingErrors are not looked at
        expect(joined(run(frames, options))).toEqual(hex(bytes));
        const ignoring = { compressed: true, rules: { maxPacketLen, checkUtf8: false } };
        expect(joined(run(frames, { ...ignoring, type: HTTPD_WS_TYPE_TEXT }))).toEqual(hex(bytes));
      }
    }
  });

  test('gives its inflater back as soon as it is complete, while its handler is still at work', () => {
    const memory = new MessageMemory(INFLATER_COST + 100);
    const inflaters = new Inflaters();
    const frame = foreignDeflate(Buffer.from('hello'));
    const messages = [1, 2, 3].map(() => {
      const message = new Message(HTTPD_WS_TYPE_TEXT, rulesOf({}), memory, inflaters);
      expect(message.push(frame, 0, frame.length)).toBeUndefined();
      expect(message.end()).toBeUndefined();
      expect(message.ready).toBe(true);
      message.beginPacket();
      return message;
    });
    expect(usedOf(memory, INFLATER_COST + 100)).toBe(15);
    for (const message of messages) {
      const target = Buffer.alloc(5);
      message.read(target, 5);
      expect(target.toString()).toBe('hello');
      message.close();
    }
    expect(usedOf(memory, INFLATER_COST + 100)).toBe(0);
  });
});

describe('the memory of all incomplete messages', () => {
  test.each([true, false])('may be used to the last byte, and not beyond (compressed: %s)', compressed => {
    const payload = noise(1000);
    const cost = compressed ? INFLATER_COST : 0;
    const frames = pieces(compressed ? foreignDeflate(payload) : payload, [100]);
    expect(run(frames, { compressed, memory: cost + 1000 })).toMatchObject({ failure: undefined, left: 0 });
    const { failure, packets, left } = run(frames, { compressed, memory: cost + 999 });
    expect([failure, packets, left]).toEqual([FAIL.NO_MEMORY, [], 0]);
    expect(FAIL.NO_MEMORY.close).toBe(1013);
    // packet by packet, a message of any length needs one packet's
    const rules = { maxPacketLen: 50 };
    expect(run(frames, { compressed, rules, memory: cost + 51 })).toMatchObject({ failure: undefined, left: 0 });
  });

  test('is too small for an inflater: 1013, and nothing stays taken', () => {
    const outcome = run([hex('f2 48 cd c9 c9 07 00')], { compressed: true, memory: INFLATER_COST - 1 });
    expect([outcome.failure, outcome.left]).toEqual([FAIL.NO_MEMORY, 0]);
  });

  test('is shared, and given back by those that end, complete or not', () => {
    const memory = new MessageMemory(100);
    const bytes = Buffer.alloc(60);
    const first = new Message(HTTPD_WS_TYPE_BINARY, rulesOf({}), memory, undefined);
    const second = new Message(HTTPD_WS_TYPE_BINARY, rulesOf({}), memory, undefined);
    expect(first.push(bytes, 0, 60)).toBeUndefined();
    expect(second.push(bytes, 0, 40)).toBeUndefined();
    expect(second.push(bytes, 0, 1)).toBe(FAIL.NO_MEMORY);
    first.close();
    expect(second.push(bytes, 0, 60)).toBeUndefined();
    second.close();
    second.close();
    expect(usedOf(memory, 100)).toBe(0);
  });

  test('an inflater counts for what it costs', () => {
    // its window, its state, and what belongs to a stream of Node's
    expect(INFLATER_COST).toBeGreaterThan(32 * 1024);
    expect(INFLATER_COST).toBeLessThan(64 * 1024);
  });
});

describe('a flood of fragments', () => {
  test.each([1, 2, 3, 16])('of %i bytes costs no more than twice their payload', size => {
    const before = process.memoryUsage().arrayBuffers;
    const memory = new MessageMemory(BIG);
    const message = new Message(HTTPD_WS_TYPE_BINARY, rulesOf({}), memory, undefined);
    const frame = Buffer.alloc(size, 7);
    const count = 131_072;
    for (let i = 0; i < count; i++) message.push(frame, 0, size);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(2 * count * size + 64 * 1024);
    expect(usedOf(memory, BIG)).toBe(count * size);
    expect(message.end()).toBeUndefined();
    message.beginPacket();
    const target = Buffer.alloc(count * size);
    message.read(target, target.length);
    expect(target.equals(Buffer.alloc(count * size, 7))).toBe(true);
    message.close();
    expect(usedOf(memory, BIG)).toBe(0);
  });

  test('that are empty costs nothing', () => {
    const before = process.memoryUsage().arrayBuffers;
    const message = new Message(HTTPD_WS_TYPE_BINARY, rulesOf({}), new MessageMemory(0), undefined);
    const none = Buffer.alloc(0);
    for (let i = 0; i < 131_072; i++) if (message.push(none, 0, 0) !== undefined) expect.fail('a failure');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4096);
    expect(message.end()).toBeUndefined();
    expect(message.len).toBe(0);
    message.close();
  });
});
