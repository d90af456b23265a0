/** The faults of the original that concern WebSockets, each by its name: we don't share them. */
import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, closeBody, handshakeRequest, PING, TEXT } from '../support/ws_frames.js';
import { collector, errorOf, expectClosed, pattern, startWs, until } from './ws_server.js';

describe('fault 1 (lost wake-up):', () => {
  test('frames behind the handshake are answered without other traffic', async () => {
    const { server } = await startWs();
    const client = await connectTo(server);
    const frames = ['a', 'b', 'c', 'd'].map(payload => buildFrame({ opcode: TEXT, payload }));
    client.send(Buffer.concat([Buffer.from(handshakeRequest()), ...frames]));
    expect((await client.readResponse()).status).toBe(101);
    expect((await client.readUntil(12)).toString('latin1')).toBe('\x81\x01a\x81\x01b\x81\x01c\x81\x01d');
  });

  test('frames that arrive while a handler waits are answered without other traffic', async () => {
    const { open } = await startWs({
      wsPostHandshakeCb: () => new Promise(resolve => setImmediate(() => setImmediate(resolve))),
    });
    const ws = await open({}, Buffer.concat([1, 2, 3].map(i => buildFrame({ opcode: TEXT, payload: `${i}` }))));
    for (const text of ['1', '2', '3']) expect((await ws.readFrame()).text).toBe(text);
  });
});

describe('fault 2 (partial sends ignored):', () => {
  test('a slow reader of a 16 MiB echo gets every byte right', async () => {
    const size = 16 * 1024 * 1024;
    const payload = pattern(size);
    const { open } = await startWs({}, { maxTxPending: 64 * 1024 * 1024 });
    const ws = await open();
    const { socket } = ws.raw;
    // read by hand, a little at a time, and compared as it comes
    socket.removeAllListeners('data');
    const expected = Buffer.concat([
      Buffer.from('827f0000000001000000', 'hex'),
      payload,
      Buffer.from('\x81\x06behind', 'latin1'),
    ]);
    let at = 0;
    let wrong = -1;
    const done = new Promise<void>(resolve => {
      socket.on('data', (chunk: Buffer) => {
        if (wrong < 0 && Buffer.compare(chunk, expected.subarray(at, at + chunk.length)) !== 0) wrong = at;
        at += chunk.length;
        socket.pause();
        if (at >= expected.length) resolve();
        else setImmediate(() => setImmediate(() => socket.resume()));
      });
    });
    socket.pause();
    ws.send({ opcode: BINARY, payload, mask: [0, 0, 0, 0] }, { opcode: TEXT, payload: 'behind' });
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
    socket.resume();
    await done;
    expect(wrong).toBe(-1);
    expect(at).toBe(expected.length);
  });
});

describe('fault 5 (stale closes):', () => {
  test('closes queued for sessions that have ended do not touch newer ones', async () => {
    const { server, open } = await startWs();
    for (let round = 0; round < (OVER_TLS ? 2 : 20); round++) {
      const old = await Promise.all(Array.from({ length: 5 }, () => open()));
      const fds = server.getClientList();
      for (const ws of old) ws.raw.reset();
      await until(() => expect(server.getClientList()).toEqual([]));
      const errors: Promise<string>[] = [];
      for (const fd of fds) server.queueWork(() => errors.push(errorOf(() => server.sessTriggerClose(fd))));
      const newer = await Promise.all(Array.from({ length: 5 }, () => open()));
      for (const ws of newer) ws.send({ opcode: TEXT, payload: 'alive' });
      for (const ws of newer) expect((await ws.readFrame()).text).toBe('alive');
      expect(await Promise.all(errors)).toEqual(Array(5).fill('ESP_ERR_NOT_FOUND'));
      for (const ws of newer) ws.raw.reset();
      await until(() => expect(server.getClientList()).toEqual([]));
    }
  });

  test('50 simultaneous disconnects, each closed by the application too, all end', async () => {
    const closed: number[] = [];
    const { server, open } = await startWs({}, { maxWorkQueue: 6, closeFn: (_server, fd) => closed.push(fd) });
    const clients = await Promise.all(Array.from({ length: 50 }, () => open()));
    const fds = server.getClientList();
    for (const fd of fds) server.sessTriggerClose(fd);
    for (const ws of clients) ws.raw.end();
    await until(() => expect(closed).toHaveLength(50));
    expect([...closed].sort((a, b) => a - b)).toEqual(fds);
  });
});

