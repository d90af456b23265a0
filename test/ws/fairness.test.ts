import { afterEach, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { AfterPollClock, tireLoop } from '../support/after_poll.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo, startTestServer, turn } from '../support/server.js';
import { BINARY, buildFrame, PING, PONG, WsRawClient } from '../support/ws_frames.js';
import { echo, startWs } from './ws_server.js';
import { endLog, pass } from './ws_watch.js';

const MESSAGE = buildFrame({ opcode: BINARY, payload: 'ab' });
const rest: (() => void)[] = [];

afterEach(() => {
  for (const fn of rest.splice(0)) fn();
});

test('a quiet WebSocket is answered before those that send as fast as they can have got much', async () => {
  let busy = 0;
  let before: number | undefined;
  let quiet: WsRawClient | undefined;
  const handler = async (req: HttpdReq): Promise<void> => {
    if (req.method === 1) return;
    if (req.sessCtx === 'quiet') before = busy - 3_000;
    busy += 1;
    // as long as the handler might take
    clock.hold(0.1);
    if (busy === 3_000) quiet?.send({ opcode: BINARY, payload: 'me' });
    await echo(req);
  };
  const { server, open, clock } = await startWs({ handler });
  const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
  quiet = await open();
  const fd = Math.max(...server.getClientList());
  server.sessSetCtx(fd, 'quiet');
  for (const { raw } of clients) raw.discard().send(Buffer.concat(Array.from({ length: 1_000 }, () => MESSAGE)));
  expect((await quiet.readFrame()).text).toBe('me');
  expect(before).toBeLessThan(1_500);
  await expect.poll(() => busy).toBe(20_001);
});

test('a Ping flood gets its share, and a quiet WebSocket is answered meanwhile', async () => {
  const { open, clock } = await startWs();
  const flood = await open();
  const quiet = await open();
  const { now } = clock;
  // each look at the clock finds that time has passed
  clock.now = () => {
    clock.hold(1);
    return now.call(clock);
  };
  flood.raw.send(Buffer.concat(Array.from({ length: 8_000 }, () => buildFrame({ opcode: PING }))));
  quiet.send({ opcode: BINARY, payload: 'me' });
  expect((await quiet.readFrame()).text).toBe('me');
  expect(flood.raw.received.length).toBeLessThan(8_000);
  await expect.poll(() => flood.raw.received.length).toBe(16_000);
});

test('a Pong that the kernel has is seen before its WebSocket is given up, however late the loop comes to look', async () => {
  const clock = new AfterPollClock();
  const { ended, wsCloseCb } = endLog();
  const server = await startTestServer({ recvWaitTimeout: 5 }, { clock });
  const options = { method: 1, isWebsocket: true, handler: echo } as const;
  server.registerUriHandler({ ...options, uri: '/ws', wsPingInterval: 30, wsPongTimeout: 10, wsCloseCb });
  server.registerUriHandler({ ...options, uri: '/busy', wsPingInterval: 0 });
  const open = async (path: string) => WsRawClient.upgrade(await connectTo(server), { path });
  const quiet = await open('/ws');
  const clients = await Promise.all(Array.from({ length: 40 }, () => open('/busy')));
  let going = true;
  const all = Promise.allSettled(
    clients.map(async client => {
      while (going) {
        client.raw.send(MESSAGE);
        await client.readFrame();
      }
    }),
  );
  rest.push(() => {
    going = false;
  });
  rest.push(tireLoop());
  // over TLS a turn is long, and its loop looks at everybody
  for (let i = 0; i < (OVER_TLS ? 1 : 5); i++) {
    while (quiet.raw.received.length === 0) await pass(clock, 1);
    expect((await quiet.readFrame()).opcode).toBe(PING);
    await pass(clock, 5);
    quiet.send({ opcode: PONG });
    for (let n = 0; n < 8; n++) clock.advance(1_000);
    await turn();
    await turn();
    expect(ended).toEqual([]);
  }
  going = false;
  await all;
});
