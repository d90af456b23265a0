/** Queries as tables of bytes. Hex; a quoted part is a label, with its length before it. */
import { describe, expect, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { ANS_TTL_SEC, answerDns, GROWTH_MAX, QUERY_MAX } from '../dns.js';

const ADDRESS = Uint8Array.of(192, 168, 4, 1);

/** `'com' 00` is `03 63 6f 6d 00`. */
function bytes(text: string): Buffer {
  const hex = text.replace(/'([^']*)'/g, (_, label: string) =>
    Buffer.from(`${String.fromCharCode(label.length)}${label}`).toString('hex'),
  );
  return Buffer.from(hex.replace(/\s/g, ''), 'hex');
}

const answer = (query: Uint8Array) => {
  const reply = answerDns(query, ADDRESS);
  return reply === undefined ? undefined : Buffer.from(reply).toString('hex');
};
const hex = (text: string) => bytes(text).toString('hex');

/** id, flags, and how many questions, answers, authorities and additional records there are. */
const HEAD = 'abcd 0100 0001 0000 0000 0000';
const HEAD_OPT = 'abcd 0100 0001 0000 0000 0001';
const NAME = "'www' 'example' 'com' 00";
const A_IN = '0001 0001';
/** OPT: the root's name, type, size, extended RCODE, version, flags, length. */
const OPT = '00 0029 04d0 00 00 0000 0000';
const RECORD = `c00c ${A_IN} 0000012c 0004 c0a80401`;

describe.skipIf(ELSEWHERE)('a question', () => {
  test.each([
    [
      'for an A record gets the address',
      `${HEAD} ${NAME} ${A_IN}`,
      `abcd 8580 0001 0001 0000 0000 ${NAME} ${A_IN} ${RECORD}`,
    ],
    [
      'keeps its letters as they are',
      `${HEAD} 'wWw' 'ExAmPlE' 00 ${A_IN}`,
      `abcd 8580 0001 0001 0000 0000 'wWw' 'ExAmPlE' 00 ${A_IN} ${RECORD}`,
    ],
    [
      'that wants no recursion is told so',
      `0001 0000 0001 0000 0000 0000 'x' 00 ${A_IN}`,
      `0001 8480 0001 0001 0000 0000 'x' 00 ${A_IN} ${RECORD}`,
    ],
    [
      'keeps CD, and loses AD and Z',
      `0001 0170 0001 0000 0000 0000 'x' 00 ${A_IN}`,
      `0001 8590 0001 0001 0000 0000 'x' 00 ${A_IN} ${RECORD}`,
    ],
    ['for the root gets the address too', `${HEAD} 00 ${A_IN}`, `abcd 8580 0001 0001 0000 0000 00 ${A_IN} ${RECORD}`],
    [
      'with EDNS gets an answer with EDNS',
      `${HEAD_OPT} ${NAME} ${A_IN} ${OPT}`,
      `abcd 8580 0001 0001 0000 0001 ${NAME} ${A_IN} ${RECORD} ${OPT}`,
    ],
    [
      'with a cookie and padding gets neither',
      `${HEAD_OPT} ${NAME} ${A_IN} 00 0029 1000 00 00 8000 0014 000a 0008 0102030405060708 000c 0004 00000000`,
      `abcd 8580 0001 0001 0000 0001 ${NAME} ${A_IN} ${RECORD} ${OPT}`,
    ],
    [
      'with EDNS version 1 gets BADVERS',
      `${HEAD_OPT} 'x' 00 ${A_IN} 00 0029 04d0 00 01 0000 0000`,
      `abcd 8580 0001 0000 0000 0001 'x' 00 ${A_IN} 00 0029 04d0 01 00 0000 0000`,
    ],
    [
      'with another additional record, its name a pointer, is answered',
      `${HEAD_OPT} 'x' 00 ${A_IN} c00c 0010 0001 00000000 0001 00`,
      `abcd 8580 0001 0001 0000 0000 'x' 00 ${A_IN} ${RECORD}`,
    ],
    [
      'with a pointer to itself in an additional record is answered',
      `${HEAD_OPT} 'x' 00 ${A_IN} c013 0010 0001 00000000 0000`,
      `abcd 8580 0001 0001 0000 0000 'x' 00 ${A_IN} ${RECORD}`,
    ],
  ])('%s', (_what, query, expected) => {
    expect(answer(bytes(query))).toBe(hex(expected));
  });

  test.each([
    ['AAAA', '001c 0001'],
    ['HTTPS', '0041 0001'],
    ['TXT', '0010 0001'],
    ['ANY', '00ff 0001'],
    ['AXFR', '00fc 0001'],
    ['PTR', '000c 0001'],
    ['type 0', '0000 0001'],
    ['type 65535', 'ffff 0001'],
    ['A of class CH', '0001 0003'],
    ['A of any class', '0001 00ff'],
  ])('of %s gets an empty answer', (_what, asked) => {
    const empty = `abcd 8580 0001 0000 0000 0000 ${NAME} ${asked}`;
    expect(answer(bytes(`${HEAD} ${NAME} ${asked}`))).toBe(hex(empty));
  });

  test('may be as long as a name can be, and not longer', () => {
    const name = (last: number) => `${`'${'a'.repeat(63)}'`.repeat(3)}'${'b'.repeat(last)}' 00`;
    const longest = bytes(`${HEAD} ${name(61)} ${A_IN}`);
    expect(longest.length).toBe(12 + 255 + 4);
    expect(answer(longest)).toBe(hex(`abcd 8580 0001 0001 0000 0000 ${name(61)} ${A_IN} ${RECORD}`));
    expect(answer(bytes(`${HEAD} ${name(62)} ${A_IN}`))).toBe(hex('abcd 8101 0000 0000 0000 0000'));
  });

  test('is not written to, and may lie anywhere in its buffer', () => {
    const query = bytes(`${HEAD} ${NAME} ${A_IN}`);
    const within = Buffer.concat([Buffer.alloc(5, 0xff), query, Buffer.alloc(5, 0xff)]).subarray(5, 5 + query.length);
    expect(answer(within)).toBe(answer(query));
    expect(within).toEqual(query);
    expect(ANS_TTL_SEC).toBe(0x12c);
  });
});

