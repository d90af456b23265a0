/** Who comes, who talks, who goes: what everybody is told. */
import { describe, expect, test, vi } from 'vitest';
import { connectTo } from '../../../test/support/server.js';
import { CLOSE, closeBody, handshakeRequest, PING, PONG } from '../../../test/support/ws_frames.js';
import { BURST, type ChatEvent, ChatRoom, MESSAGE_MAX, NAME_MAX, PER_SECOND } from '../chat_room.js';
import { CLIENTS_MAX } from '../chat_server.js';
import { type Guest, startChat } from './guest.js';

const hello = (...people: { name: string; said: number }[]) => ({
  type: 'hello',
  people,
  nameMax: NAME_MAX,
  messageMax: MESSAGE_MAX,
});

async function events(guest: Guest, count: number): Promise<unknown[]> {
  const told: unknown[] = [];
  while (told.length < count) told.push(await guest.next());
  return told;
}

describe('who comes', () => {
  test('chooses a name by ?name=, is told who is there, and all are told', async () => {
    const { guest } = await startChat();
    const ada = await guest('Ada');
    expect(await events(ada, 3)).toEqual([
      hello(),
      { type: 'named', name: 'Ada' },
      { type: 'joined', name: 'Ada', here: 1 },
    ]);
    const bob = await guest('Bob');
    expect(await events(bob, 3)).toEqual([
      hello({ name: 'Ada', said: 0 }),
      { type: 'named', name: 'Bob' },
      { type: 'joined', name: 'Bob', here: 2 },
    ]);
    expect(await ada.next()).toEqual({ type: 'joined', name: 'Bob', here: 2 });
  });

  test('chooses a name by the first message, and hears all before that', async () => {
    const { guest, member } = await startChat();
    const silent = await guest();
    expect(await silent.next()).toEqual(hello());
    const ada = await member('Ada');
    ada.say('anybody here?');
    expect(await events(silent, 2)).toEqual([
      { type: 'joined', name: 'Ada', here: 1 },
      { type: 'said', n: 1, name: 'Ada', said: 1, text: 'anybody here?' },
    ]);
    silent.say('Bob').say('I am');
    expect(await events(silent, 3)).toEqual([
      { type: 'named', name: 'Bob' },
      { type: 'joined', name: 'Bob', here: 2 },
      { type: 'said', n: 2, name: 'Bob', said: 1, text: 'I am' },
    ]);
  });

  test.each([
    ['lws-minimal', 'lws-minimal'],
    ['superchat, lws-minimal', 'lws-minimal'],
    ['superchat', undefined],
    [undefined, undefined],
  ])('with the subprotocols %j gets %j, and is welcome', async (offered, chosen) => {
    const { guest } = await startChat();
    const one = await guest('Ada', { path: '/chat', headers: { 'Sec-WebSocket-Protocol': offered } });
    expect(one.ws.response.headers['sec-websocket-protocol']).toBe(chosen);
    expect(await one.next()).toEqual(hello());
  });

  test.each([
    ['Ada', 'Ada'],
    ['  Ada \t of  Lovelace ', 'Ada of Lovelace'],
    ['O’Neil-2 v1.0_x', 'O’Neil-2 v1.0_x'],
    ['Zoe\u0308', 'Zoë'],
    ['李雷', '李雷'],
    ['क्षत्रिय', 'क्षत्रिय'],
    ['عمر', 'عمر'],
    ['x'.repeat(NAME_MAX), 'x'.repeat(NAME_MAX)],
    ['𝒳'.repeat(NAME_MAX), '𝒳'.repeat(NAME_MAX)],
    ['__proto', undefined],
    ['constructor', 'constructor'],
  ])('as %j is called %j', async (wanted, name) => {
    const { guest } = await startChat();
    const one = await guest(wanted);
    await one.next();
    expect(await one.next()).toMatchObject(name === undefined ? { type: 'refused' } : { type: 'named', name });
  });

  test('from a page of another origin is refused with 403; from the same one is let in', async () => {
    const { server, guest } = await startChat();
    const Host = `127.0.0.1:${server.port}`;
    const stranger = await connectTo(server);
    stranger.send(handshakeRequest({ path: '/chat', headers: { Host, Origin: 'http://evil.example' } }));
    expect((await stranger.readResponse()).status).toBe(403);
    const one = await guest(undefined, { path: '/chat', headers: { Host, Origin: `http://${Host}` } });
    expect(await one.next()).toEqual(hello());
  });

  test(`as number ${CLIENTS_MAX + 1} is refused with 503, until somebody leaves`, async () => {
    const { server, room, guest } = await startChat();
    const guests = await Promise.all(Array.from({ length: CLIENTS_MAX }, () => guest()));
    expect(room.open).toBe(CLIENTS_MAX);
    const late = await connectTo(server);
    late.send(handshakeRequest({ path: '/chat' }));
    expect((await late.readResponse()).status).toBe(503);
    guests[0]?.ws.raw.reset();
    await vi.waitFor(() => expect(room.open).toBe(CLIENTS_MAX - 1));
    expect(await (await guest()).next()).toEqual(hello());
  });
});

