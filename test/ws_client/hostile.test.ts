/** Servers that mean harm, or are broken: each ends in an error that says what was wrong, and none holds the client up. */
import { describe, expect, test, vi } from 'vitest';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import {
  WEBSOCKET_ERROR_TYPE_HANDSHAKE,
  WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT,
  WEBSOCKET_ERROR_TYPE_PROTOCOL,
  WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT,
} from '../../src/ws_client/errors.js';
import { REFUSAL_BODY_MAX } from '../../src/ws_client/opening.js';
import { BINARY, CLOSE, CONTINUE, type FrameSpec, hex, PING, PONG, TEXT } from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import {
  connectedPair,
  makeClient,
  type Peer,
  rawServer,
  switching,
  type TestClient,
  turns,
  until,
} from './support.js';

/** A client, whose server answers the request with what `answer` makes of it. */
async function answered(
  answer: (request: string) => string,
  config: EspWebsocketClientConfig = {},
): Promise<TestClient & { peer: Peer }> {
  const server = await rawServer();
  const made = makeClient({ uri: server.uri, disableAutoReconnect: true, ...config });
  void made.client.start();
  const peer = await server.next();
  peer.send(answer(await peer.request()));
  return { ...made, peer };
}

describe('a response to the handshake is refused', () => {
  const cases: [string, (request: string) => string, string][] = [
    [
      'a wrong accept key',
      r => switching(r).replace(/Accept: .*\r/, 'Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r'),
      'Accept',
    ],
    ['no accept key', r => switching(r).replace(/Sec-WebSocket-Accept: .*\r\n/, ''), 'Accept'],
    ['two accept keys', r => switching(r).replace(/(Sec-WebSocket-Accept: .*\r\n)/, '$1$1'), 'Accept'],
    ['another Upgrade', r => switching(r).replace('Upgrade: websocket', 'Upgrade: h2c'), 'Upgrade is not websocket'],
    ['two Upgrades', r => switching(r, ['Upgrade: h2c']), 'Upgrade is not websocket'],
    ['no Connection', r => switching(r).replace('Connection: Upgrade\r\n', ''), 'Connection has no Upgrade'],
    ['HTTP/1.0', r => switching(r).replace('HTTP/1.1', 'HTTP/1.0'), 'HTTP/1.0'],
    ['a subprotocol', r => switching(r, ['Sec-WebSocket-Protocol: mqtt']), 'subprotocol that was not offered'],
    [
      'an extension',
      r => switching(r, ['Sec-WebSocket-Extensions: permessage-deflate']),
      'extension that was not offered',
    ],
    ['a broken extension', r => switching(r, ['Sec-WebSocket-Extensions: ;']), 'malformed'],
    ['no HTTP', () => 'SSH-2.0-OpenSSH\r\n', 'no HTTP/1.1 response'],
    ['a bare LF', r => switching(r).replace('\r\n', '\n'), 'CRLF'],
    ['a head without an end', () => `HTTP/1.1 101 X\r\nA: ${'x'.repeat(20_000)}`, 'longer than 16384 bytes'],
    ['interim responses without an end', () => 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17), 'too many interim'],
  ];

  test.each(cases)('%s', async (_name, answer, why) => {
    const { peer, errors, events } = await answered(answer);
    await until(() => expect(events.at(-1)).toBe('finish'));
    expect(errors[0]?.message).toContain(why);
    expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_HANDSHAKE);
    expect(errors[0]?.name).toBe('ESP_ERR_INVALID_RESPONSE');
    await peer.gone();
  });

  test.each<[string, EspWebsocketClientConfig]>([
    ['nothing was offered', {}],
    ['something was offered', { subprotocol: 'mqtt', perMessageDeflate: true }],
  ])('empty fields for subprotocol and extensions choose none, where %s', async (_name, config) => {
    const fields = ['Sec-WebSocket-Protocol:', 'Sec-WebSocket-Extensions:', 'Sec-WebSocket-Protocol: ,'];
    const server = await rawServer();
    const { client } = makeClient({ uri: server.uri, ...config });
    const connected = vi.fn();
    client.on('connected', connected);
    void client.start();
    const peer = await server.next();
    peer.send(switching(await peer.request(), fields));
    await until(() => expect(client.isConnected()).toBe(true));
    expect(connected.mock.calls).toMatchObject([[{ subprotocol: undefined, compressed: false }]]);
  });

  test('interim responses before the right one are none', async () => {
    const { client } = await answered(r => `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${switching(r)}`);
    await until(() => expect(client.isConnected()).toBe(true));
  });
});

