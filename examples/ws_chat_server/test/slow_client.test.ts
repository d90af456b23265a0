/** A client that stops reading: the room does not wait, and does not remember more for it than its limit. */
import { describe, expect, test, vi } from 'vitest';
import { MESSAGE_MAX } from '../chat_room.js';
import { CHAT_CONFIG } from '../chat_server.js';
import { type Chat, type EventOf, type Guest, startChat } from './guest.js';

/** The longest that an event is: each byte of a message may need another one in JSON. */
const EVENT_MAX = 2 * MESSAGE_MAX + 256;
/** More than the kernel holds for a client that does not read, in messages. */
const MANY = 30_000;
const AT_ONCE = 100;
const PATIENCE = { timeout: 8_000, interval: 5 };

interface Watch {
  /** The most that waited for this session at any time. */
  most: number;
}

/** Looks at what waits for `fd` whenever something has been queued. */
function watch({ server }: Chat, fd: number): Watch {
  const seen = { most: 0 };
  server.on('sentData', data => {
    if (data.fd === fd) seen.most = Math.max(seen.most, server.sessGetTxPending(fd));
  });
  return seen;
}

/** Ada and Bob, who read, and Carl. */
async function three(): Promise<{ chat: Chat; ada: Guest; bob: Guest; carl: Guest; fd: number }> {
  const chat = await startChat();
  const ada = await chat.member('Ada');
  const bob = await chat.member('Bob');
  const before = new Set(chat.server.getClientList());
  const carl = await chat.member('Carl');
  const [fd = -1] = chat.server.getClientList().filter(each => !before.has(each));
  for (const one of [ada, bob]) {
    while ((await one.skipTo('joined')).name !== 'Carl');
  }
  return { chat, ada, bob, carl, fd };
}

const text = (i: number) => `${i} `.padEnd(MESSAGE_MAX, '"');

/** Reads what was said until `count` messages have come; `left` takes who has left meanwhile. */
async function hear(one: Guest, count: number, left: string[]): Promise<EventOf<'said'>[]> {
  const said: EventOf<'said'>[] = [];
  while (said.length < count) {
    const event = await one.next();
    if (event.type === 'said') said.push(event);
    else if (event.type === 'left') left.push(`${event.name} before ${said.length}`);
  }
  return said;
}

describe('a client that stops reading', () => {
  test('is closed at its limit; the others miss nothing, and are told', async () => {
    const { chat, ada, bob, carl, fd } = await three();
    const { server, room } = chat;
    const seen = watch(chat, fd);
    carl.ws.raw.pause();
    let sent = 0;
    const left: [string[], string[]] = [[], []];
    while (left[0].length === 0 && sent < MANY) {
      for (let i = 0; i < AT_ONCE; i++) ada.say(text(sent + i));
      // both hear each message at once, in the same order, while Carl hears nothing
      const [first, second] = await Promise.all([hear(ada, AT_ONCE, left[0]), hear(bob, AT_ONCE, left[1])]);
      expect(first.map(event => [event.n, event.text])).toEqual(
        Array.from({ length: AT_ONCE }, (_, i) => [sent + i + 1, text(sent + i)]),
      );
      expect(second).toEqual(first);
      sent += AT_ONCE;
    }
    expect(left[0]).toEqual([expect.stringContaining('Carl')]);
    expect(left[1]).toEqual(left[0]);
    expect(server.getClientList()).not.toContain(fd);
    expect(seen.most).toBeGreaterThanOrEqual(CHAT_CONFIG.maxTxPending);
    expect(seen.most).toBeLessThanOrEqual(CHAT_CONFIG.maxTxPending + EVENT_MAX);
    await vi.waitFor(() => expect(room.open).toBe(2));
    // the name is free again
    expect(await chat.member('Carl')).toBeDefined();
  });

  test('and begins again has missed nothing, as long as it is below its limit', async () => {
    const { chat, ada, carl, fd } = await three();
    const seen = watch(chat, fd);
    carl.ws.raw.pause();
    const left: string[] = [];
    const enough = CHAT_CONFIG.maxTxPending / 2;
    let sent = 0;
    while (seen.most < enough && sent < MANY) {
      ada.say(text(sent));
      await hear(ada, 1, left);
      sent += 1;
    }
    expect(seen.most).toBeGreaterThanOrEqual(enough);
    const drained = new Promise(resolve => chat.server.once('drain', resolve));
    carl.ws.raw.resume();
    expect((await hear(carl, sent, left)).map(event => event.n)).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
    expect(await drained).toBe(fd);
    carl.say('back again');
    expect(await hear(ada, 1, left)).toMatchObject([{ name: 'Carl', text: 'back again' }]);
    expect(left).toEqual([]);
  });

  test('is not listened to until it reads again: so much as it talks, that fills no queue', async () => {
    const { chat, ada, carl, fd } = await three();
    const seen = watch(chat, fd);
    carl.ws.raw.pause();
    const count = 4_000;
    // what Carl says comes back to him too
    for (let i = 0; i < count; i++) carl.say(text(i));
    await vi.waitFor(() => expect(seen.most).toBeGreaterThan(CHAT_CONFIG.maxTxPending / 2), PATIENCE);
    carl.ws.raw.resume();
    const left: string[] = [];
    const heard = await hear(ada, count, left);
    expect(heard.map(event => event.text)).toEqual(Array.from({ length: count }, (_, i) => text(i)));
    expect(left).toEqual([]);
    expect(seen.most).toBeLessThan(CHAT_CONFIG.maxTxPending);
  });
});
