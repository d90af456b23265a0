import { describe, expect, test } from 'vitest';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { pieces } from '../support/feed.js';
import { BINARY, buildFrame, CONTINUE, PING, TEXT } from '../support/ws_frames.js';
import { collector, expectClosed, onFrame, startWs, until } from './ws_server.js';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

const RIGHT: [string, Buffer][] = [
  ['empty text', Buffer.alloc(0)],
  ['ASCII with NUL and DEL', latin1('a\x00b\x7f')],
  ['the first and last of two bytes', latin1('\xc2\x80\xdf\xbf')],
  ['the first and last of three bytes', latin1('\xe0\xa0\x80\xef\xbf\xbf')],
  ['the first and last of four bytes', latin1('\xf0\x90\x80\x80\xf4\x8f\xbf\xbf')],
  ['those around the surrogates', latin1('\xed\x9f\xbf\xee\x80\x80')],
  ['a byte order mark', latin1('\xef\xbb\xbfx')],
  ['a greeting', Buffer.from('Hello-µ@ßöäüàá-UTF-8!! 😀')],
];

const WRONG: [string, Buffer][] = [
  ['a lone continuation byte', latin1('a\x80')],
  ['a byte that is never right, FF', latin1('a\xff')],
  ['a byte that is never right, FE', latin1('\xfe')],
  ['a byte that is never right, F5', latin1('\xf5\x80\x80\x80')],
  ['an overlong NUL', latin1('\xc0\x80')],
  ['an overlong slash', latin1('\xc1\xaf')],
  ['an overlong form of three bytes', latin1('\xe0\x9f\xbf')],
  ['an overlong form of four bytes', latin1('\xf0\x8f\xbf\xbf')],
  ['the first surrogate', latin1('\xed\xa0\x80')],
  ['the last surrogate', latin1('\xed\xbf\xbf')],
  ['above U+10FFFF', latin1('\xf4\x90\x80\x80')],
  ['a character cut short by another', latin1('\xe2\x82a')],
  ['a character cut short by the end, 1 of 2', latin1('a\xc3')],
  ['a character cut short by the end, 2 of 3', latin1('a\xe2\x82')],
  ['a character cut short by the end, 3 of 4', latin1('a\xf0\x9f\x98')],
];

describe('a text message', () => {
  test.each(RIGHT)('that is UTF-8 comes back: %s', async (_name, payload) => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: TEXT, payload });
    expect((await ws.readFrame()).payload.toString('hex')).toBe(payload.toString('hex'));
  });

  test.each(WRONG)('that is not UTF-8 ends with 1007, and its handler does not see it: %s', async (_name, payload) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'before' }, { opcode: TEXT, payload }, { opcode: TEXT, payload: 'behind' });
    await expectClosed(ws, 1007);
    expect(seen.map(frame => frame.payload.toString())).toEqual(['before']);
  });

  test.each(WRONG)('that is not UTF-8 in its middle ends with 1007: %s', async (_name, bytes) => {
    const { open } = await startWs();
    // long enough for Node's own check, in one frame that comes whole and in one that comes in two pieces
    const payload = Buffer.concat([Buffer.alloc(300, 0x61), bytes, Buffer.alloc(300, 0x62)]);
    for (const cut of [0, 100]) {
      const ws = await open();
      const frame = buildFrame({ opcode: TEXT, payload });
      await ws.raw.sendPieces(cut === 0 ? [frame] : [frame.subarray(0, cut), frame.subarray(cut)]);
      await expectClosed(ws, 1007);
    }
  });

  test('in fragments cut inside a character is right', async () => {
    const text = Buffer.from('aµ€😀z');
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    for (let at = 1; at < text.length; at++) {
      const ws = await open();
      seen.length = 0;
      ws.send(
        { opcode: TEXT, payload: text.subarray(0, at), fin: false },
        { opcode: PING, payload: 'p' },
        { opcode: CONTINUE, payload: text.subarray(at) },
      );
      expect((await ws.readFrame()).text).toBe('p');
      await until(() => expect(seen).toHaveLength(2));
      expect(Buffer.concat(seen.map(({ payload }) => payload)).toString()).toBe('aµ€😀z');
    }
  });

  test('in fragments of one byte, with empty ones among them, is right', async () => {
    const text = Buffer.from('µ€😀');
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, fin: false });
    for (const byte of text)
      ws.send({ opcode: CONTINUE, payload: Buffer.of(byte), fin: false }, { opcode: CONTINUE, fin: false });
    ws.send({ opcode: CONTINUE });
    await until(() => expect(seen.at(-1)?.final).toBe(true));
    expect(Buffer.concat(seen.map(({ payload }) => payload)).toString()).toBe('µ€😀');
  });

  test.each<[string, Buffer[]]>([
    ['at its end, in the last fragment', [latin1('a\xe2'), latin1('\x82')]],
    ['at its end, in an empty last fragment', [latin1('a\xe2\x82'), Buffer.alloc(0)]],
    ['at the start of a fragment', [latin1('a'), latin1('\x80b')]],
    ['across two fragments', [latin1('a\xe2'), latin1('b')]],
    ['across three fragments', [latin1('\xf0'), latin1('\x9f'), latin1('\x98a')]],
    ['by a surrogate across fragments', [latin1('\xed'), latin1('\xa0\x80')]],
    ['by an overlong form across fragments', [latin1('\xe0'), latin1('\x9f\xbf')]],
  ])('in fragments that is wrong %s ends with 1007', async (_name, parts) => {
    const { open } = await startWs({ handler: () => {} });
    const ws = await open();
    for (const [i, payload] of parts.entries()) {
      ws.send({ opcode: i === 0 ? TEXT : CONTINUE, payload, fin: i === parts.length - 1 });
    }
    await expectClosed(ws, 1007);
  });

  test('is refused before it is complete, as soon as it shows that it is wrong', async () => {
    const { open } = await startWs();
    const ws = await open();
    const frame = buildFrame({ opcode: TEXT, payload: Buffer.concat([latin1('ab\xff'), Buffer.alloc(1_000)]) });
    ws.send(frame.subarray(0, 8 + 3));
    await expectClosed(ws, 1007);
  });

  test('does not inherit half a character from the one before', async () => {
    const { open } = await startWs({ handler: () => {} });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'a€' }, { opcode: TEXT, payload: latin1('\x82') });
    await expectClosed(ws, 1007);
  });
});

