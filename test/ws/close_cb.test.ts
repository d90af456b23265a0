import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { WsCloseInfo } from '../../src/httpd_ws/options.js';
import { connectTo } from '../support/server.js';
import { BINARY, CLOSE, closeBody, type FrameSpec, hex, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { deferred, echo, onFrame, pattern, startWs, until, type WsServer } from './ws_server.js';
import { OFFER, pass, turns } from './ws_watch.js';

interface Rig extends WsServer {
  readonly client: WsRawClient;
  readonly fd: number;
}

interface Way {
  readonly end: (rig: Rig) => unknown;
  readonly uri?: Partial<HttpdUri>;
  readonly config?: Partial<HttpdConfig>;
  /** What wsCloseCb must be told. */
  readonly told: Partial<Record<keyof WsCloseInfo, unknown>>;
}

const abnormal = (reason: string | RegExp) => ({
  code: 1006,
  reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
  wasClean: false,
});
const clean = (code: number, reason = '') => ({ code, reason, wasClean: true });
const close = (payload: Uint8Array = Buffer.alloc(0)): FrameSpec => ({ opcode: CLOSE, payload });
const fail = (): never => {
  throw new Error('broken');
};

/** The client's answer to a Close of the server. */
async function answer({ client }: Rig, code: number, reason = ''): Promise<void> {
  expect((await client.readFrame()).opcode).toBe(CLOSE);
  client.send(close(closeBody(code, reason)));
  await client.closed();
  client.raw.end();
}

const WAYS: Readonly<Record<string, Way>> = {
  'the peer closes with a code and a reason': {
    end: ({ client }) => client.send(close(closeBody(4001, 'tschüß 😀'))).raw.end(),
    told: clean(4001, 'tschüß 😀'),
  },
  'the peer closes with a code': {
    end: ({ client }) => client.send(close(closeBody(1001))).raw.end(),
    told: clean(1001),
  },
  'the peer closes without a code': { end: ({ client }) => client.send(close()).raw.end(), told: clean(1005) },
  'the peer closes and keeps the TCP connection': {
    end: async ({ client, clock }) => {
      client.send(close(closeBody(1000)));
      await client.closed();
      await pass(clock, 5);
    },
    told: clean(1000),
  },
  'the peer closes, its handler answers': {
    uri: { handleWsControlFrames: true, handler: echo },
    end: ({ client }) => client.send(close(closeBody(3999, 'x'))).raw.end(),
    told: clean(3999, 'x'),
  },
  'the peer closes in the middle of a message': {
    end: ({ client }) => client.send({ opcode: TEXT, fin: false }, close(closeBody(1000))).raw.end(),
    told: clean(1000),
  },
  'wsClose, and the peer answers with a code of its own': {
    end: async rig => {
      rig.server.wsClose(rig.fd, 4000, 'out');
      await answer(rig, 4242, 'mine');
    },
    told: clean(4242, 'mine'),
  },
  'wsClose, and the peer does not answer': {
    end: async ({ server, fd, client, clock }) => {
      server.wsClose(fd);
      await client.readFrame();
      await pass(clock, 10);
    },
    told: abnormal('the peer did not answer the Close frame'),
  },
  'wsClose, and the peer just leaves': {
    end: async ({ server, fd, client }) => {
      server.wsClose(fd);
      await client.readFrame();
      client.raw.end();
    },
    told: abnormal('the peer left without a Close frame'),
  },
  sessTriggerClose: {
    end: async rig => {
      rig.server.sessTriggerClose(rig.fd);
      await answer(rig, 1000);
    },
    told: clean(1000),
  },
  'a Close that the application sends as a frame': {
    end: async rig => {
      await rig.server.wsSendFrameAsync(rig.fd, wsFrame({ type: CLOSE, payload: closeBody(1001) }));
      await answer(rig, 1001);
    },
    told: clean(1001),
  },
  'both sides close at the same time': {
    end: async ({ server, fd, client }) => {
      client.send(close(closeBody(4001)));
      server.wsClose(fd, 4002);
      expect((await client.readFrame()).code).toBe(4002);
      client.raw.end();
    },
    told: clean(4001),
  },
  'the peer breaks a rule': {
    end: ({ client }) => client.send(hex('ff')).raw.end(),
    told: abnormal(/^a reserved bit is set/),
  },
  'the Close of the peer is wrong': {
    end: ({ client }) => client.send(close(closeBody(1005))).raw.end(),
    told: abnormal(/^a close code that must not be sent/),
  },
  'text that is not UTF-8': {
    end: ({ client }) => client.send({ opcode: TEXT, payload: hex('ff') }).raw.end(),
    told: abnormal(/not UTF-8/),
  },
  'a frame that is too long': {
    uri: { wsMaxFrameLen: 2 },
    end: ({ client }) => client.send({ opcode: BINARY, payload: 'xxx' }).raw.end(),
    told: abnormal(/wsMaxFrameLen/),
  },
  'a message that is too long': {
    uri: { wsMaxMessageLen: 2, wsMessageMode: true },
    end: ({ client }) => client.send({ opcode: BINARY, payload: 'xxx' }).raw.end(),
    told: abnormal(/wsMaxMessageLen/),
  },
  'incomplete messages fill the memory': {
    uri: { wsMessageMode: true },
    config: { maxWsPending: 1_024 },
    end: ({ client }) => client.send({ opcode: BINARY, payload: Buffer.alloc(1_025), fin: false }).raw.end(),
    told: abnormal(/maxWsPending/),
  },
  'a compressed message that is broken': {
    end: ({ client }) => client.send({ opcode: TEXT, payload: hex('ffff'), rsv: 4 }).raw.end(),
    told: abnormal(/^a compressed message is broken/),
  },
  'the peer resets the connection': { end: ({ client }) => client.raw.reset(), told: abnormal(/./) },
  'the peer sends FIN': {
    end: ({ client }) => client.raw.end(),
    told: abnormal('the peer left without a Close frame'),
  },
  'the peer sends FIN in the middle of a frame': {
    end: ({ client }) => client.send(hex('8185')).raw.end(),
    told: abnormal('the peer left without a Close frame'),
  },
  'a frame that does not arrive': {
    end: async ({ client, clock }) => {
      client.send(hex('8185'));
      await turns();
      await pass(clock, 8);
      client.raw.end();
    },
    told: abnormal(/recvWaitTimeout/),
  },
  'a dead peer': {
    uri: { wsPingInterval: 5, wsPongTimeout: 5 },
    end: ({ clock }) => pass(clock, 20),
    told: abnormal(/wsPongTimeout/),
  },
  inactivity: {
    uri: { wsInactivityTimeout: 5 },
    end: async rig => {
      await pass(rig.clock, 6);
      await answer(rig, 1008);
    },
    told: clean(1008),
  },
  age: {
    uri: { wsRequestTimeout: 5 },
    end: async rig => {
      await pass(rig.clock, 6);
      await answer(rig, 1008, 'ok');
    },
    told: clean(1008, 'ok'),
  },
  'its handler throws': {
    uri: { handler: onFrame(fail) },
    end: ({ client }) => client.send({ opcode: TEXT }).raw.end(),
    told: abnormal('the URI handler failed'),
  },
  'its handler that is not async returns ESP_FAIL': {
    uri: { handleWsHandshake: false, handler: () => -1 },
    end: ({ client }) => client.send({ opcode: TEXT }).raw.end(),
    told: abnormal('the URI handler failed'),
  },
  'wsPostHandshakeCb throws': {
    uri: { wsPostHandshakeCb: fail },
    end: ({ client }) => client.raw.end(),
    told: abnormal('the URI handler failed'),
  },
  'the peer leaves while its handler runs, which never ends': {
    uri: { handler: onFrame(() => deferred().promise) },
    end: async ({ client }) => {
      client.send({ opcode: TEXT });
      await turns();
      client.raw.reset();
    },
    told: abnormal(/./),
  },
  'too much to send': {
    config: { maxTxPending: 10_000 },
    end: ({ server, fd, client }) => {
      client.raw.pause();
      // too long to be compressed
      const frame = wsFrame({ type: BINARY, payload: pattern(2_000_000) });
      for (let i = 0; server.wsBroadcast(frame, which => which === fd) === 1; i++) expect(i).toBeLessThan(100);
    },
    told: abnormal(/maxTxPending/),
  },
  'a peer that does not read': {
    config: { maxTxPending: 64 << 20, sendWaitTimeout: 5 },
    end: async ({ server, fd, client, clock }) => {
      client.raw.pause();
      server.wsBroadcast(wsFrame({ type: BINARY, payload: Buffer.alloc(20_000_000) }), which => which === fd);
      await turns();
      await pass(clock, 10);
    },
    told: abnormal('the peer did not read what it was sent'),
  },
  purge: {
    config: { maxOpenSockets: 1, lruPurgeEnable: true },
    end: ({ server }) => connectTo(server),
    told: abnormal(/purged/),
  },
  'stop, and the peer answers': {
    end: async rig => {
      const stopped = rig.server.stop();
      await answer(rig, 1001);
      await stopped;
    },
    told: clean(1001),
  },
  'stop, and the grace passes': {
    end: async ({ server, clock }) => {
      const stopped = server.stop({ grace: 2 });
      await turns();
      await pass(clock, 3);
      await stopped;
    },
    told: abnormal('the server stops'),
  },
  'stop without grace': {
    end: async ({ server, clock }) => {
      const stopped = server.stop({ grace: 0 });
      await turns();
      clock.advance(0);
      await stopped;
    },
    told: abnormal('the server stops'),
  },
};

describe('wsCloseCb is called once, and before closeFn, when a WebSocket ends by', () => {
  test.each(Object.entries(WAYS))('%s', async (name, { end, uri, config, told }) => {
    const order: string[] = [];
    const infos: WsCloseInfo[] = [];
    let server: HttpdServer | undefined;
    const ws = await startWs(
      {
        wsPerMessageDeflate: true,
        wsPreHandshakeCb: (req: HttpdReq) => {
          req.sessCtx = `context of ${req.toSockfd()}`;
          req.freeCtx = ctx => order.push(`free ${String(ctx)}`);
        },
        wsCloseCb: info => {
          infos.push(info);
          order.push(`wsCloseCb ${info.fd}: ${String(server?.sessGetCtx(info.fd))}`);
        },
        ...uri,
      },
      { closeFn: (_server, fd) => order.push(`closeFn ${fd}`), ...config },
    );
    ({ server } = ws);
    server.on('disconnected', which => order.push(`disconnected ${which}`));
    const opened = await openAnyway(ws);
    const { fd } = opened;
    await end({ ...ws, ...opened });
    await until(() => {
      ws.clock.advance(100);
      expect(order).toContain(`disconnected ${fd}`);
    });
    await turns();
    expect(infos).toEqual([{ fd, ...told }]);
    const mine = order.filter(entry => entry.includes(`${fd}`));
    expect(mine.slice(0, 3)).toEqual([`wsCloseCb ${fd}: context of ${fd}`, `closeFn ${fd}`, `disconnected ${fd}`]);
    // a handler that still runs has the context
    if (!name.includes('never ends')) expect(mine.slice(3)).toEqual([`free context of ${fd}`]);
  });
});

/** Opens a WebSocket, be it one that ends at once. */
async function openAnyway(ws: WsServer): Promise<{ client: WsRawClient; fd: number }> {
  let fd = -1;
  ws.server.once('connected', which => {
    fd = which;
  });
  return { client: await ws.open(OFFER), fd };
}
