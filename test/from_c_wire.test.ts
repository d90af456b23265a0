/** "What a client sees" of docs/from-c.md: what differs from ESP-IDF on purpose, as the page says. */
import { describe, expect, test } from 'vitest';
import { queryKeyValue } from '../src/httpd/headers.js';
import { HTTP_GET } from '../src/httpd/methods.js';
import type { HttpdReq } from '../src/httpd/req.js';
import type { HttpdServer } from '../src/httpd/server.js';
import { wsFrame } from '../src/httpd_ws/frame_type.js';
import { RawClient } from './support/raw_client.js';
import { startTestServer } from './support/server.js';

async function start(): Promise<HttpdServer> {
  const server = await startTestServer();
  const serve = (uri: string, handler: (req: HttpdReq) => unknown, isWebsocket = false) =>
    server.registerUriHandler({ uri, method: HTTP_GET, handler: handler as never, isWebsocket });
  serve('/seen', req => {
    const value = queryKeyValue(req.getUrlQueryStr() ?? '', 'a');
    return req.respSend(JSON.stringify([req.getHdrValueStr('x-test'), req.getCookieVal('c'), value]));
  });
  serve('/fails', () => -1);
  serve('/silent', () => 0);
  serve('/unfinished', req => req.respSendChunk('abc'));
  serve('/breaks', async req => {
    await req.respSendChunk('abc');
    return -1;
  });
  serve(
    '/ws',
    async req => {
      if (req.method === HTTP_GET) return;
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, 10);
      await req.wsSendFrame(pkt);
    },
    true,
  );
  return server;
}

/** All that comes back for a request on a connection of its own, whose end the client tells. */
async function exchange(server: HttpdServer, bytes: string | Buffer): Promise<string> {
  const client = await RawClient.connect(server.port);
  client.send(bytes).end();
  await client.closed();
  return client.received.toString('latin1');
}

const get = (target: string, field = '', version = 'HTTP/1.1') => `GET ${target} ${version}\r\nHost: h\r\n${field}\r\n`;

describe('what a client sees', () => {
  test.each([
    ['blanks behind a value', get('/seen', 'X-Test:   v   \r\n'), ['v', null, null]],
    ['a cookie in quotes', get('/seen', 'Cookie: c="q"\r\n'), [null, 'q', null]],
    ['HTTP/1.2', get('/seen', '', 'HTTP/1.2'), [null, null, null]],
    ['?a&a=3', get('/seen?a&a=3'), [null, null, '3']],
    ['a raw bar', get('/seen?a=|'), [null, null, '|']],
  ])('%s', async (_what, request, seen) => {
    const answer = await exchange(await start(), request);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] as string)).toEqual(seen);
  });

  test.each(['/seen?a="', '/<', '/>', '/seen#a'])('400, with the reason: %s', async target => {
    expect(await exchange(await start(), get(target))).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*The reason: [\s\S]* in the target/,
    );
  });

  test.each(['/fails', '/silent'])('500, where the handler has not answered: %s', async target => {
    expect(await exchange(await start(), get(target))).toMatch(
      /^HTTP\/1\.1 500 [\s\S]*<h1>500 Internal Server Error<\/h1>/,
    );
  });

  test.each(['/unfinished', '/breaks'])('no end of the body, and no further answer: %s', async target => {
    expect(await exchange(await start(), get(target) + get('/seen'))).toMatch(/\r\n\r\n3\r\nabc\r\n$/);
  });

  test('the events of a handshake and of frames', async () => {
    const server = await start();
    const events: string[] = [];
    for (const name of ['header', 'headersSent', 'data', 'sentData'] as const) {
      server.on(name, (given: unknown) => {
        const len = (given as { dataLen?: number }).dataLen;
        events.push(len === undefined ? name : `${name} ${len}`);
      });
    }
    const handshake = get(
      '/ws',
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    );
    const frame = Buffer.from('8181010203046088820102030402ea', 'hex');
    await exchange(server, Buffer.concat([Buffer.from(handshake), frame]));
    expect(events.slice(0, 4)).toEqual(['header', 'headersSent', 'data 1', 'sentData 1']);
  });
});
