import { describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import {
  HTTPD_WS_CLIENT_HTTP,
  HTTPD_WS_CLIENT_INVALID,
  HTTPD_WS_CLIENT_WEBSOCKET,
  type HttpdWsFrame,
  wsFrame,
} from '../../src/httpd_ws/frame_type.js';
import { connectTo, turn } from '../support/server.js';
import { BINARY, CLOSE, closeBody, PING, PONG, TEXT, WsRawClient } from '../support/ws_frames.js';
import { deferred, errorOf, expectClosed, onFrame, startWs, until } from './ws_server.js';

const text = (payload: string): HttpdWsFrame => wsFrame({ type: TEXT, payload });

/** The three ways to send by fd, each as a function that resolves or fails as the send does. */
const WAYS: [string, (server: HttpdServer, fd: number, frame: HttpdWsFrame) => Promise<void>][] = [
  ['wsSendFrameAsync', async (server, fd, frame) => server.wsSendFrameAsync(fd, frame)],
  ['wsSendData', (server, fd, frame) => server.wsSendData(fd, frame)],
];

async function openOne(uri = {}, config = {}) {
  const ws = await startWs(uri, config);
  const client = await ws.open();
  const [fd = -1] = ws.server.getClientList();
  return { ...ws, client, fd };
}

describe.each(WAYS)('%s', (_name, send) => {
  test('sends a frame of its own accord', async () => {
    const { server, client, fd } = await openOne();
    await send(server, fd, text('news'));
    expect((await client.readFrame()).bytes.toString('latin1')).toBe('\x81\x04news');
  });

  test('sends while a handler of the session runs', async () => {
    const gate = deferred();
    const { server, client, fd } = await openOne({ handler: onFrame(() => gate.promise) });
    client.send({ opcode: TEXT, payload: 'x' });
    await send(server, fd, text('meanwhile'));
    expect((await client.readFrame()).text).toBe('meanwhile');
    gate.resolve();
  });

  test('copies the payload', async () => {
    const { server, client, fd } = await openOne();
    const payload = Buffer.from('before');
    const sent = send(server, fd, wsFrame({ type: TEXT, payload }));
    payload.write('after!');
    await sent;
    expect((await client.readFrame()).text).toBe('before');
  });

  test('with a frame that can not be sent fails with ESP_ERR_INVALID_ARG', async () => {
    const { server, client, fd } = await openOne();
    expect(await errorOf(() => send(server, fd, wsFrame({ type: 5 })))).toBe('ESP_ERR_INVALID_ARG');
    expect(await errorOf(() => send(server, fd, null as never))).toBe('ESP_ERR_INVALID_ARG');
    await send(server, fd, text('fine'));
    expect((await client.readFrame()).text).toBe('fine');
  });

  test.each([-1, 0, 3, 999, 1.5, Number.NaN, '4', undefined])(
    'with %j as fd fails with ESP_ERR_NOT_FOUND',
    async fd => {
      const { server } = await openOne();
      expect(await errorOf(() => send(server, fd as number, text('x')))).toBe('ESP_ERR_NOT_FOUND');
    },
  );

  test('to an HTTP session fails with ESP_ERR_INVALID_STATE', async () => {
    const { server } = await startWs();
    await connectTo(server);
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd = -1] = server.getClientList();
    expect(await errorOf(() => send(server, fd, text('x')))).toBe('ESP_ERR_INVALID_STATE');
  });

  test('to a session that is closing fails with ESP_ERR_INVALID_STATE', async () => {
    const { server, client, fd } = await openOne();
    server.sessTriggerClose(fd);
    expect(await errorOf(() => send(server, fd, text('late')))).toBe('ESP_ERR_INVALID_STATE');
    client.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(client, 1000);
  });

  test('with the fd of a session that has ended fails, and nothing reaches a newer connection', async () => {
    const { server, client, fd, open } = await openOne();
    client.raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    const newer = await open();
    expect(server.getClientList()).toHaveLength(1);
    expect(server.getClientList()).not.toContain(fd);
    expect(await errorOf(() => send(server, fd, text('for the old one')))).toBe('ESP_ERR_NOT_FOUND');
    newer.send({ opcode: TEXT, payload: 'for the new one' });
    expect((await newer.readFrame()).text).toBe('for the new one');
  });
});