describe.skipIf(ELSEWHERE)('what is no query', () => {
  test.each([
    ['nothing', ''],
    ['half a header', 'abcd 0100 0001'],
    ['a header but for a byte', HEAD.replace(/ ....$/, ' 00')],
    ['a response', `abcd 8180 0001 0000 0000 0000 ${NAME} ${A_IN}`],
    ['a response that says FORMERR', 'abcd 8101 0000 0000 0000 0000'],
    ['a response of another opcode', `abcd a800 0001 0000 0000 0000 ${NAME} ${A_IN}`],
    ['a packet that is too long', `${HEAD} ${NAME} ${A_IN}${'00'.repeat(QUERY_MAX)}`],
  ])('%s: is not answered', (_what, packet) => {
    expect(answer(bytes(packet))).toBeUndefined();
  });

  test.each([
    ['a server status request', `abcd 1000 0001 0000 0000 0000 ${NAME} ${A_IN}`, 'abcd 9004 0000 0000 0000 0000'],
    ['a notification', `abcd 2100 0001 0000 0000 0000 ${NAME} ${A_IN}`, 'abcd a104 0000 0000 0000 0000'],
    ['an update', `abcd 2800 0001 0000 0000 0000 ${NAME} 0006 0001`, 'abcd a804 0000 0000 0000 0000'],
    ['opcode 15', 'abcd 7800 0000 0000 0000 0000', 'abcd f804 0000 0000 0000 0000'],
  ])('%s: is not implemented', (_what, packet, expected) => {
    expect(answer(bytes(packet))).toBe(hex(expected));
  });

  test.each([
    ['no question', 'abcd 0100 0000 0000 0000 0000'],
    ['a question that is announced and not there', HEAD],
    ['two questions (RFC 9619)', `abcd 0100 0002 0000 0000 0000 ${NAME} ${A_IN} 'y' 00 ${A_IN}`],
    ['65,535 questions announced', `abcd 0100 ffff 0000 0000 0000 ${NAME} ${A_IN}`],
    ['an answer announced', `abcd 0100 0001 0001 0000 0000 ${NAME} ${A_IN}`],
    ['an answer', `abcd 0100 0001 0001 0000 0000 ${NAME} ${A_IN} ${RECORD}`],
    ['an authority', `abcd 0100 0001 0000 0001 0000 ${NAME} ${A_IN} ${RECORD}`],
    ['65,535 additional records announced', `abcd 0100 0001 0000 0000 ffff ${NAME} ${A_IN} ${OPT}`],
    ['a label without its letters', `${HEAD} 07 6578`],
    ['a name without its end', `${HEAD} 'www' 'example'`],
    ['a name without a type', `${HEAD} ${NAME}`],
    ['half a type', `${HEAD} ${NAME} 0001 00`],
    ['a label that reaches over the type', `${HEAD} 05 00 ${A_IN}`],
    ['a pointer to itself', `${HEAD} c00c ${A_IN}`],
    ['a pointer to the header', `${HEAD} c000 ${A_IN}`],
    ['a label, then a pointer back to it', `${HEAD} 'www' c00c ${A_IN}`],
    ['a pointer out of the packet', `${HEAD} ffff ${A_IN}`],
    ['half a pointer', `${HEAD} c0`],
    ['a label of a reserved kind', `${HEAD} 41 00 ${A_IN}`],
    ['a label of another reserved kind', `${HEAD} 80 00 ${A_IN}`],
    ['something behind the question', `${HEAD} ${NAME} ${A_IN} 00`],
    ['something behind EDNS', `${HEAD_OPT} ${NAME} ${A_IN} ${OPT} 00`],
    ['EDNS that is not announced', `${HEAD} ${NAME} ${A_IN} ${OPT}`],
    ['EDNS cut short', `${HEAD_OPT} ${NAME} ${A_IN} ${OPT.slice(0, -3)}`],
    ['EDNS with options that are not there', `${HEAD_OPT} ${NAME} ${A_IN} ${OPT.slice(0, -4)} ffff`],
    ['EDNS twice', `abcd 0100 0001 0000 0000 0002 ${NAME} ${A_IN} ${OPT} ${OPT}`],
    ['EDNS with a name', `${HEAD_OPT} ${NAME} ${A_IN} 'x' ${OPT}`],
    ['half a pointer in an additional record', `${HEAD_OPT} ${NAME} ${A_IN} c0`],
  ])('%s: is refused with a bare header', (_what, packet) => {
    expect(answer(bytes(packet))).toBe(hex('abcd 8101 0000 0000 0000 0000'));
  });
});

