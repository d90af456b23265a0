import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAIL, type Failure } from '../../src/httpd_ws/close.js';
import { FrameHeader, writeHeader } from '../../src/httpd_ws/frame.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, type FrameSpec, hex, PING, PONG, TEXT } from '../support/ws_frames.js';

const OPCODES = [CONTINUE, TEXT, BINARY, CLOSE, PING, PONG];
const RESERVED = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf];
const K = 2 ** 53;

/** The header at the start of `bytes`, wherever they lie, as a plain object. */
function read(bytes: Buffer, options: { masked?: boolean; inMessage?: boolean } = {}): object | boolean | Failure {
  const { masked = true, inMessage = false } = options;
  const header = new FrameHeader();
  const result = header.read(bytes, 0, bytes.length, masked, inMessage);
  if (result !== true) return result;
  const moved = new FrameHeader();
  const padded = Buffer.concat([Buffer.alloc(7, 0xff), bytes, Buffer.alloc(3, 0xff)]);
  expect(moved.read(padded, 7, 7 + bytes.length, masked, inMessage)).toBe(true);
  expect(moved).toEqual(header);
  return { ...header };
}

/**
 * The result for every length of a beginning of `bytes`: "more" up to a place, then the same to the end.
 *
 * @returns the result, and after how many bytes it is known
 */
function readGrowing(bytes: Buffer, options: { masked?: boolean; inMessage?: boolean } = {}) {
  const results = Array.from({ length: bytes.length + 1 }, (_, n) => read(bytes.subarray(0, n), options));
  const known = results.findIndex(result => result !== false);
  const result = known < 0 ? false : results[known];
  for (const [n, other] of results.entries())
    expect(other, `${n} bytes`).toEqual(n < known || known < 0 ? false : result);
  return { result, after: known };
}

describe('literal frames of a client', () => {
  test.each<readonly [name: string, bytes: string, header: object]>([
    [
      'a text frame, as RFC 6455 section 5.7 has it',
      '81 85 37 fa 21 3d 7f 9f 4d 51 58',
      { fin: true, rsv1: false, opcode: 1, len: 5, key: 0x3d21fa37, size: 6 },
    ],
    [
      'the first fragment',
      '01 83 00 00 00 00 48 65 6c',
      { fin: false, rsv1: false, opcode: 1, len: 3, key: 0, size: 6 },
    ],
    [
      'an empty binary frame',
      '82 80 01 02 03 04',
      { fin: true, rsv1: false, opcode: 2, len: 0, key: 0x04030201, size: 6 },
    ],
    [
      'a ping',
      '89 85 37 fa 21 3d 7f 9f 4d 51 58',
      { fin: true, rsv1: false, opcode: 9, len: 5, key: 0x3d21fa37, size: 6 },
    ],
    [
      'a pong with a key above 2^31',
      '8a 80 00 00 00 ff',
      { fin: true, rsv1: false, opcode: 10, len: 0, key: 0xff000000 | 0, size: 6 },
    ],
    ['a close with 1000', '88 82 00 00 00 00 03 e8', { fin: true, rsv1: false, opcode: 8, len: 2, key: 0, size: 6 }],
    ['a 16-bit length', '82 fe 01 00 00 00 00 00', { fin: true, rsv1: false, opcode: 2, len: 256, key: 0, size: 8 }],
    [
      'a 64-bit length',
      '82 ff 00 00 00 00 00 01 00 00 01 00 00 00',
      { fin: true, rsv1: false, opcode: 2, len: 65_536, key: 1, size: 14 },
    ],
  ])('%s', (_name, bytes, header) => {
    const { result, after } = readGrowing(hex(bytes));
    expect(result).toEqual(header);
    expect(after).toBe((header as { size: number }).size);
  });

  test('a continuation, in a message', () => {
    expect(readGrowing(hex('80 82 00 00 00 00 6c 6f'), { inMessage: true }).result).toMatchObject({
      opcode: 0,
      len: 2,
    });
  });
});