describe('a refusal', () => {
  test.each([
    ['Content-Length', 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello more', 'hello'],
    ['chunks', 'HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', 'hello'],
    ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
    ['broken chunks', 'HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nXX', 'hel'],
  ])('comes with status, headers and body (%s)', async (_name, answer, body) => {
    const { errors } = await answered(() => answer);
    await until(() => expect(errors).toHaveLength(1));
    const { response, errorHandle, message } = errors[0] ?? {};
    const status = Number(answer.split(' ')[1]);
    expect(response).toMatchObject({ status, body: Buffer.from(body) });
    expect(errorHandle?.espWsHandshakeStatusCode).toBe(status);
    expect(message).toContain(`the server answered ${status}`);
  });

  test('that ends with the connection has its body too', async () => {
    const { errors, peer } = await answered(() => 'HTTP/1.1 403 Forbidden\r\n\r\nnot ');
    peer.send('you');
    peer.socket.end();
    await until(() => expect(errors[0]?.response?.body.toString()).toBe('not you'));
  });

  const kib = (n: number) => Buffer.alloc(n * 1024, 'x');
  const chunk = (n: number) =>
    Buffer.concat([Buffer.from(`${(n * 1024).toString(16)}\r\n`), kib(n), Buffer.from('\r\n')]);

  test.each<[string, string, readonly Buffer[], number]>([
    ['a length', 'Content-Length: 9999999', [kib(1_000)], REFUSAL_BODY_MAX],
    ['a length that is just too long', `Content-Length: ${REFUSAL_BODY_MAX + 1}`, [kib(64)], REFUSAL_BODY_MAX],
    ['no length', 'X-A: b', [kib(40), kib(40)], REFUSAL_BODY_MAX],
    ['a coding that is not known', 'Transfer-Encoding: gzip, chunked', [kib(80)], REFUSAL_BODY_MAX],
    ['one long chunk', 'Transfer-Encoding: chunked', [Buffer.from('7fffffff\r\n'), kib(80)], REFUSAL_BODY_MAX],
    ['chunks', 'Transfer-Encoding: chunked', [chunk(30), chunk(30), chunk(30)], REFUSAL_BODY_MAX],
    // a KiB of it for each byte
    [
      'more framing than body',
      'Transfer-Encoding: chunked',
      Array(80).fill(Buffer.from(`1;${'x'.repeat(1_000)}\r\ny\r\n`)),
      65,
    ],
  ])('is given 64 KiB of body, and of what frames it: with %s', async (_name, field, pieces, kept) => {
    const { errors, peer } = await answered(() => `HTTP/1.1 500 No\r\n${field}\r\n\r\n`);
    // it does not end the connection: the client does
    peer.send(...pieces);
    await until(() => expect(errors).toHaveLength(1));
    expect(errors[0]?.response?.body).toHaveLength(kept);
    await peer.gone();
  });

  test('whose body does not end comes with what there is', async () => {
    const { errors, clock, peer } = await answered(() => 'HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nabc');
    await turns(10);
    clock.advance(10_000);
    expect(errors[0]?.response?.body.toString()).toBe('abc');
    await peer.gone();
  });

  test('3xx is not followed, and says so', async () => {
    const { errors } = await answered(
      () => 'HTTP/1.1 302 Found\r\nLocation: ws://evil\x1b[2J/\r\nContent-Length: 0\r\n\r\n',
    );
    await until(() => expect(errors).toHaveLength(1));
    expect(errors[0]?.response).toBe(undefined);
    const again = await answered(() => 'HTTP/1.1 302 Found\r\nLocation: ws://evil\xe9/\r\nContent-Length: 0\r\n\r\n');
    await until(() => expect(again.errors).toHaveLength(1));
    expect(again.errors[0]?.message).toContain("points to 'ws://evil\\xe9/': redirections are not followed");
    expect(again.errors[0]?.response?.headers.get('location')).toBe('ws://evil\xe9/');
  });
});

describe('silence', () => {
  test('before the response ends with networkTimeoutMs', async () => {
    const { errors, clock, peer } = await answered(() => 'HTTP/1.1 101 Switch', { networkTimeoutMs: 3_000 });
    await turns();
    clock.advance(2_999);
    expect(errors).toHaveLength(0);
    clock.advance(1);
    expect(errors[0]).toMatchObject({
      name: 'ESP_ERR_TIMEOUT',
      errorHandle: { errorType: WEBSOCKET_ERROR_TYPE_HANDSHAKE },
    });
    await peer.gone();
  });

  test('before there is a connection does too', async () => {
    const { client, clock, errors } = makeClient(
      { uri: 'ws://127.0.0.1:1', disableAutoReconnect: true },
      { dial: () => ({ write: () => true, hold: () => {}, end: () => {}, destroy: () => {} }) },
    );
    const started = client.start();
    await turns(1);
    clock.advance(10_000);
    await expect(started).rejects.toThrow('no connection within 10000 ms');
    expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT);
  });

  test('behind a Ping ends with pingpongTimeoutSec', async () => {
    const { client, peer, clock, errors } = await connectedPair({ pingIntervalSec: 5, pingpongTimeoutSec: 12 });
    expect(client.getPingIntervalSec()).toBe(5);
    clock.advance(5_000);
    expect((await peer.frame()).opcode).toBe(PING);
    peer.send({ opcode: PONG });
    await turns(20);
    clock.advance(16_999);
    expect(errors).toHaveLength(0);
    clock.advance(1);
    expect(errors[0]).toMatchObject({
      name: 'ESP_ERR_TIMEOUT',
      errorHandle: { errorType: WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT },
    });
    await peer.gone();
  });

  test('is none if this process was held up: what has come meanwhile is read first', async () => {
    const { client, socket, clock } = await memoryClient({ pingIntervalSec: 5, pingpongTimeoutSec: 2 });
    clock.advance(5_000);
    await turns(1);
    expect(socket.frames()[0]?.opcode).toBe(PING);
    clock.hold(20_000);
    clock.advance(0);
    expect(client.isConnected()).toBe(true);
    socket.deliver(hex('8a00'));
    clock.advance(1_000);
    expect(client.isConnected()).toBe(true);
    // the Ping that was due meanwhile is not answered
    clock.advance(2_000);
    expect(client.isConnected()).toBe(false);
  });

  test('does not with disablePingpongDiscon, or without Pings', async () => {
    const one = await connectedPair({ disablePingpongDiscon: true });
    const two = await connectedPair();
    two.client.setPingIntervalSec(0);
    one.clock.advance(1_000_000);
    two.clock.advance(1_000_000);
    expect([one.client.isConnected(), two.client.isConnected()]).toEqual([true, true]);
  });

  test.each([
    ['half a header', hex('81')],
    ['half a frame', hex('8105 4141')],
    ['half a long frame', hex('817f 0000000000010000 4141')],
  ])('behind %s ends with networkTimeoutMs', async (_name, bytes) => {
    const { peer, clock, errors } = await connectedPair({ pingIntervalSec: 0 });
    peer.send(bytes);
    await turns(20);
    clock.advance(9_999);
    expect(errors).toHaveLength(0);
    clock.advance(1);
    expect(errors[0]?.message).toBe('no more of a frame within 10000 ms (networkTimeoutMs)');
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
    await peer.gone();
  });
});