test('what a handler has left of a text, cut inside a character, says nothing about what follows', async () => {
  const texts: string[] = [];
  const handler = onFrame(async req => {
    const pkt = wsFrame();
    await req.wsRecvFramePart(pkt, 1_000);
    texts.push(Buffer.from(pkt.payload as Uint8Array).toString('latin1'));
  });
  const { open } = await startWs({ handler });
  const ws = await open();
  // 1,000 bytes end inside of a character
  ws.send({ opcode: TEXT, payload: '€'.repeat(10_000) }, { opcode: TEXT, payload: 'next' });
  await until(() => expect(texts).toHaveLength(2));
  expect(texts[1]).toBe('next');
  // nor about the fragments behind it
  ws.send({ opcode: TEXT, payload: '€'.repeat(10_000), fin: false }, { opcode: CONTINUE, payload: 'end' });
  await until(() => expect(texts).toHaveLength(4));
  ws.send({ opcode: TEXT, payload: 'more' });
  await until(() => expect(texts.slice(3)).toEqual(['end', 'more']));
});

describe('a text frame above 16 KiB, received while it arrives,', () => {
  const good = Buffer.from('€'.repeat(10_000));

  function start(read: 'whole' | 'parts') {
    const outcomes: string[] = [];
    const handler = onFrame(async req => {
      const pkt = wsFrame({ payload: new Uint8Array(40_000) });
      try {
        if (read === 'whole') await req.wsRecvFrame(pkt, 40_000);
        else
          do await req.wsRecvFramePart(pkt, 1_001);
          while (pkt.leftLen > 0);
        outcomes.push('received');
      } catch (error) {
        outcomes.push((error as Error).name);
        throw error;
      }
    });
    return startWs({ handler }).then(ws => ({ ...ws, outcomes }));
  }

  test.each(['whole', 'parts'] as const)('in pieces cut inside characters is right, read in %s', async read => {
    const { open, outcomes } = await start(read);
    const ws = await open();
    await ws.raw.sendPieces(pieces(buildFrame({ opcode: TEXT, payload: good }), [7_001, 1, 10_000]));
    await until(() => expect(outcomes).toEqual(['received']));
    ws.send({ opcode: PING, payload: 'still here' });
    expect((await ws.readFrame()).text).toBe('still here');
  });

  test.each(['whole', 'parts'] as const)(
    'that is wrong ends with 1007 and fails its reader, read in %s',
    async read => {
      for (const at of [0, 1, 12_000, 29_999]) {
        const { open, outcomes } = await start(read);
        const ws = await open();
        const payload = Buffer.from(good);
        payload[at] = 0xff;
        ws.send({ opcode: TEXT, payload });
        await expectClosed(ws, 1007);
        await until(() => expect(outcomes).toEqual(['ESP_FAIL']));
      }
    },
  );

  test('that ends inside a character ends with 1007', async () => {
    const { open } = await start('whole');
    const ws = await open();
    ws.send({ opcode: TEXT, payload: good.subarray(0, -1) });
    await expectClosed(ws, 1007);
  });

  test('may end inside a character if it is not the last fragment', async () => {
    const { open, outcomes } = await start('whole');
    const ws = await open();
    ws.send(
      { opcode: TEXT, payload: good.subarray(0, -1), fin: false },
      { opcode: CONTINUE, payload: good.subarray(-1) },
    );
    await until(() => expect(outcomes).toEqual(['received', 'received']));
  });
});

test.each(WRONG)('a binary message may hold anything: %s', async (_name, payload) => {
  const { open } = await startWs();
  const ws = await open();
  ws.send({ opcode: BINARY, payload }, { opcode: BINARY, payload, fin: false }, { opcode: CONTINUE, payload });
  for (let i = 0; i < 3; i++) expect((await ws.readFrame()).payload.toString('hex')).toBe(payload.toString('hex'));
});