describe('lengths, both ways', () => {
  const LENGTHS = [
    0,
    1,
    124,
    125,
    126,
    127,
    65_534,
    65_535,
    65_536,
    65_537,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    K - 1,
  ];

  test.each(LENGTHS)('%d bytes are written in the shortest form, and read back', len => {
    const buf = Buffer.alloc(20, 0xee);
    const end = writeHeader(buf, 3, true, BINARY, len);
    expect(end - 3).toBe(len < 126 ? 2 : len < 65_536 ? 4 : 10);
    expect([buf[2], buf[end]]).toEqual([0xee, 0xee]);
    const written = buf.subarray(3, end);
    expect(written.equals(buildFrame({ opcode: BINARY, mask: false, claimedLen: len }))).toBe(true);
    expect(readGrowing(written, { masked: false })).toEqual({
      result: { fin: true, rsv1: false, opcode: BINARY, len, key: 0, size: end - 3 },
      after: end - 3,
    });
    const masked = buildFrame({ opcode: BINARY, claimedLen: len });
    expect(readGrowing(masked).result).toMatchObject({ len, size: end - 3 + 4 });
  });

  test.each([K, K + 1, 2n ** 62n, 2n ** 63n - 1n])('%s bytes are too many: 1009', len => {
    expect(readGrowing(buildFrame({ opcode: BINARY, claimedLen: BigInt(len) }))).toEqual({
      result: FAIL.LENGTH_HUGE,
      after: 10,
    });
    expect(FAIL.LENGTH_HUGE.close).toBe(1009);
  });

  test.each([2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n])('%s bytes have the top bit set: 1002', len => {
    expect(readGrowing(buildFrame({ opcode: BINARY, claimedLen: len }))).toEqual({
      result: FAIL.LENGTH_SIGN,
      after: 10,
    });
    expect(FAIL.LENGTH_SIGN.close).toBe(1002);
  });

  test.each<readonly [form: 16 | 64, len: number, after: number]>([
    [16, 0, 4],
    [16, 1, 4],
    [16, 125, 4],
    [64, 0, 10],
    [64, 125, 10],
    [64, 126, 10],
    [64, 65_535, 10],
  ])('fault 7: %i bits for %i bytes are refused, not minimal', (lengthForm, claimedLen, after) => {
    const frame = buildFrame({ opcode: BINARY, lengthForm, claimedLen });
    expect(readGrowing(frame)).toEqual({ result: FAIL.NOT_MINIMAL, after });
  });

  test.each<readonly [form: 16 | 64, len: number]>([
    [16, 126],
    [16, 65_535],
    [64, 65_536],
  ])('%i bits for %i bytes are right', (lengthForm, claimedLen) => {
    expect(readGrowing(buildFrame({ opcode: BINARY, lengthForm, claimedLen })).result).toMatchObject({
      len: claimedLen,
    });
  });
});