describe.skipIf(ELSEWHERE)('whatever comes', () => {
  /** Pseudo-random bytes, the same in each run (mulberry32). */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  const check = (packet: Uint8Array) => {
    const reply = answerDns(packet, ADDRESS);
    if (reply === undefined) return;
    expect(reply.length).toBeLessThanOrEqual(packet.length + GROWTH_MAX);
    // an answer is a response, to this query, and nothing that would be answered
    expect([reply[0], reply[1], (reply[2] ?? 0) & 0x80]).toEqual([packet[0], packet[1], 0x80]);
    expect(answerDns(reply, ADDRESS)).toBeUndefined();
  };

  const QUERIES = [
    `${HEAD} ${NAME} ${A_IN}`,
    `${HEAD_OPT} ${NAME} ${A_IN} ${OPT}`,
    `${HEAD_OPT} 'x' 00 ${A_IN} ${OPT}`,
  ];

  test.each(QUERIES)('the answer is bounded: each beginning of %s, and each with one byte changed', text => {
    const query = bytes(text);
    for (let end = 0; end <= query.length; end++) check(query.subarray(0, end));
    for (let at = 0; at < query.length; at++) {
      for (const value of [0, 1, 2, 0x29, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xc1, 0xff]) {
        const odd = Buffer.from(query);
        odd[at] = value;
        check(odd);
      }
    }
  });

  test('the answer is bounded: noise', () => {
    const next = random(1);
    for (let i = 0; i < 2000; i++) {
      const packet = Uint8Array.from({ length: Math.floor(next() * 80) }, () => Math.floor(next() * 256));
      // half of them with a head that gets them further
      if (i % 2 === 0) packet.set(bytes(HEAD_OPT).subarray(0, packet.length));
      check(packet);
    }
  });
});
