import { expect, test } from 'vitest';
import { ESP_ERR_TIMEOUT, EspError } from '../../src/err.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { ok, request, serve } from './support.js';

test('a handler that receives again after each timeout, as C code does, ends when the body is given up', async () => {
  const clock = new ManualClock();
  const codes: string[] = [];
  let waits = 0;
  const server = await serve(
    {
      'GET /': ok,
      'POST /': async req => {
        const buf = new Uint8Array(100);
        for (;;) {
          try {
            waits += 1;
            if ((await req.recv(buf)) === 0) break;
          } catch (error) {
            if (!(error instanceof EspError)) throw error;
            codes.push(error.name);
            // who looks for this one only would go on for ever
            if (codes.length < 10 && error.code === ESP_ERR_TIMEOUT) continue;
            throw error;
          }
        }
      },
    },
    { recvWaitTimeout: 5, minBodyRate: 240 },
    { clock },
  );
  const client = await connectTo(server);
  const other = await connectTo(server);
  client.send(`${request('POST /', 'Content-Length: 1000')}abc`);
  while (client.received.length === 0) {
    const before = waits;
    clock.advance(1_000);
    other.send(request('GET /'));
    expect((await other.readResponse()).status).toBe(200);
    expect(waits - before).toBeLessThan(10);
  }
  expect((await client.readResponse()).status).toBe(408);
  expect(codes).toEqual(['ESP_ERR_TIMEOUT', 'ESP_ERR_TIMEOUT', 'ESP_FAIL']);
});