describe('fault 7 (WebSocket):', () => {
  test.each<[string, number, Buffer]>([
    ['a reserved bit is refused', 1002, buildFrame({ opcode: TEXT, payload: 'x', rsv: 4 })],
    ['opcode 3 is refused', 1002, buildFrame({ opcode: 3, payload: 'x' })],
    ['opcode 0xB does not desynchronise', 1002, buildFrame({ opcode: 0xb, payload: 'x' })],
    ['text is checked as UTF-8', 1007, buildFrame({ opcode: TEXT, payload: Buffer.of(0xff) })],
    ['a length that is not minimal is refused', 1002, buildFrame({ opcode: TEXT, payload: 'x', lengthForm: 16 })],
    ['a fragmented ping is refused', 1002, buildFrame({ opcode: PING, fin: false })],
    ['an unmasked frame gets a Close', 1002, buildFrame({ opcode: TEXT, payload: 'x', mask: false })],
    ['a ping of 126 is not answered', 1002, buildFrame({ opcode: PING, payload: Buffer.alloc(126) })],
    ['a length of 2^64 - 1 is refused', 1002, buildFrame({ opcode: BINARY, claimedLen: (1n << 64n) - 1n })],
  ])('%s', async (_name, code, bytes) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(bytes);
    await expectClosed(ws, code);
    expect(seen).toEqual([]);
  });

  test('a Close is answered with its code', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(4000) });
    expect((await ws.readFrame()).bytes.toString('hex')).toBe('88020fa0');
  });

  test('65535 bytes are sent in the 16-bit form', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: BINARY, payload: Buffer.alloc(65_535) });
    expect((await ws.readFrame()).bytes.subarray(0, 4).toString('hex')).toBe('827effff');
  });

  test('fragments can be sent back as one message', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'a', fin: false }, { opcode: CONTINUE, payload: 'b' });
    const [first, last] = [await ws.readFrame(), await ws.readFrame()];
    expect([first.opcode, first.fin, last.opcode, last.fin]).toEqual([TEXT, false, CONTINUE, true]);
  });

  test('a peer that just leaves is noticed', async () => {
    const closed: number[] = [];
    const { open } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    ws.raw.end();
    await until(() => expect(closed).toHaveLength(1));
  });
});

describe('fault 8 (no answer):', () => {
  test('a failed pre-handshake callback answers', async () => {
    const { server } = await startWs({ wsPreHandshakeCb: () => ESP_FAIL });
    const client = await connectTo(server);
    client.send(handshakeRequest());
    const response = await client.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 403 Forbidden');
    expect(response.text).not.toBe('');
  });

  test('a plain GET on a WebSocket URI is answered', async () => {
    const { server } = await startWs();
    const client = await connectTo(server);
    client.send('GET /ws HTTP/1.1\r\nHost: x\r\n\r\n');
    const response = await client.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 426 Upgrade Required');
    expect(response.text).not.toBe('');
  });
});

describe('fault 10 (LRU purges WebSockets with a bare FIN):', () => {
  test('a purged WebSocket gets a Close', async () => {
    const { open, server } = await startWs({}, { maxOpenSockets: 1, lruPurgeEnable: true });
    server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('page') });
    const ws = await open();
    const client = await connectTo(server);
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.readResponse()).text).toBe('page');
    expect((await ws.readFrame()).code).toBe(1001);
  });
});