describe('who talks', () => {
  test('is heard by all, in the same order everywhere, who says it included', async () => {
    const { guest, member } = await startChat();
    const silent = await guest();
    const [ada, bob, eve] = [await member('Ada'), await member('Bob'), await member('Eve')];
    await ada.skipTo('joined');
    for (let i = 0; i < 50; i++) for (const one of [ada, bob, eve]) one.say(`${i}`);
    const heard: string[] = [];
    for (const one of [ada, bob, eve, silent]) {
      const order: string[] = [];
      while (order.length < 150) {
        const { n, name, said, text } = await one.skipTo('said');
        expect(n).toBe(order.length + 1);
        expect(text).toBe(`${said - 1}`);
        order.push(`${name} ${text}`);
      }
      heard.push(order.join());
    }
    expect(new Set(heard).size).toBe(1);
  });

  test('is counted, and who comes later is told so', async () => {
    const { guest, member } = await startChat();
    const ada = await member('Ada');
    ada.say('one').say('two');
    expect([(await ada.skipTo('said')).said, (await ada.skipTo('said')).said]).toEqual([1, 2]);
    expect(await (await guest()).next()).toEqual(hello({ name: 'Ada', said: 2 }));
  });

  test('in fragments is heard as one message', async () => {
    const { member } = await startChat();
    const ada = await member('Ada');
    ada.send({ opcode: 1, fin: false, payload: 'Gr' }, { opcode: PING, payload: 'p' }, { opcode: 0, payload: 'üße' });
    expect((await ada.frame()).opcode).toBe(PONG);
    expect(await ada.next()).toMatchObject({ type: 'said', text: 'Grüße' });
  });

  test('too fast is told so, and heard by nobody, until some time has gone by', async () => {
    let time = 0;
    const { member } = await startChat({ now: () => time });
    const ada = await member('Ada');
    const bob = await member('Bob');
    await ada.next();
    // the name was one
    for (let i = 0; i < BURST - 1; i++) ada.say(`${i}`);
    ada.say('too fast');
    for (let i = 0; i < BURST - 1; i++) expect(await ada.next()).toMatchObject({ type: 'said', text: `${i}` });
    expect(await ada.next()).toMatchObject({ type: 'refused', why: 'too-fast' });
    bob.say('I have time');
    expect(await ada.next()).toMatchObject({ type: 'said', name: 'Bob', n: BURST });
    time += 1000;
    for (let i = 0; i < PER_SECOND + 1; i++) ada.say('later');
    for (let i = 0; i < PER_SECOND; i++) expect(await ada.next()).toMatchObject({ type: 'said', text: 'later' });
    expect(await ada.next()).toMatchObject({ type: 'refused', why: 'too-fast' });
    time += 3_600_000;
    for (let i = 0; i < BURST + 1; i++) ada.say('much later');
    for (let i = 0; i < BURST; i++) expect(await ada.next()).toMatchObject({ type: 'said', text: 'much later' });
    expect(await ada.next()).toMatchObject({ type: 'refused', why: 'too-fast' });
  });
});

