import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { BINARY, CLOSE, CONTINUE, closeBody, PING, PONG, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { errorOf, startWs, until } from './ws_server.js';
import { endLog, expectSilence, lastFd, pass, turns } from './ws_watch.js';

const KB100 = wsFrame({ type: BINARY, payload: Buffer.alloc(100_000, 0x61) });
const LARGE = { maxTxPending: 64 << 20 } as const;

/** A client that does not read; more is queued for it than the kernel takes. */
async function openSlow(config: Partial<HttpdConfig> = LARGE, uri: Partial<HttpdUri> = {}) {
  const { ended, wsCloseCb } = endLog();
  const ws = await startWs({ wsCloseCb, ...uri }, config);
  const client = await ws.open();
  const fd = lastFd(ws.server);
  const drained: number[] = [];
  ws.server.on('drain', which => drained.push(which));
  client.raw.pause();
  /** Sends until `bytes` wait here. @returns how many frames were sent */
  const fill = async (bytes: number) => {
    let sent = 0;
    for (; ws.server.sessGetTxPending(fd) < bytes; sent++) {
      expect(sent).toBeLessThan(1_000);
      void ws.server.wsSendFrameAsync(fd, KB100);
      if (sent % 10 === 9) await turns(1);
    }
    await turns();
    return sent;
  };
  return { ...ws, client, fd, drained, ended, fill };
}

async function expectFrames(client: WsRawClient, n: number): Promise<void> {
  for (let i = 0; i < n; i++) expect((await client.readFrame()).payload).toHaveLength(100_000);
}

describe("event 'drain'", () => {
  // node:tls takes 64 KiB a turn: there the session drains while the kernel still has room
  test.skipIf(OVER_TLS)('comes once when a slow reader has caught up, and not before', async () => {
    const { client, fd, drained, fill, server } = await openSlow();
    const sent = await fill(5_000_000);
    expect(drained).toEqual([]);
    client.raw.resume();
    await until(() => expect(drained).toEqual([fd]));
    expect(server.sessGetTxPending(fd)).toBeLessThan(64 * 1024);
    await expectFrames(client, sent);
    await expectSilence(client);
    expect(drained).toEqual([fd]);
    // and again, the next time
    client.raw.pause();
    const again = await fill(5_000_000);
    client.raw.resume();
    await expectFrames(client, again);
    await until(() => expect(drained).toEqual([fd, fd]));
  });

  test('comes for broadcasts too, for each that was slow', async () => {
    const { client, fd, drained, server, open } = await openSlow();
    const other = await open();
    const otherFd = lastFd(server);
    other.raw.pause();
    let sent = 0;
    while (server.sessGetTxPending(fd) < 3_000_000 || server.sessGetTxPending(otherFd) < 3_000_000) {
      expect(server.wsBroadcast(KB100)).toBe(2);
      sent += 1;
      if (sent % 10 === 9) await turns(1);
    }
    drained.length = 0;
    client.raw.resume();
    await until(() => expect(drained).toEqual([fd]));
    other.raw.resume();
    await until(() => expect(drained).toEqual([fd, otherFd]));
    await expectFrames(client, sent);
    await expectFrames(other, sent);
  });

  test('does not come for readers that keep up with what is awaited', async () => {
    const { server, drained, fd, client } = await openSlow();
    client.raw.resume();
    for (let i = 0; i < 50; i++) {
      await server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: Buffer.alloc(1_000) }));
      await client.readFrame();
    }
    await expectSilence(client);
    expect(drained).toEqual([]);
  });

  test('its listener may send: all of a stream goes out, in its order', async () => {
    const { server, fd, client } = await openSlow();
    let next = 0;
    const more = () => {
      while (next < 200 && server.sessGetTxPending(fd) < 1_000_000) {
        const payload = Buffer.alloc(50_000, next);
        next += 1;
        server.wsBroadcast(wsFrame({ type: BINARY, payload }));
      }
    };
    server.on('drain', more);
    more();
    await turns();
    expect(next).toBeLessThan(200);
    client.raw.resume();
    for (let i = 0; i < 200; i++) {
      const { payload } = await client.readFrame();
      expect(Buffer.compare(payload, Buffer.alloc(50_000, i))).toBe(0);
    }
  });

  test.skipIf(OVER_TLS)('a listener that closes, ends or throws harms nobody', async () => {
    const { server, fd, client, fill, ended, open } = await openSlow();
    server.on('drain', () => {
      throw new Error('listener');
    });
    server.on('drain', which => server.wsClose(which, 1000, 'enough'));
    const sent = await fill(3_000_000);
    client.raw.resume();
    await expectFrames(client, sent);
    const { opcode, text } = await client.readFrame();
    expect([opcode, text.slice(2)]).toEqual([CLOSE, 'enough']);
    client.send({ opcode: CLOSE, payload: closeBody(1000) });
    client.raw.end();
    await until(() => expect(ended).toMatchObject([{ fd, wasClean: true }]));
    await expectSilence(await open());
  });

  test('comes in a context of its own, not in that of a handler that happened to send', async () => {
    const store = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const { server, open } = await startWs({
      handler: req => {
        if (req.method === HTTP_GET) return;
        store.enterWith('alice');
        server.wsBroadcast(KB100);
      },
    });
    server.on('drain', () => seen.push(store.getStore()));
    const [alice, bob] = [await open(), await open()];
    alice.send({ opcode: TEXT, payload: 'go' });
    await bob.readFrame();
    await alice.readFrame();
    await until(() => expect(seen.length).toBeGreaterThan(0));
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });
});