describe('violations, each at the earliest byte that shows it', () => {
  const violation = (spec: FrameSpec, options?: { masked?: boolean; inMessage?: boolean }) =>
    readGrowing(buildFrame(spec), options);

  test.each(RESERVED)('fault 7: opcode %i is reserved: refused at the first byte', opcode => {
    expect(violation({ opcode, payload: 'x' })).toEqual({ result: FAIL.OPCODE, after: 1 });
    expect(violation({ opcode, fin: false, payload: 'x' }, { inMessage: true })).toEqual({
      result: FAIL.OPCODE,
      after: 1,
    });
  });

  test.each([1, 2, 3, 4, 5, 6, 7])('fault 7: reserved bits %i are refused at the first byte, with any opcode', rsv => {
    for (const opcode of [...OPCODES, ...RESERVED]) {
      for (const inMessage of [true, false]) {
        expect(violation({ opcode, rsv }, { inMessage })).toEqual({ result: FAIL.RSV, after: 1 });
      }
    }
  });

  test.each([CLOSE, PING, PONG])('fault 7: a fragmented control frame %i is refused at the first byte', opcode => {
    for (const inMessage of [true, false]) {
      expect(violation({ opcode, fin: false }, { inMessage })).toEqual({ result: FAIL.CONTROL_FRAGMENTED, after: 1 });
    }
  });

  test.each([CLOSE, PING, PONG])('fault 7: a control frame %i of 126 bytes is refused at the second byte', opcode => {
    for (const claimedLen of [126, 127, 65_535, 65_536]) {
      expect(violation({ opcode, claimedLen })).toEqual({ result: FAIL.CONTROL_LENGTH, after: 2 });
    }
    expect(violation({ opcode, payload: Buffer.alloc(125) }).result).toMatchObject({ len: 125 });
  });

  test.each([CLOSE, PING, PONG])('a control frame %i with a longer form of a short length is refused too', opcode => {
    expect(violation({ opcode, claimedLen: 5, lengthForm: 16 })).toEqual({ result: FAIL.CONTROL_LENGTH, after: 2 });
    expect(violation({ opcode, claimedLen: 5, lengthForm: 64 })).toEqual({ result: FAIL.CONTROL_LENGTH, after: 2 });
  });

  test.each([TEXT, BINARY, CLOSE, PING, PONG])(
    'an unmasked frame %i of a client is refused at the second byte',
    opcode => {
      expect(violation({ opcode, mask: false, payload: 'hi' })).toEqual({ result: FAIL.UNMASKED, after: 2 });
    },
  );

  test('a masked frame of a server is refused at the second byte', () => {
    expect(violation({ opcode: TEXT, payload: 'hi' }, { masked: false })).toEqual({ result: FAIL.MASKED, after: 2 });
  });

  test('a continuation without a message is refused', () => {
    expect(violation({ opcode: CONTINUE })).toEqual({ result: FAIL.NOTHING_TO_CONTINUE, after: 1 });
  });

  test.each([TEXT, BINARY])('a new message %i inside a fragmented one is refused', opcode => {
    expect(violation({ opcode }, { inMessage: true })).toEqual({ result: FAIL.NOT_CONTINUED, after: 1 });
  });

  test.each([CLOSE, PING, PONG])('a control frame %i inside a fragmented message is fine', opcode => {
    expect(violation({ opcode, payload: 'x' }, { inMessage: true }).result).toMatchObject({ opcode, len: 1 });
  });

  test('all of them but the too long one end with 1002', () => {
    const { LENGTH_HUGE, ...others } = FAIL;
    const ofHeader = [
      others.RSV,
      others.OPCODE,
      others.UNMASKED,
      others.MASKED,
      others.CONTROL_FRAGMENTED,
      others.CONTROL_LENGTH,
      others.NOT_MINIMAL,
      others.LENGTH_SIGN,
      others.NOTHING_TO_CONTINUE,
      others.NOT_CONTINUED,
    ];
    expect(new Set(ofHeader.map(failure => failure.close))).toEqual(new Set([1002]));
    expect(LENGTH_HUGE.close).toBe(1009);
  });
});

describe('any header', () => {
  test('that is right is read as it was built, and any first byte gets the same answer however much follows', () => {
    const spec = fc.record({
      fin: fc.boolean(),
      opcode: fc.constantFrom(TEXT, BINARY),
      mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
      claimedLen: fc.oneof(fc.nat(200), fc.nat(70_000), fc.integer({ min: 0, max: K - 1 })),
    });
    fc.assert(
      fc.property(spec, given => {
        const bytes = buildFrame(given);
        const { result, after } = readGrowing(bytes);
        const key = Buffer.from(given.mask).readInt32LE(0);
        expect(result).toEqual({
          fin: given.fin,
          opcode: given.opcode,
          len: given.claimedLen,
          key,
          rsv1: false,
          size: bytes.length,
        });
        expect(after).toBe(bytes.length);
      }),
    );
  });

  test('of any bytes is read, refused or waited for, always the same way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.boolean(), fc.boolean(), (bytes, masked, inMessage) => {
        readGrowing(Buffer.from(bytes), { masked, inMessage });
      }),
    );
  });
});

describe('writing', () => {
  test.each([
    [true, TEXT, 5, '81 05'],
    [false, TEXT, 0, '01 00'],
    [true, CONTINUE, 125, '80 7d'],
    [true, BINARY, 126, '82 7e 00 7e'],
    [true, BINARY, 65_535, '82 7e ff ff'],
    [true, BINARY, 65_536, '82 7f 00 00 00 00 00 01 00 00'],
    [true, CLOSE, 2, '88 02'],
    [true, BINARY, K - 1, '82 7f 00 1f ff ff ff ff ff ff'],
  ])('fin %s, opcode %i, %d bytes', (fin, opcode, len, bytes) => {
    const buf = Buffer.alloc(10);
    expect(buf.subarray(0, writeHeader(buf, 0, fin, opcode, len)).toString('hex')).toBe(bytes.replaceAll(' ', ''));
  });

  test('fault 7: 65,535 bytes have a 16-bit length', () => {
    const buf = Buffer.alloc(10);
    expect(writeHeader(buf, 0, true, BINARY, 65_535)).toBe(4);
  });
});