describe('wsSendDataAsync', () => {
  /** A callback that notes its calls. */
  function noted() {
    const calls: unknown[][] = [];
    return { calls, cb: (...args: unknown[]) => void calls.push(args) };
  }

  test('sends, and calls back once with ESP_OK, fd and argument, after the call has returned', async () => {
    const { server, client, fd } = await openOne();
    const { calls, cb } = noted();
    const arg = { my: 'argument' };
    server.wsSendDataAsync(fd, text('news'), cb, arg);
    expect(calls).toEqual([]);
    expect((await client.readFrame()).text).toBe('news');
    await until(() => expect(calls).toEqual([[0, fd, arg]]));
    await turn();
    expect(calls).toHaveLength(1);
    expect(calls[0]?.[2]).toBe(arg);
  });

  test('needs no callback', async () => {
    const { server, client, fd } = await openOne();
    server.wsSendDataAsync(fd, text('news'));
    expect((await client.readFrame()).text).toBe('news');
  });

  test('keeps the order of its calls', async () => {
    const { server, client, fd } = await openOne();
    for (let i = 0; i < 50; i++) server.wsSendDataAsync(fd, text(`${i}`));
    for (let i = 0; i < 50; i++) expect((await client.readFrame()).text).toBe(`${i}`);
  });

  test.each<[string, (text: string) => Uint8Array | string]>([
    ['a Buffer', payload => Buffer.from(payload)],
    ['a Uint8Array', payload => new TextEncoder().encode(payload)],
    ['a view of a larger array', payload => Buffer.from(`__${payload}__`).subarray(2, -2)],
  ])('copies the payload and the frame at once: %s', async (_name, make) => {
    const { server, client, fd } = await openOne();
    const payload = make('before') as Uint8Array;
    const frame = wsFrame({ type: TEXT, payload });
    server.wsSendDataAsync(fd, frame);
    payload.fill(0x21);
    frame.type = BINARY;
    const { opcode, text: got } = await client.readFrame();
    expect([opcode, got]).toEqual([TEXT, 'before']);
  });

  test('calls back once with ESP_ERR_NOT_FOUND for an fd whose session has ended', async () => {
    const { server, client, fd } = await openOne();
    client.raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    const { calls, cb } = noted();
    server.wsSendDataAsync(fd, text('x'), cb, 7);
    await until(() => expect(calls).toEqual([[0x105, fd, 7]]));
    await turn();
    expect(calls).toHaveLength(1);
  });

  test('calls back once if the session ends between the call and the send', async () => {
    const { server, fd } = await openOne();
    const { calls, cb } = noted();
    server.queueWork(() => server.sessTriggerClose(fd));
    server.wsSendDataAsync(fd, text('x'), cb);
    await until(() => expect(calls).toEqual([[0x103, fd, undefined]]));
  });

  test('throws ESP_FAIL when the work queue is full, and calls back for those that it took only', async () => {
    const { server, client, fd } = await openOne({}, { maxWorkQueue: 3 });
    const { calls, cb } = noted();
    const outcomes: string[] = [];
    for (let i = 0; i < 5; i++) outcomes.push(await syncErrorOf(() => server.wsSendDataAsync(fd, text(`${i}`), cb, i)));
    expect(outcomes).toEqual(['none', 'none', 'none', 'ESP_FAIL', 'ESP_FAIL']);
    await until(() => expect(calls.map(([code, , arg]) => [code, arg])).toEqual([0, 1, 2].map(i => [0, i])));
    for (let i = 0; i < 3; i++) expect((await client.readFrame()).text).toBe(`${i}`);
    // there is room again
    server.wsSendDataAsync(fd, text('again'), cb, 9);
    expect((await client.readFrame()).text).toBe('again');
    await until(() => expect(calls).toHaveLength(4));
  });

  test('survives a callback that throws', async () => {
    const { server, client, fd } = await openOne();
    let calls = 0;
    server.wsSendDataAsync(fd, text('one'), () => {
      calls += 1;
      throw new Error('no');
    });
    server.wsSendDataAsync(fd, text('two'));
    expect([(await client.readFrame()).text, (await client.readFrame()).text]).toEqual(['one', 'two']);
    expect(calls).toBe(1);
  });

  test.each<[string, unknown, unknown]>([
    ['null for the frame', null, undefined],
    ['no frame', undefined, undefined],
    ['a wrong type', wsFrame({ type: 3 }), undefined],
    ['a number for the payload', wsFrame({ type: TEXT, payload: 5 as never }), undefined],
    ['an array for the payload', wsFrame({ type: TEXT, payload: [1, 2] as never }), undefined],
    ['a callback that is none', text('x'), 'cb'],
  ])('with %s throws ESP_ERR_INVALID_ARG at once', async (_name, frame, cb) => {
    const { server, client, fd } = await openOne();
    expect(await syncErrorOf(() => server.wsSendDataAsync(fd, frame as HttpdWsFrame, cb as never))).toBe(
      'ESP_ERR_INVALID_ARG',
    );
    server.wsSendDataAsync(fd, text('fine'));
    expect((await client.readFrame()).text).toBe('fine');
  });
});

