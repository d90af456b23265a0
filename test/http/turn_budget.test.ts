import { expect, test } from 'vitest';
import type { UriHandler } from '../../src/httpd/route.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { request, serve } from './support.js';

const turn = () => new Promise<void>(resolve => setImmediate(resolve));

test('the loop turns while thousands of pipelined requests are answered by asynchronous handlers', async () => {
  let answered = 0;
  const clock = new ManualClock();
  const answer: UriHandler = async req => {
    answered += 1;
    clock.hold(0.01);
    await req.respSend('x');
  };
  const server = await serve({ 'GET /': answer }, {}, { clock });
  const each = 1_500;
  const clients = await Promise.all(Array.from({ length: 16 }, () => connectTo(server)));
  for (const client of clients) client.send(request('GET /').repeat(each));
  let turns = 0;
  let most = 0;
  while (answered < each * clients.length) {
    const before = answered;
    await turn();
    turns += 1;
    most = Math.max(most, answered - before);
  }
  expect(turns).toBeGreaterThan(4);
  expect(most).toBeLessThan(5_000);
});
