/** What happens when the examples for Appweb's directives, functions, events and headers are run. */
import { expect } from 'vitest';
import { BINARY, CONTINUE, PING, TEXT } from '../support/ws_frames.js';
import { expectClosed, until } from '../ws/ws_server.js';
import { type Check, hear, keptAlive, leave, onFrame, onRequest, outside, quiet, say, sentAway } from './rig.js';

const BAD_UTF8 = Uint8Array.of(0x61, 0xff);

export const DIRECTIVE_CHECKS: Readonly<Record<string, Check>> = {
  Route: outside(async ({ open }) => {
    await hear(await open({ path: '/websock/chat' }), 'this is /websock/chat');
  }),

  AddFilter: outside(async ({ open }) => {
    await say(await open({ path: '/websock/echo' }), 'hello', 'hello');
  }),

  AddHandler: outside(async ({ open }) => {
    await say(await open({ path: '/websock/echo' }), 'hello', 'hello');
    await say(await open({ path: '/websock/test' }), 'hello', 'this is a test');
  }),

  WebSocketsProtocol: outside(async ({ open }) => {
    const chat = await open({ headers: { 'Sec-WebSocket-Protocol': 'better-chat, chat' } });
    expect(chat.response.headers['sec-websocket-protocol']).toBe('chat');
    const other = await open({ headers: { 'Sec-WebSocket-Protocol': 'better-chat' } });
    expect(other.response.headers).not.toHaveProperty('sec-websocket-protocol');
  }),

  WebSocketsPing: outside(async ({ open, clock }) => {
    const client = await open();
    clock.advance(59_000);
    await quiet(client);
    clock.advance(59_000);
    await quiet(client);
    clock.advance(61_000);
    expect(await client.readFrame()).toMatchObject({ opcode: PING });
  }),

  InactivityTimeout: outside(async ({ open, clock }) => {
    const client = await open();
    await keptAlive(client, clock, 290);
    await say(client, 'data counts', 'data counts');
    await keptAlive(client, clock, 290);
    await quiet(client);
    // for all the Pings
    clock.advance(12_000);
    await sentAway(client, 1008);
  }),

  RequestTimeout: outside(async ({ open, clock }) => {
    const client = await open();
    await keptAlive(client, clock, 7_175);
    await say(client, 'still there', 'still there');
    clock.advance(27_000);
    await sentAway(client, 1008);
  }),

  LimitWebSockets: outside(async ({ open, openFd, handshake, server }) => {
    const { client, fd } = await openFd();
    await open();
    expect((await handshake()).status).toBe(503);
    await leave(client, 1000);
    await until(() => expect(server.getClientList()).not.toContain(fd));
    expect((await handshake()).status).toBe(101);
  }),

  LimitWebSocketsFrame: outside(async ({ open }) => {
    const client = await open();
    client.send({ opcode: BINARY, payload: Buffer.alloc(4096) });
    for (let i = 0; i < 4; i++) expect((await client.readFrame()).payload).toHaveLength(1024);
    client.send({ opcode: BINARY, payload: Buffer.alloc(4097) });
    await expectClosed(client, 1009);
  }),

  LimitWebSocketsMessage: outside(async ({ open }) => {
    const client = await open();
    const half = Buffer.alloc(32_768);
    client.send({ opcode: BINARY, fin: false, payload: half }, { opcode: CONTINUE, payload: half });
    for (let i = 0; i < 2; i++) expect((await client.readFrame()).payload).toHaveLength(32_768);
    client.send({ opcode: BINARY, fin: false, payload: half });
    expect((await client.readFrame()).payload).toHaveLength(32_768);
    client.send({ opcode: CONTINUE, payload: Buffer.alloc(32_769) });
    await expectClosed(client, 1009);
  }),

  LimitWebSocketsPacket: outside(async ({ open }) => {
    const client = await open();
    client.send({ opcode: BINARY, payload: Buffer.alloc(20_000) });
    for (const len of [8192, 8192, 3616]) expect((await client.readFrame()).payload).toHaveLength(len);
  }),

  IgnoreEncodingErrors: outside(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT, payload: BAD_UTF8 });
    expect((await client.readFrame()).payload).toEqual(Buffer.from(BAD_UTF8));
  }),
};

export const APPWEB_API_CHECKS: Readonly<Record<string, Check>> = {
  httpSetConnNotifier: outside(async ({ openFd, lines }) => {
    const [one, other] = [await openFd(), await openFd()];
    one.client.send({ opcode: TEXT });
    await leave(one.client, 1000);
    await until(() => expect(lines).toEqual([`readable ${one.fd}`, `close ${one.fd}`]));
    other.client.raw.reset();
    await until(() => expect(lines[2]).toBe(`error ${other.fd}`));
  }),

  HTTP_EVENT_READABLE: onFrame(async ({ open, lines }) => {
    (await open()).send({ opcode: TEXT, payload: 'grüß Gott' });
    await until(() => expect(lines).toEqual(['Message grüß Gott']));
  }),

  HTTP_EVENT_APP_CLOSE: outside(async ({ openFd, lines }) => {
    const { client, fd } = await openFd();
    await leave(client, 4000);
    await until(() => expect(lines).toEqual([`${fd} was closed with 4000`]));
  }),

  HTTP_EVENT_ERROR: outside(async ({ open, lines }) => {
    await leave(await open(), 1000);
    await until(() => expect(lines).toEqual(['as it should']));
    (await open()).raw.end();
    await until(() => expect(lines[1]).toBe('the peer left without a Close frame'));
  }),

  httpGetReadCount: onFrame(async ({ open, lines }) => {
    (await open()).send({ opcode: BINARY, payload: Buffer.alloc(3000) });
    await until(() => expect(lines).toEqual(['3000 bytes to read']));
  }),

  httpRead: onFrame(async ({ open, lines }) => {
    (await open()).send({ opcode: BINARY, payload: Buffer.alloc(3000) });
    await until(() => expect(lines).toEqual(['1976 bytes are left for further calls']));
  }),

  httpSend: onFrame(async ({ open }) => {
    await say(await open(), 'x', /^Reply message at \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  }),

  httpSendBlock: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    expect(await client.readFrame()).toMatchObject({ opcode: BINARY, payload: Buffer.of(1, 2, 3) });
  }),

  httpSendClose: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    expect(await sentAway(client, 1000)).toBe('that is all');
  }),

  httpGetWebSocketCloseReason: outside(async ({ open, lines }) => {
    await leave(await open(), 1000, 'had enough');
    await until(() => expect(lines).toEqual(['had enough']));
    (await open()).raw.reset();
    await until(() => expect(lines[1]).toBe('no reason'));
  }),

  httpWebSocketOrderlyClosed: outside(async ({ open, lines }) => {
    await leave(await open(), 1000);
    await until(() => expect(lines).toEqual(['orderly: true']));
    (await open()).raw.reset();
    await until(() => expect(lines[1]).toBe('orderly: false'));
  }),

  httpGetWebSocketProtocol: outside(async ({ open, lines }) => {
    await open({ headers: { 'Sec-WebSocket-Protocol': 'chat, better-chat' } });
    expect(lines).toEqual(['chosen: better-chat']);
  }),

  dontAutoFinalize: onRequest(async ({ request }) => {
    expect((await request()).text).toBe('at last');
  }),

  'X-Inactivity-Timeout': outside(async ({ open, clock }) => {
    const client = await open();
    expect(client.response.headers['x-inactivity-timeout']).toBe('600');
    await keptAlive(client, clock, 575);
    await quiet(client);
    clock.advance(27_000);
    await sentAway(client, 1008);
  }),
};