describe('a server that breaks RFC 6455', () => {
  const mask = [1, 2, 3, 4] as const;
  const cases: [string, (FrameSpec | Uint8Array)[], number, string][] = [
    ['a masked frame', [{ opcode: TEXT, payload: 'x', mask }], 1002, 'masked'],
    ['a reserved bit', [{ opcode: TEXT, rsv: 4 }], 1002, 'reserved bit'],
    ['a reserved opcode', [{ opcode: 3 }], 1002, 'reserved opcode'],
    ['a long Ping', [{ opcode: PING, payload: 'x'.repeat(126) }], 1002, '125 bytes'],
    ['a Ping in fragments', [{ opcode: PING, fin: false }], 1002, 'fragmented'],
    ['a continuation of nothing', [{ opcode: CONTINUE }], 1002, 'without a message'],
    ['a message in a message', [{ opcode: TEXT, fin: false }, { opcode: TEXT }], 1002, 'inside a fragmented one'],
    ['a frame of 1 GiB', [{ opcode: BINARY, claimedLen: 2 ** 30 }], 1009, 'maxFrameLen'],
    ['a frame of 2^63 bytes', [{ opcode: BINARY, claimedLen: 2n ** 63n }], 1002, 'top bit'],
    ['text that is none', [{ opcode: TEXT, payload: hex('c0 80') }], 1007, 'UTF-8'],
    [
      'text that is none, in a frame that goes on',
      [{ opcode: TEXT, payload: hex('80'), claimedLen: 10 }],
      1007,
      'UTF-8',
    ],
    ['a Close of one byte', [{ opcode: CLOSE, payload: 'x' }], 1002, 'one byte'],
    ['a Close with 1005', [{ opcode: CLOSE, payload: hex('03ed') }], 1002, 'close code'],
    ['a reason that is no text', [{ opcode: CLOSE, payload: hex('03e8 ff') }], 1007, 'reason'],
    [
      'a message beyond maxMessageLen',
      [
        { opcode: BINARY, fin: false, payload: Buffer.alloc(2_000) },
        { opcode: CONTINUE, payload: Buffer.alloc(100) },
      ],
      1009,
      'maxMessageLen',
    ],
  ];

  test.each(cases)('%s', async (_name, frames, code, why) => {
    const { client, peer, errors, ends } = await connectedPair({ maxMessageLen: 2_050, disableAutoReconnect: true });
    peer.send(...frames);
    expect(await peer.frame()).toMatchObject({ opcode: CLOSE, code });
    await peer.gone();
    expect(client.isConnected()).toBe(false);
    // it may say what it likes
    peer.send({ opcode: TEXT, payload: 'x' }, Buffer.alloc(100_000));
    peer.socket.end();
    await until(() => expect(ends).toHaveLength(1));
    expect(errors[0]?.message).toContain(why);
    expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_PROTOCOL);
    expect(ends[0]).toMatchObject({ code: 1006, wasConnected: true });
  });

  test('has two seconds to take the Close', async () => {
    const { peer, clock, events } = await connectedPair({ disableAutoReconnect: true });
    peer.send({ opcode: 3 });
    expect((await peer.frame()).code).toBe(1002);
    clock.advance(2_000);
    expect(events.at(-1)).toBe('finish');
  });

  test('may be let off with text that is none', async () => {
    const { peer, data } = await connectedPair({ ignoreEncodingErrors: true });
    peer.send({ opcode: TEXT, payload: hex('ff') });
    await until(() => expect(data).toHaveLength(1));
  });
});

