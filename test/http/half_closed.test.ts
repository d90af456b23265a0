/** A client that has sent FIN, and still waits for its answer. */
import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import type { UriHandler } from '../../src/httpd/route.js';
import { connectTo } from '../support/server.js';
import { deferred, post, request, serve, turns } from './support.js';

const fail = () => {
  throw new Error('of its own');
};

/** Its handler goes on when the server has seen the FIN. @returns the status of the answer */
async function statusOf(bytes: string, handler: UriHandler): Promise<number> {
  const entered = deferred();
  const gate = deferred();
  const server = await serve({
    'ANY /': async req => {
      entered.resolve();
      await gate.promise;
      return handler(req);
    },
  });
  const client = await connectTo(server);
  client.send(bytes);
  await entered.promise;
  client.end();
  await turns(10);
  gate.resolve();
  const { status } = await client.readResponse();
  expect(await client.closed()).toBe('fin');
  return status;
}

const CUT = post('/', 'half').replace('Content-Length: 4', 'Content-Length: 8');
const CUT_CHUNKS = `${request('POST /', 'Transfer-Encoding: chunked')}4\r\nhal`;

describe.each([
  ['a request without a body', request('GET /')],
  ['a whole body', post('/', 'body')],
  ['a body that is cut off', CUT],
  ['chunks that are cut off', CUT_CHUNKS],
])('behind %s', (_what, bytes) => {
  test.each<[string, UriHandler]>([
    ['throws', fail],
    ['rejects', async () => fail()],
    ['returns ESP_FAIL', () => ESP_FAIL],
    ['answers nothing', () => undefined],
  ])('a handler that %s without having read it is a 500', async (_how, handler) => {
    expect(await statusOf(bytes, handler)).toBe(500);
  });

  test('a handler that does not need it is served', async () => {
    expect(await statusOf(bytes, req => req.respSend('ok'))).toBe(200);
  });
});

describe.each([CUT, CUT_CHUNKS])('a handler that has heard that the body is cut off (%j)', bytes => {
  test.each<[string, UriHandler]>([
    ['lets that pass', async req => void (await req.text())],
    [
      'refuses',
      async req =>
        req.text().then(
          () => 0,
          () => ESP_FAIL,
        ),
    ],
  ])('and %s: 400', async (_how, handler) => {
    expect(await statusOf(bytes, handler)).toBe(400);
  });
});
