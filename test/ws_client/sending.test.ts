/** What applications send, and how they hear what has become of it. */
import { describe, expect, test } from 'vitest';
import * as api from '../../src/ws_client/index.js';
import { BINARY, CLOSE, CONTINUE, closeBody, PING, TEXT } from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import { connectedPair, errorOf, turns, until } from './support.js';

describe('sending', () => {
  test('frames are masked, with keys that differ, and leave together', async () => {
    const { client, peer } = await connectedPair();
    let writes = 0;
    peer.socket.on('data', () => {
      writes += 1;
    });
    await Promise.all([
      client.sendText('héllo'),
      client.sendBin(new Uint8Array([1, 2])),
      client.sendWithOpcode(PING, 'x'),
    ]);
    const frames = [await peer.frame(), await peer.frame(), await peer.frame()];
    expect(frames.map(({ opcode, text, masked, fin }) => [opcode, text, masked, fin])).toEqual([
      [TEXT, 'héllo', true, true],
      [BINARY, '\u0001\u0002', true, true],
      [PING, 'x', true, true],
    ]);
    expect(new Set(frames.map(({ bytes }) => bytes.readUInt32BE(2))).size).toBe(3);
    expect(writes).toBe(1);
  });

  test('a message in fragments, behind which others wait', async () => {
    const { client, peer } = await connectedPair();
    expect(await errorOf(() => client.sendContMsg('x'))).toBe('ESP_ERR_INVALID_STATE');
    void client.sendTextPartial('a');
    const bytes = Buffer.from('later');
    void client.sendBin(bytes);
    bytes.fill(0);
    void client.sendContMsg('b');
    expect(await errorOf(() => client.sendTextPartial('x'))).toBe('ESP_ERR_INVALID_STATE');
    expect(client.getTxPending()).toBeGreaterThan(100);
    await client.sendFin();
    const got = [await peer.frame(), await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, text, fin }) => [opcode, text, fin])).toEqual([
      [TEXT, 'a', false],
      [CONTINUE, 'b', false],
      [CONTINUE, '', true],
      [BINARY, 'later', true],
    ]);
  });

  test('messages that wait for the end of one in fragments count for maxTxPending, by their bytes', async () => {
    const { client, socket } = await memoryClient({ maxTxPending: 100_000 });
    void client.sendTextPartial('a');
    await turns(1);
    expect([client.getTxPending(), socket.writes.length]).toEqual([0, 1]);
    const text = '\u20ac'.repeat(10_000);
    void client.sendText(text);
    expect(client.getTxPending()).toBeGreaterThanOrEqual(30_000);
    void client.sendBin(Buffer.alloc(30_000));
    void client.sendText(text);
    expect(client.getTxPending()).toBeLessThan(100_000);
    // who awaits one of them waits until they have left
    let sent = false;
    const last = client.sendText(text).then(() => {
      sent = true;
    });
    expect(await errorOf(() => client.sendText('x'))).toBe('ESP_ERR_NO_MEM');
    await turns();
    expect(sent).toBe(false);
    // what leaves in front of them is neither refused nor held back: else none of it would ever go on
    expect(await errorOf(() => client.sendWithOpcode(PING))).toBe('none');
    expect(await errorOf(() => client.sendContMsg('b'))).toBe('none');
    expect(await errorOf(() => client.sendFin())).toBe('none');
    await last;
    expect(client.getTxPending()).toBe(0);
  });

  test('sendFragments goes on, however much waits for its end', async () => {
    const { client, socket } = await memoryClient();
    async function* parts() {
      yield 'a';
      void client.sendBin(Buffer.alloc(200_000));
      await turns(1);
      yield 'b';
    }
    await client.sendFragments(parts());
    await turns(2);
    expect(socket.frames().map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
      [TEXT, 1],
      [CONTINUE, 1],
      [CONTINUE, 0],
      [BINARY, 200_000],
    ]);
  });

  test('sendFragments makes one message of what is iterated over', async () => {
    const { client, peer } = await connectedPair();
    async function* parts() {
      yield 'a';
      await turns(1);
      yield Buffer.from('b');
    }
    await client.sendFragments(parts());
    await client.sendFragments([], api.WS_TRANSPORT_OPCODES_BINARY);
    const got = [await peer.frame(), await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, text, fin }) => [opcode, text, fin])).toEqual([
      [TEXT, 'a', false],
      [CONTINUE, 'b', false],
      [CONTINUE, '', true],
      [BINARY, '', true],
    ]);
  });

  test('sendFragments whose source fails closes with 1011: a message can not be taken back', async () => {
    const { client, peer, ends, errors } = await connectedPair();
    async function* parts() {
      yield 'a';
      throw new Error('no more');
    }
    await expect(client.sendFragments(parts())).rejects.toThrow('no more');
    expect((await peer.frame()).text).toBe('a');
    expect((await peer.frame()).code).toBe(1011);
    peer.send({ opcode: CLOSE, payload: closeBody(1011) });
    peer.socket.end();
    await until(() => expect(ends).toHaveLength(1));
    // a connection that has failed, and nothing that the server has asked for
    expect(errors[0]?.message).toBe('a message in fragments was not completed: closed with 1011');
    expect(ends[0]).toMatchObject({ willReconnect: true, errorHandle: { errorType: api.WEBSOCKET_ERROR_TYPE_NONE } });
  });

  test('who waits for a message that a Close overtakes hears of it', async () => {
    const { client, peer } = await connectedPair();
    void client.sendTextPartial('begun');
    const sent = errorOf(() => client.sendBin(Buffer.alloc(100_000)));
    void client.close();
    expect(await sent).toBe('ESP_ERR_INVALID_STATE');
    expect([(await peer.frame()).text, (await peer.frame()).code]).toEqual(['begun', 1000]);
  });

  test('who waits for a server that resets the connection hears of it', async () => {
    const { client, peer } = await connectedPair({ disableAutoReconnect: true });
    peer.socket.pause();
    // more than the system takes
    const sent = client.sendBin(Buffer.alloc(16 * 1024 * 1024));
    await turns(10);
    expect(client.getTxPending()).toBeGreaterThan(0);
    peer.socket.resetAndDestroy();
    await expect(sent).rejects.toThrow('the connection was lost');
  });

  test('fragmentLen cuts messages', async () => {
    const { client, peer } = await connectedPair({ fragmentLen: 16 });
    await client.sendText('x'.repeat(40));
    const got = [await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, fin, payload }) => [opcode, fin, payload.length])).toEqual([
      [TEXT, false, 16],
      [CONTINUE, false, 16],
      [CONTINUE, true, 8],
    ]);
  });

  test('a server that does not read holds back who awaits, up to maxTxPending', async () => {
    const { client, peer, clock, errors } = await connectedPair({
      maxTxPending: 1024 * 1024,
      disableAutoReconnect: true,
    });
    peer.socket.pause();
    const chunk = Buffer.alloc(256 * 1024);
    let refused = 'none';
    let last: Promise<void> = Promise.resolve();
    for (let i = 0; i < 200 && refused === 'none'; i++) {
      last = client.sendBin(chunk);
      refused = await errorOf(() => Promise.race([last, turns(3)]));
    }
    expect(refused).toBe('ESP_ERR_NO_MEM');
    expect(client.getTxPending()).toBeLessThan(2 * 1024 * 1024);
    const waiting = client.sendBin('').catch(error => error as Error);
    await turns();
    clock.advance(10_000);
    await until(() => expect(errors[0]?.message).toContain('nothing of what was sent has been taken within 10000 ms'));
    expect(await waiting).toBeInstanceOf(Error);
  });

  test('sending on does not make up for a server that takes nothing', async () => {
    const { client, socket, clock, errors } = await memoryClient();
    socket.takes = false;
    for (let second = 0; second < 10; second++) {
      expect(errors).toHaveLength(0);
      void client.sendText('x');
      await turns(1);
      clock.advance(1_000);
    }
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
  });

  test('a server that takes a little now and then is waited for', async () => {
    const { client, socket, clock, errors } = await memoryClient();
    socket.takes = false;
    void client.sendBin(Buffer.alloc(300_000));
    await turns(1);
    for (let i = 0; i < 4; i++) {
      clock.advance(9_999);
      socket.handler.onTaken();
    }
    expect([errors.length, socket.writes.length]).toEqual([0, 5]);
    clock.advance(10_000);
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
  });

  test('a server that reads again lets it go on', async () => {
    const { client, peer } = await connectedPair();
    peer.socket.pause();
    const chunk = Buffer.alloc(256 * 1024);
    let settled = true;
    let last: Promise<unknown> = Promise.resolve();
    for (let i = 0; i < 200 && settled; i++) {
      settled = false;
      last = client.sendBin(chunk).then(() => {
        settled = true;
      });
      await turns(3);
    }
    expect(settled).toBe(false);
    peer.socket.removeAllListeners('data').on('data', () => {});
    peer.socket.resume();
    await last;
    await until(() => expect(client.getTxPending()).toBe(0));
  });

  test.each<readonly [string, (client: api.EspWebsocketClient) => unknown, string]>([
    ['sendText', client => client.sendText(1 as never), 'ESP_ERR_INVALID_ARG'],
    ['sendText', client => client.sendText(Buffer.from([0xff])), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(3, ''), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(PING, 'x'.repeat(126)), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(CLOSE, 'x'), 'ESP_ERR_INVALID_ARG'],
    ['closeWithCode', client => client.closeWithCode(1005), 'ESP_ERR_INVALID_ARG'],
    ['closeWithCode', client => client.closeWithCode(1000, 'x'.repeat(124)), 'ESP_ERR_INVALID_ARG'],
    ['sendFragments', client => client.sendFragments('text' as never), 'ESP_ERR_INVALID_ARG'],
    ['sendFragments', client => client.sendFragments([1 as never]), 'ESP_ERR_INVALID_ARG'],
    ['start', client => client.start(), 'ESP_ERR_INVALID_STATE'],
    ['setUri', client => client.setUri('ws://x'), 'ESP_ERR_INVALID_STATE'],
    ['setHeaders', client => client.setHeaders({ Upgrade: 'x' }), 'ESP_ERR_INVALID_ARG'],
    ['on', client => client.on('open' as never, () => {}), 'ESP_ERR_INVALID_ARG'],
  ])('misuse of %s is refused (%#)', async (_name, fn, error) => {
    const { client, peer } = await connectedPair();
    expect(await errorOf(() => fn(client))).toBe(error);
    await client.sendText('still there');
    expect((await peer.frame()).text).toBe('still there');
  });
});