describe('a server that pings and does not read', () => {
  test('is owed one answer', async () => {
    const { client, peer } = await connectedPair();
    peer.socket.pause();
    // more than the system takes
    for (let i = 0; i < 24; i++) void client.sendBin(Buffer.alloc(512 * 1024));
    await until(() => expect(client.getTxPending()).toBeGreaterThan(0));
    await turns(10);
    const before = client.getTxPending();
    expect(before).toBeGreaterThan(64 * 1024);
    for (let i = 0; i < 1_000; i++) peer.send({ opcode: PING, payload: `ping ${i}` });
    await turns(50);
    expect(client.getTxPending()).toBeLessThanOrEqual(before);
    peer.socket.resume();
    let last: string | undefined;
    for (let i = 0; i < 25; i++) {
      const { opcode, text } = await peer.frame();
      if (opcode === PONG) last = text;
    }
    expect(last).toBe('ping 999');
  });
});

test('frames in the segment of the response are not lost, even for who only waits for the start', async () => {
  const server = await rawServer();
  const { client } = makeClient({ uri: server.uri });
  const started = client.start();
  await (await server.next()).accept([], [{ opcode: TEXT, payload: 'hello' }]);
  await started;
  for await (const message of client) {
    expect([message.isText, message.text]).toEqual([true, 'hello']);
    break;
  }
});
