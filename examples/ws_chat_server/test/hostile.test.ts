/** Those who mean no good: what the room refuses, and that it goes on. */
import { describe, expect, test } from 'vitest';
import { BINARY, CLOSE, closeBody, type FrameSpec, TEXT } from '../../../test/support/ws_frames.js';
import { MESSAGE_MAX, NAME_MAX } from '../chat_room.js';
import { startChat } from './guest.js';

const half = MESSAGE_MAX / 2;

describe('a message', () => {
  test.each<[string, number, FrameSpec[]]>([
    ['that is too long', 1009, [{ opcode: TEXT, payload: 'x'.repeat(MESSAGE_MAX + 1) }]],
    ['that announces to be too long', 1009, [{ opcode: TEXT, claimedLen: 2n ** 62n }]],
    [
      'that is too long in all, before it ends,',
      1009,
      [
        { opcode: TEXT, payload: 'x'.repeat(half), fin: false },
        { opcode: 0, payload: 'x'.repeat(half + 1), fin: false },
      ],
    ],
    ['that is not UTF-8', 1007, [{ opcode: TEXT, payload: Buffer.from([0x61, 0xc3, 0x28]) }]],
    ['of bytes', 1003, [{ opcode: BINARY, payload: 'x' }]],
    ['that is not masked', 1002, [{ opcode: TEXT, payload: 'x', mask: false }]],
  ])('%s ends its connection with %i; all are told, and nobody sees it', async (_what, code, frames) => {
    const { member } = await startChat();
    const ada = await member('Ada');
    const bob = await member('Bob');
    await ada.next();
    bob.send(...frames);
    await bob.closed(code, { opcode: CLOSE, payload: closeBody(code) });
    expect(await ada.next()).toMatchObject({ type: 'left', name: 'Bob', here: 1 });
    ada.say('still here');
    expect(await ada.next()).toMatchObject({ type: 'said', n: 1, text: 'still here' });
  });

  test('of the longest length, with every character that JSON must escape, is heard', async () => {
    const { member } = await startChat();
    const ada = await member('Ada');
    for (const text of ['"'.repeat(MESSAGE_MAX), '\\'.repeat(MESSAGE_MAX), '\u00e9'.repeat(half)]) {
      ada.say(text);
      expect(await ada.next()).toMatchObject({ type: 'said', text });
    }
  });

  test.each([
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['"},{"type":"left","name":"Ada"', '"},{"type":"left","name":"Ada"'],
    ['a\n\n\n\r\n\tb', 'a b'],
    ['\u001b[2J\u0007red\u009b31m', '[2J red 31m'],
    ['a\u2028b\u2029c\u0085d', 'a b c d'],
    ['a\u0000b', 'a b'],
  ])('%j is told as %j: as text, on one line', async (text, told) => {
    const { member } = await startChat();
    const ada = await member('Ada');
    ada.say(text);
    expect(await ada.next()).toEqual({ type: 'said', n: 1, name: 'Ada', said: 1, text: told });
  });

  test.each(['', '  ', '\n\u0000\t'])('%j says nothing, and nobody is told', async text => {
    const { member } = await startChat();
    const ada = await member('Ada');
    ada.say(text).say('.');
    expect(await ada.next()).toMatchObject({ n: 1, text: '.' });
  });
});

describe('a name', () => {
  test.each([
    ['<script>alert(1)</script>'],
    ['<b>Ada</b>'],
    ['x'.repeat(NAME_MAX + 1)],
    ['x'.repeat(MESSAGE_MAX)],
    ['-dash'],
    [' \u00a0 '],
    ['Ada\u202eadA'],
    ['A\u200bda'],
    ['\u3164'],
    ['\u2800'],
    ['Ada\ufffd'],
    [`Z${'\u0301'.repeat(9)}`],
    ['\u0301Ada'],
    ['🦄'],
    ['{"type":"named"}'],
  ])('%j is refused in words, and another one can be chosen', async name => {
    const { guest, member } = await startChat();
    const ada = await member('Ada');
    const one = await guest();
    await one.next();
    one.say(name).say('Bob');
    expect(await one.next()).toMatchObject({ type: 'refused', why: 'name-odd', text: expect.stringContaining('24') });
    expect(await one.next()).toEqual({ type: 'named', name: 'Bob' });
    expect(await ada.next()).toEqual({ type: 'joined', name: 'Bob', here: 2 });
    const byQuery = await guest(name);
    await byQuery.next();
    expect(await byQuery.next()).toMatchObject({ type: 'refused', why: 'name-odd' });
  });

  test.each(['%', '%ff', '%c3%28', '%00', '%u0041', '&', 'a'.repeat(4000)])(
    'that the query has as %.9s is refused or none, and harms nobody',
    async query => {
      const { guest } = await startChat();
      const one = await guest(undefined, { path: `/chat?name=${query}` });
      await one.next();
      one.say('Ada');
      expect(await one.skipTo('named')).toEqual({ type: 'named', name: 'Ada' });
    },
  );

  test.each(['Ada', 'ADA', ' ada ', 'Ａｄａ'])('%j is taken when Ada is there', async name => {
    const { guest, member } = await startChat();
    const ada = await member('Ada');
    const one = await guest(name);
    await one.next();
    expect(await one.next()).toMatchObject({ type: 'refused', why: 'name-taken' });
    ada.say('it is me');
    expect(await one.next()).toMatchObject({ type: 'said', name: 'Ada' });
  });

  test('that two ask for at once goes to one of them', async () => {
    const { guest } = await startChat();
    const guests = await Promise.all(Array.from({ length: 8 }, () => guest('Ada')));
    const got: string[] = [];
    for (const one of guests) {
      let event = await one.next();
      while (event.type !== 'named' && event.type !== 'refused') event = await one.next();
      got.push(event.type);
    }
    expect(got.sort()).toEqual(['named', ...Array(7).fill('refused')]);
  });
});