describe('who goes', () => {
  test.each<[string, boolean, (one: Guest) => unknown]>([
    ['with a Close frame', false, one => one.send({ opcode: CLOSE, payload: closeBody(1000, 'bye') }).closed(1000)],
    ['with an empty Close frame', false, one => one.send({ opcode: CLOSE }).closed(undefined)],
    ['with FIN and no Close frame', true, one => one.ws.raw.end()],
    ['with a reset', true, one => one.ws.raw.reset()],
    ['in the middle of a frame', true, one => one.ws.raw.send('\x81').end()],
    ['with what is no frame', true, one => one.send(Buffer.from('ffff', 'hex')).closed(1002)],
  ])('%s: all are told once, and the name is free again', async (_how, lost, go) => {
    const { room, member, guest } = await startChat();
    const ada = await member('Ada');
    const bob = await member('Bob');
    await ada.next();
    expect(room.open).toBe(2);
    await go(bob);
    expect(await ada.next()).toEqual({ type: 'left', name: 'Bob', here: 1, lost });
    expect(room.open).toBe(1);
    const again = await guest('bob');
    expect(await again.next()).toEqual(hello({ name: 'Ada', said: 0 }));
    expect(await again.next()).toEqual({ type: 'named', name: 'bob' });
    expect(await ada.next()).toEqual({ type: 'joined', name: 'bob', here: 2 });
  });

  test('without a word is pinged, and told of when nothing comes', async () => {
    const { clock, member } = await startChat();
    const ada = await member('Ada');
    const bob = await member('Bob');
    await ada.next();
    clock.advance(31_000);
    for (const one of [ada, bob]) expect((await one.frame()).opcode).toBe(PING);
    ada.send({ opcode: PONG });
    // what Ada has sent must have come before the time goes on
    ada.say('here');
    await ada.skipTo('said');
    clock.advance(11_000);
    expect(await ada.next()).toEqual({ type: 'left', name: 'Bob', here: 1, lost: true });
    expect((await bob.skipTo('said')).text).toBe('here');
    expect(await bob.ws.closed()).toBe('reset');
  });

  test('while its message is looked at says nothing any more, and leaves no name behind', () => {
    const all: ChatEvent[] = [];
    const room = new ChatRoom(
      event => all.push(event),
      () => 0,
    );
    const ada = room.enter('Ada', () => {});
    const silent = room.enter(undefined, () => {});
    all.length = 0;
    room.leave(ada, true, 'a test');
    room.leave(silent, true, 'a test');
    expect(all.splice(0)).toEqual([{ type: 'left', name: 'Ada', here: 0, lost: true }]);
    room.hear(ada, 'anybody?', () => {});
    room.hear(silent, 'Bob', () => {});
    expect(all).toEqual([]);
    room.enter(undefined, event => expect(event).toEqual(hello()));
  });

  test('before having a name goes unnoticed', async () => {
    const { room, guest, member } = await startChat();
    const ada = await member('Ada');
    const silent = await guest();
    await silent.next();
    silent.ws.raw.reset();
    await vi.waitFor(() => expect(room.open).toBe(1));
    ada.say('alone');
    expect(await ada.next()).toMatchObject({ type: 'said', text: 'alone' });
  });

  test('when the server stops gets Close 1001, and nothing is left behind', async () => {
    const { server, room, guest, member } = await startChat();
    const guests = [await member('Ada'), await member('Bob'), await guest()];
    const stopped = server.stop();
    for (const one of guests) await one.closed(1001, { opcode: CLOSE, payload: closeBody(1001) });
    await stopped;
    expect(room.open).toBe(0);
  });
});
