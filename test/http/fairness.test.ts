import { afterEach, describe, expect, test } from 'vitest';
import { AfterPollClock, tireLoop } from '../support/after_poll.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS, type RawClient } from '../support/raw_client.js';
import { connectTo, turn } from '../support/server.js';
import { request, serve } from './support.js';

const PADDING = `X-Padding: ${'x'.repeat(1_400)}`;
const rest: (() => void)[] = [];

afterEach(() => {
  for (const fn of rest.splice(0)) fn();
});

const openAll = (server: Parameters<typeof connectTo>[0], n: number): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: n }, () => connectTo(server)));

describe('a quiet client beside clients that pipeline', () => {
  test.each([4, 20])('is answered before %i of them have got much', async crowd => {
    const each = 1_200 / crowd;
    const clock = new ManualClock();
    let busy = 0;
    let before: number | undefined;
    let quiet: RawClient | undefined;
    const server = await serve(
      {
        'GET /busy': async req => {
          busy += 1;
          // as long as the handler might take
          clock.hold(1);
          // the kernel has it at once
          if (busy === 500) quiet?.send(request('GET /quiet'));
          await req.respSend('x');
        },
        'GET /quiet': req => {
          before = busy - 500;
          void req.respSend('quiet');
        },
      },
      {},
      { clock },
    );
    quiet = await connectTo(server);
    const clients = await openAll(server, crowd);
    for (const client of clients) client.discard().send(request('GET /busy', PADDING).repeat(each));
    expect((await quiet.readResponse()).text).toBe('quiet');
    // 10 ms of a turn for those who have waited, and 2 ms for each whose bytes have come
    expect(before).toBeLessThan(150);
    await expect.poll(() => busy).toBe(each * crowd);
  });

  test('who has waited for its turn for longer than idleTimeout is not idle', async () => {
    const clock = new AfterPollClock();
    const each = 60;
    const server = await serve(
      {
        'GET /': req => {
          clock.hold(1_000);
          void req.respSend('x');
        },
      },
      { idleTimeout: 5 },
      { clock },
    );
    const clients = await openAll(server, 10);
    const all = clients.map(client => client.send(request('GET /').repeat(each)).readAll());
    let ended = 0;
    for (const one of all) one.then(() => (ended += 1));
    while (ended < clients.length) {
      clock.advance(1);
      await turn();
    }
    // each was closed in the end, when it had nothing more to ask
    for (const bytes of await Promise.all(all)) {
      expect(bytes.toString('latin1').split('HTTP/1.1 200').length - 1).toBe(each);
    }
  });

  test('whose request the kernel has is not closed as idle, however late the loop comes to look', async () => {
    const clock = new AfterPollClock();
    let going = true;
    const server = await serve(
      {
        'GET /busy': req => void req.respSend('x'),
        'GET /quiet': req => void req.respSend('quiet'),
      },
      { idleTimeout: 60 },
      { clock },
    );
    rest.push(() => {
      going = false;
    });
    const quiet = await connectTo(server);
    const clients = await openAll(server, 40);
    const keepBusy = async (client: RawClient): Promise<void> => {
      while (going) {
        client.send(request('GET /busy'));
        await client.readResponse();
      }
    };
    const all = Promise.allSettled(clients.map(keepBusy));
    rest.push(tireLoop());
    // over TLS a turn is long, and its loop looks at everybody
    for (let i = 0; i < (OVER_TLS ? 1 : 5); i++) {
      // it is due at 60 s
      for (let n = 0; n < 58; n++) clock.advance(1_000);
      await turn();
      quiet.send(request('GET /quiet'));
      // two ticks: one that finds the loop held up looks at nobody
      for (let n = 0; n < 4; n++) clock.advance(1_000);
      await turn();
      expect((await quiet.readResponse()).text).toBe('quiet');
    }
    going = false;
    await all;
  });
});