describe('sessGetTxPending', () => {
  test('is 0 for a reader that keeps up, counts what waits, and is 0 again', async () => {
    const { server, fd, client, fill } = await openSlow();
    expect(server.sessGetTxPending(fd)).toBe(0);
    void server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'x'.repeat(100) }));
    expect(server.sessGetTxPending(fd)).toBe(102);
    await turns();
    expect(server.sessGetTxPending(fd)).toBe(0);
    const sent = await fill(2_000_000);
    expect(server.sessGetTxPending(fd)).toBeLessThan(sent * 100_010);
    client.raw.resume();
    await client.readFrame();
    await expectFrames(client, sent);
    await until(() => expect(server.sessGetTxPending(fd)).toBe(0));
  });

  test('is there for HTTP sessions, and for none that has ended', async () => {
    const { server, fd, client } = await openSlow();
    await connectTo(server);
    await until(() => expect(server.getClientList()).toHaveLength(2));
    expect(server.sessGetTxPending(lastFd(server))).toBe(0);
    client.raw.reset();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    for (const none of [fd, 0, -1, 99, Number.NaN]) {
      expect(await errorOf(() => server.sessGetTxPending(none))).toBe('ESP_ERR_NOT_FOUND');
    }
  });
});

describe('a broadcast to a reader with maxTxPending to read', () => {
  const MAX = 1_000_000;

  test.each(['drop', 'error'] as const)("with txOverflow '%s' leaves it out, until it has read", async txOverflow => {
    const { server, client, fd, ended, open, drained } = await openSlow({ maxTxPending: MAX, txOverflow });
    const fast = await open();
    fast.raw.socket.resume();
    let sent = 0;
    for (let taken = 2; taken === 2; sent++) {
      expect(sent).toBeLessThan(1_000);
      taken = server.wsBroadcast(KB100);
      await turns(1);
    }
    expect(server.wsBroadcast(wsFrame({ type: TEXT, payload: 'lost' }), which => which === fd)).toBe(0);
    expect(server.sessGetTxPending(fd)).toBeLessThan(MAX + 200_000);
    // control frames are exempt
    expect(server.wsBroadcast(wsFrame({ type: PING, payload: 'p' }))).toBe(2);
    client.raw.resume();
    await expectFrames(client, sent - 1);
    expect((await client.readFrame()).opcode).toBe(PING);
    await until(() => expect(drained).toContain(fd));
    expect(server.wsBroadcast(wsFrame({ type: TEXT, payload: 'here again' }))).toBe(2);
    expect((await client.readFrame()).text).toBe('here again');
    expect(ended).toEqual([]);
    await expectFrames(fast, sent);
  });

  test("with txOverflow 'close' ends it behind the broadcast, and no other", async () => {
    const { server, fd, ended, open } = await openSlow({ maxTxPending: MAX, txOverflow: 'close' });
    const fast = await open();
    let sent = 0;
    for (let taken = 2; taken === 2; sent++) {
      expect(sent).toBeLessThan(1_000);
      taken = server.wsBroadcast(KB100);
      // not within the call
      expect(ended).toEqual([]);
      await turns(1);
    }
    expect(ended).toMatchObject([{ fd, code: 1006, reason: expect.stringContaining('maxTxPending'), wasClean: false }]);
    expect(server.getClientList()).not.toContain(fd);
    await expectFrames(fast, sent);
    await expectSilence(fast);
  });

  test('control frames go to it, however much waits', async () => {
    const { server, client, fd, fill, ended } = await openSlow({ maxTxPending: MAX, txOverflow: 'error' });
    const sent = await fill(MAX);
    expect(await errorOf(() => server.wsSendFrameAsync(fd, KB100))).toBe('ESP_ERR_HTTPD_RESP_SEND');
    void server.wsSendFrameAsync(fd, wsFrame({ type: PING, payload: 'p' }));
    void server.wsSendFrameAsync(fd, wsFrame({ type: PONG, payload: 'q' }));
    client.send({ opcode: PING, payload: 'mine' });
    server.wsClose(fd, 1001);
    client.raw.resume();
    await expectFrames(client, sent);
    const got = [await client.readFrame(), await client.readFrame(), await client.readFrame()];
    expect(got.map(({ opcode }) => opcode)).toEqual([PING, PONG, CLOSE]);
    expect(ended).toEqual([]);
  });
});