test('wsSendFrameAsync throws at once, wsSendData rejects', async () => {
  const { server } = await startWs();
  expect(() => server.wsSendFrameAsync(1, text('x'))).toThrow(expect.objectContaining({ name: 'ESP_ERR_NOT_FOUND' }));
  const promise = server.wsSendData(1, text('x'));
  await expect(promise).rejects.toMatchObject({ name: 'ESP_ERR_NOT_FOUND', code: 0x105 });
});

test('fds are never used again', async () => {
  const { server, open } = await startWs();
  const used = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const client = await open();
    const [fd = -1] = server.getClientList();
    expect(used.has(fd)).toBe(false);
    used.add(fd);
    client.raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
  }
  expect(used.size).toBe(20);
});

describe('wsGetFdInfo', () => {
  test('follows a session through its states', async () => {
    const { server } = await startWs();
    expect(server.wsGetFdInfo(4)).toBe(HTTPD_WS_CLIENT_INVALID);
    const raw = await connectTo(server);
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd = -1] = server.getClientList();
    expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_HTTP);
    const client = await WsRawClient.upgrade(raw);
    expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_WEBSOCKET);
    server.sessTriggerClose(fd);
    expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_HTTP);
    client.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(client, 1000);
    raw.end();
    await until(() => expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_INVALID));
  });

  test.each([0, -1, 99, Number.NaN, undefined, '4'])('of %j is HTTPD_WS_CLIENT_INVALID', async fd => {
    const { server } = await startWs();
    expect(server.wsGetFdInfo(fd as number)).toBe(HTTPD_WS_CLIENT_INVALID);
  });
});

test('a ping may be sent by fd, and its pong is for the handler, which echoes it here', async () => {
  const { server, client, fd } = await openOne();
  await server.wsSendFrameAsync(fd, wsFrame({ type: PING, payload: 'there?' }));
  expect((await client.readFrame()).bytes.toString('latin1')).toBe('\x89\x06there?');
  client.send({ opcode: PONG, payload: 'there?' }, { opcode: TEXT, payload: 'x' });
  expect((await client.readFrame()).bytes.toString('latin1')).toBe('\x8a\x06there?');
  expect((await client.readFrame()).text).toBe('x');
});

function syncErrorOf(fn: () => void): Promise<string> {
  try {
    fn();
    return Promise.resolve('none');
  } catch (error) {
    return errorOf(() => Promise.reject(error));
  }
}
