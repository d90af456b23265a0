/** What happens when the examples for libwebsockets' structs and functions are run. */
import { constants, inflateRawSync } from 'node:zlib';
import { expect } from 'vitest';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, CONTINUE, PING, type ServerFrame, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { expectClosed, until } from '../ws/ws_server.js';
import { byHand, type Check, hear, onFrame, onRequest, outside, quiet, say } from './rig.js';

export const LWS_API_CHECKS: Readonly<Record<string, Check>> = {
  lws_create_context: outside(async ({ server, open, lines }) => {
    expect(lines).toEqual([`listening on port ${server.port}`]);
    await say(await open(), 'hello', 'hello');
  }),

  'info.mounts': outside(async ({ request }) => {
    expect((await request({ path: '/pages/one' })).text).toBe('what is to be seen at /pages/one');
    expect((await request({ path: '/page' })).status).toBe(404);
  }),

  'info.extensions': outside(async ({ open }) => {
    const client = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
    expect(client.response.headers['sec-websocket-extensions']).toMatch(/^permessage-deflate/);
    await say(client, 'x'.repeat(63), 'x'.repeat(63));
    client.send({ opcode: TEXT, payload: 'x'.repeat(640) });
    const { rsv, payload } = await client.readFrame();
    expect(rsv).toBe(4);
    const message = inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH });
    expect(message.toString()).toBe('x'.repeat(640));
  }),

  secs_since_valid_ping: outside(async ({ open, clock }) => {
    const client = await open();
    clock.advance(29_000);
    await quiet(client);
    clock.advance(29_000);
    await quiet(client);
    clock.advance(31_000);
    expect(await client.readFrame()).toMatchObject({ opcode: PING });
    clock.advance(11_000);
    expect(await client.closed()).toBe('reset');
  }),

  lws_service: outside(async ({ server, lines }) => {
    await until(() => expect(lines).toHaveLength(2));
    expect([...lines].sort()).toEqual(['others use the loop too', 'stopped']);
    expect(server.port).toBe(0);
  }),

  'lws_protocols.name': outside(async ({ open }) => {
    expect(await chosen(open, 'chat, chat.v2')).toBe('chat.v2');
    expect(await chosen(open, 'chat.v3, chat')).toBe('chat');
    expect(await chosen(open, 'chess')).toBeUndefined();
  }),

  'lws_protocols.callback': outside(async ({ open, lines }) => {
    const client = await open();
    await say(client, 'x', 'something has come');
    client.raw.end();
    await until(() => expect(lines).toEqual(['somebody has left']));
  }),

  'lws_protocols.per_session_data_size': onFrame(async ({ open }) => {
    const [one, other] = [await open(), await open()];
    await say(one, 'x', '{"frames":1}');
    await say(one, 'x', '{"frames":2}');
    await say(other, 'x', '{"frames":1}');
  }),

  'lws_protocols.rx_buffer_size': outside(async ({ open }) => {
    expect(await echoed(await open(), 2500)).toEqual([
      [BINARY, false, 1024],
      [CONTINUE, false, 1024],
      [CONTINUE, true, 452],
    ]);
  }),

  'lws_protocols.id': outside(async ({ open, lines }) => {
    (await open()).send({ opcode: TEXT });
    await until(() => expect(lines).toEqual(['{ id: 7 }']));
  }),

  'lws_protocols.tx_packet_size': outside(async ({ open }) => {
    expect(await echoed(await open(), 2500)).toEqual([
      [BINARY, false, 1024],
      [CONTINUE, false, 1024],
      [CONTINUE, true, 452],
    ]);
  }),

  LWS_WRITE_TEXT: onFrame(async ({ open }) => {
    await say(await open(), 'x', 'a string, or bytes that are UTF-8');
  }),

  LWS_WRITE_BINARY: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    expect(await client.readFrame()).toMatchObject({ opcode: BINARY, fin: true, text: 'WS' });
  }),

  LWS_WRITE_CONTINUATION: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    expect(await client.readFrame()).toMatchObject({ opcode: TEXT, fin: false, text: 'one ' });
    expect(await client.readFrame()).toMatchObject({ opcode: CONTINUE, fin: true, text: 'message' });
  }),

  LWS_WRITE_PING: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    expect(await client.readFrame()).toMatchObject({ opcode: PING, text: 'still there?' });
  }),

  LWS_WRITE_HTTP: onRequest(async ({ request }) => {
    const answer = await request();
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', connection: 'close' });
    expect(JSON.parse(answer.text)).toEqual({ status: 'success' });
  }),

  LWS_WRITE_HTTP_HEADERS: onRequest(async ({ request }) => {
    const answer = await request();
    expect([answer.statusLine, answer.headers.location]).toEqual(['HTTP/1.1 201 Created', '/items/7']);
  }),

  lws_callback_on_writable: byHand(async ({ run, openFd, server }) => {
    const { client, fd } = await openFd();
    await run();
    client.raw.pause();
    // more than the kernel holds
    const big = wsFrame({ type: BINARY, payload: new Uint8Array(64 * 1024) });
    let sent = 0;
    for (; sent < 200; sent++) void server.wsSendFrameAsync(fd, big);
    await until(() => expect(server.sessGetTxPending(fd)).toBeGreaterThan(0));
    client.raw.resume();
    for (; sent > 0; sent--) {
      const frame = await client.readFrame();
      if (frame.opcode === TEXT) {
        expect(frame.text).toBe('you have caught up');
        return;
      }
    }
    await hear(client, 'you have caught up');
  }),

  lws_get_peer_write_allowance: onFrame(async ({ open }) => {
    await say(await open(), 'x', 'a picture that may be left out');
  }),

  lws_start_foreach_llp: onFrame(async ({ open }) => {
    const [one, other, third] = [await open(), await open(), await open()];
    one.send({ opcode: TEXT, payload: 'hello, room' });
    await hear(other, 'hello, room');
    await hear(third, 'hello, room');
    await quiet(one);
  }),

  lws_protocol_vh_priv_zalloc: onFrame(
    async ({ open }) => {
      await say(await open(), 'x', 'message 1');
      await say(await open(), 'x', 'message 2');
    },
    {},
    { globalUserCtx: { current: 0 } },
  ),

  lws_callback_http_dummy: outside(async ({ request }) => {
    const answer = await request({ path: '/nothing' });
    expect([answer.status, answer.text]).toEqual([404, 'try /ws']);
  }),

  'return -1': onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT, payload: 'well' });
    await quiet(client);
    client.send({ opcode: BINARY, payload: 'not well' });
    await expectClosed(client, 1011);
  }),

  lws_is_final_fragment: onFrame(async ({ open, lines }) => {
    const client = await open();
    client.send({ opcode: TEXT, fin: false, payload: 'a' }, { opcode: CONTINUE, payload: 'b' });
    await until(() => expect(lines).toEqual(['more is to come', 'the end of a message']));
  }),

  lwsl_err: outside(async ({ lines }) => {
    expect(lines).toEqual(['E chat: the room is full', 'I chat: somebody has left']);
  }),
};

/** The subprotocol that is chosen of those offered. */
async function chosen(open: (spec: object) => Promise<WsRawClient>, offered: string): Promise<string | undefined> {
  const { response } = await open({ headers: { 'Sec-WebSocket-Protocol': offered } });
  return response.headers['sec-websocket-protocol'];
}

/** The frames in which `len` bytes come back. */
async function echoed(client: WsRawClient, len: number): Promise<[opcode: number, fin: boolean, length: number][]> {
  client.send({ opcode: BINARY, payload: Buffer.alloc(len, 7) });
  const frames: ServerFrame[] = [];
  do frames.push(await client.readFrame());
  while (!frames.at(-1)?.fin);
  expect(Buffer.concat(frames.map(frame => frame.payload))).toEqual(Buffer.alloc(len, 7));
  return frames.map(({ opcode, fin, payload }) => [opcode, fin, payload.length]);
}