describe('closing does not wait behind what is queued', () => {
  test('for a reader that does not read: recvWaitTimeout behind wsClose it is reset', async () => {
    const { server, fd, fill, clock, ended } = await openSlow({ ...LARGE, recvWaitTimeout: 4, sendWaitTimeout: 300 });
    await fill(1_000_000);
    server.wsClose(fd, 1000, 'bye');
    await pass(clock, 3);
    expect(ended).toEqual([]);
    await pass(clock, 3);
    expect(ended).toMatchObject([{ fd, code: 1006, wasClean: false }]);
  });

  test('for one that closes and does not read: recvWaitTimeout behind its Close', async () => {
    const { server, fd, client, clock, ended } = await openSlow({ ...LARGE, recvWaitTimeout: 4, sendWaitTimeout: 300 });
    // so little that its Close is looked at
    while (server.sessGetTxPending(fd) === 0) {
      void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: Buffer.alloc(10_000) }));
      await turns(1);
    }
    client.send({ opcode: CLOSE, payload: closeBody(1000, 'bye') });
    await turns();
    await pass(clock, 3);
    expect(ended).toEqual([]);
    await pass(clock, 3);
    // our Close has not reached it
    expect(ended).toEqual([{ fd, code: 1000, reason: 'bye', wasClean: false }]);
  });

  test('stop() ends it by its grace', async () => {
    const { server, fill, clock, ended } = await openSlow({ ...LARGE, recvWaitTimeout: 60, sendWaitTimeout: 300 });
    await fill(1_000_000);
    const stopped = server.stop({ grace: 2 });
    await pass(clock, 3);
    await stopped;
    expect(ended).toMatchObject([{ code: 1006, reason: 'the server stops' }]);
  });
});

describe('await on a send', () => {
  test('waits for room, and is rejected when the peer turns out to be dead', async () => {
    const { server, fd, clock, fill, ended } = await openSlow({ ...LARGE, sendWaitTimeout: 10 });
    await fill(1_000_000);
    let outcome = 'waits';
    void errorOf(() => server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'x' }))).then(name => {
      outcome = name;
    });
    await pass(clock, 8);
    expect(outcome).toBe('waits');
    await pass(clock, 5);
    expect(outcome).toBe('ESP_ERR_HTTPD_RESP_SEND');
    expect(ended).toMatchObject([{ code: 1006, reason: 'the peer did not read what it was sent' }]);
  });

  test('waits in the middle of a fragmented message too', async () => {
    const { server, fd, client } = await openSlow();
    let sent = 0;
    const all = (async () => {
      for (; sent < 300; sent++) {
        const type = sent === 0 ? BINARY : CONTINUE;
        await server.wsSendFrameAsync(fd, { ...KB100, type, fragmented: true, final: sent === 299 });
      }
    })();
    await turns(50);
    expect(sent).toBeLessThan(300);
    expect(server.sessGetTxPending(fd)).toBeLessThan(1_000_000);
    client.raw.resume();
    await expectFrames(client, 300);
    await all;
  });
});
