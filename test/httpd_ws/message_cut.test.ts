/** A compressed message that is broken: its packets and its failure, however it comes in pieces. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAIL } from '../../src/httpd_ws/close.js';
import { HTTPD_WS_TYPE_BINARY, HTTPD_WS_TYPE_TEXT } from '../../src/httpd_ws/frame_type.js';
import { everyWay, pieces } from '../support/feed.js';
import { brokenBehind, foreignDeflate, json, storedAndBroken } from './deflate_support.js';
import { BIG, joined, run } from './message_support.js';

const PACKET = 16;
/** Many bytes from few: what is behind is found in the middle of a copy, or with no room left. */
const repeated = (n: number) => foreignDeflate(Buffer.alloc(n, 'a'));

const KINDS: readonly (readonly [name: string, make: (payload: Buffer) => Buffer])[] = [
  ['a code that is none', brokenBehind],
  ['a reserved type of block', storedAndBroken],
  ['empty blocks, then a reserved type', payload => storedAndBroken(payload, '000000ffff000000ffff')],
  ['a last block, then a reserved type', payload => storedAndBroken(payload, '0300')],
  [
    'a copy, then a reserved type',
    payload => Buffer.concat([repeated(payload.length).subarray(0, -1), storedAndBroken(Buffer.alloc(0))]),
  ],
];

describe.each(KINDS)('a compressed message with %s', (_name, make) => {
  test.each([15, 16, 17, 18, 31, 32, 33, 34, 97])('behind %i bytes gives the packets in front of that', len => {
    const bytes = make(Buffer.alloc(len, 'abcdefg'));
    for (const type of [HTTPD_WS_TYPE_TEXT, HTTPD_WS_TYPE_BINARY]) {
      for (const { name, chunks } of everyWay(bytes)) {
        const { packets, failure, left } = run(chunks, { type, compressed: true, rules: { maxPacketLen: PACKET } });
        expect(failure, name).toBe(FAIL.DEFLATE);
        expect(left, name).toBe(0);
        // a packet is handed over when the byte behind it is there
        const full = Math.floor((len - 1) / PACKET);
        expect(
          packets.map(packet => [packet.bytes.length, packet.final]),
          name,
        ).toEqual(Array.from({ length: full }, () => [PACKET, false]));
      }
    }
  });

  test('behind a byte more than wsMaxMessageLen is too long, and behind just as many it is broken', () => {
    for (const maxPacketLen of [BIG, 10, PACKET]) {
      for (const [len, expected] of [
        [30, FAIL.DEFLATE],
        [31, FAIL.MESSAGE_LENGTH],
        [32, FAIL.MESSAGE_LENGTH],
      ] as const) {
        for (const { name, chunks } of everyWay(make(Buffer.alloc(len, 'a')))) {
          const { failure } = run(chunks, { compressed: true, rules: { maxMessageLen: 30, maxPacketLen } });
          expect(failure, `${len} bytes, ${maxPacketLen}, ${name}`).toBe(expected);
        }
      }
    }
  });
});

test('any compressed message with any bytes changed gives the same packets, and ends the same, however it is cut', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat(300).map(n => foreignDeflate(json(n))),
        fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
        fc.uint8Array({ maxLength: 100 }).map(bytes => foreignDeflate(bytes)),
      ),
      fc.array(change, { maxLength: 2 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (message, changes, maxPacketLen, isText) => {
        const bytes = Buffer.from(message);
        for (const [at, value] of changes) bytes[at % Math.max(1, bytes.length)] = value;
        const type = isText ? HTTPD_WS_TYPE_TEXT : HTTPD_WS_TYPE_BINARY;
        const options = { type, compressed: true, rules: { maxPacketLen, maxMessageLen: 200 } };
        const seen = [[bytes], pieces(bytes, [1]), pieces(bytes, [3, 5])].map(chunks => {
          const outcome = run(chunks, options);
          const { packets, failure } = outcome;
          // text that is not UTF-8 may be broken too: which of them is found first may differ
          return [packets.map(({ final, bytes }) => [final, bytes.length]), joined(outcome), failure?.close];
        });
        expect(seen[1]).toEqual(seen[0]);
        expect(seen[2]).toEqual(seen[0]);
      },
    ),
    { numRuns: 400 },
  );
});
