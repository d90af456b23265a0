import { describe, expect, test } from 'vitest';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_401_UNAUTHORIZED,
  HTTPD_403_FORBIDDEN,
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_408_REQ_TIMEOUT,
  HTTPD_411_LENGTH_REQUIRED,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_414_URI_TOO_LONG,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
  HTTPD_505_VERSION_NOT_SUPPORTED,
} from '../../src/httpd/http_err.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import type { RawClient } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { isOpen, ok, post, request, serve, stillServes, turns } from './support.js';

interface Case {
  readonly code: number;
  readonly status: string;
  /** What provokes it. */
  readonly bytes: string;
  /** Does the connection end whatever an error handler says? */
  readonly closes?: boolean;
  /** Does it stay open behind the default page too? */
  readonly staysOpen?: boolean;
}

const CASES: readonly Case[] = [
  {
    code: HTTPD_400_BAD_REQUEST,
    status: '400 Bad Request',
    bytes: 'GET / HTTP/1.1\r\nno colon\r\n\r\n',
    closes: true,
  },
  { code: HTTPD_401_UNAUTHORIZED, status: '401 Unauthorized', bytes: request('GET /unauthorized') },
  { code: HTTPD_403_FORBIDDEN, status: '403 Forbidden', bytes: request('GET /forbidden') },
  { code: HTTPD_404_NOT_FOUND, status: '404 Not Found', bytes: request('GET /nowhere'), staysOpen: true },
  { code: HTTPD_405_METHOD_NOT_ALLOWED, status: '405 Method Not Allowed', bytes: request('DELETE /'), staysOpen: true },
  { code: HTTPD_408_REQ_TIMEOUT, status: '408 Request Timeout', bytes: 'GET / HTTP/1.1\r\nHo', closes: true },
  {
    code: HTTPD_411_LENGTH_REQUIRED,
    status: '411 Length Required',
    bytes: request('POST /post HTTP/1.0', 'Connection: keep-alive'),
  },
  {
    code: HTTPD_413_CONTENT_TOO_LARGE,
    status: '413 Content Too Large',
    bytes: post('/post', 'x'.repeat(101)),
    closes: true,
  },
  {
    code: HTTPD_414_URI_TOO_LONG,
    status: '414 URI Too Long',
    bytes: request(`GET /${'x'.repeat(100)}`),
    closes: true,
  },
  {
    code: HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
    status: '431 Request Header Fields Too Large',
    bytes: request('GET /', `X-Large: ${'x'.repeat(200)}`),
    closes: true,
  },
  {
    code: HTTPD_500_INTERNAL_SERVER_ERROR,
    status: '500 Internal Server Error',
    bytes: request('GET /throws'),
    closes: true,
  },
  {
    code: HTTPD_501_METHOD_NOT_IMPLEMENTED,
    status: '501 Method Not Implemented',
    bytes: request('BREW /'),
    closes: true,
  },
  {
    code: HTTPD_505_VERSION_NOT_SUPPORTED,
    status: '505 Version Not Supported',
    bytes: request('GET / HTTP/2.0'),
    closes: true,
  },
];

const NAMED = CASES.map(item => [item.status, item] as const);

async function start(clock = new ManualClock()): Promise<{ server: HttpdServer; clock: ManualClock }> {
  const server = await serve(
    {
      'GET /': ok,
      'POST /post': ok,
      'GET /unauthorized': req => req.handleErr(HTTPD_401_UNAUTHORIZED),
      'GET /forbidden': req => req.handleErr(HTTPD_403_FORBIDDEN),
      'GET /throws': () => {
        throw new Error('secret detail');
      },
    },
    { maxUriLen: 100, maxReqHdrLen: 200, maxReqBodyLen: 100 },
    { clock },
  );
  return { server, clock };
}

/** A client that has sent what provokes the error; a timeout needs the clock to move when the server has seen the bytes. */
async function provoke(server: HttpdServer, clock: ManualClock, { code, bytes }: Case): Promise<RawClient> {
  const client = await connectTo(server);
  client.send(bytes);
  if (code === HTTPD_408_REQ_TIMEOUT) {
    await stillServes(server, '/');
    clock.advance(7_000);
  }
  return client;
}

describe.each(NAMED)('%s', (status, item) => {
  test('the default answer is a page for a person, and the connection ends behind it, but for 404 and 405', async () => {
    const { server, clock } = await start();
    const client = await provoke(server, clock, item);
    const response = await client.readResponse();
    expect(response.statusLine).toBe(`HTTP/1.1 ${status}`);
    expect(response.headers['content-type']).toBe('text/html');
    expect(response.headers.connection).toBe(item.staysOpen ? undefined : 'close');
    expect(response.headers.date).toMatch(/ GMT$/);
    expect(response.text).toContain(`<title>${status}</title>`);
    expect(response.text).toContain(`<h1>${status}</h1>`);
    expect(response.text).toMatch(/<p>[A-Z][^<>]{15,}\.<\/p>/);
    expect(response.text).not.toMatch(/secret|ESP_|HTTPD_|HPE_|undefined|\bat \/|node:/);
    if (item.staysOpen) expect(await isOpen(client, '/')).toBe(true);
    else expect(await client.closed()).toBe('fin');
    expect(client.received).toHaveLength(0);
    await stillServes(server, '/');
  });

  test.each([
    ['sync', 0],
    ['async', 3],
  ])('an error handler (%s) answers instead; ESP_OK keeps the connection where the error allows it', async (_n, n) => {
    const { server, clock } = await start();
    const codes: number[] = [];
    server.registerErrHandler(item.code, (req, code) => {
      codes.push(code);
      const answer = () => {
        req.respSetStatus('299 Mine');
        void req.respSend(`mine for ${code}`);
        return 0;
      };
      return n === 0 ? answer() : turns(n).then(answer);
    });
    const client = await provoke(server, clock, item);
    const response = await client.readResponse();
    expect([response.statusLine, response.text]).toEqual(['HTTP/1.1 299 Mine', `mine for ${item.code}`]);
    expect(codes).toEqual([item.code]);
    if (item.closes) {
      expect(response.headers.connection).toBe('close');
      expect(await client.closed()).toBe('fin');
    } else {
      expect(await isOpen(client, '/')).toBe(true);
    }
  });

  test('an error handler that returns ESP_FAIL ends the connection behind its answer', async () => {
    const { server, clock } = await start();
    server.registerErrHandler(item.code, async req => {
      await req.respSend('mine');
      return -1;
    });
    const client = await provoke(server, clock, item);
    expect((await client.readResponse()).text).toBe('mine');
    expect(await client.closed()).toBe('fin');
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('secret detail');
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret detail'))],
    ['does not answer', () => 0],
    ['throws something that is no error', () => Promise.reject(undefined)],
  ])('an error handler that %s: the client gets the default 500', async (_name, handler) => {
    const { server, clock } = await start();
    server.registerErrHandler(item.code, handler);
    const client = await provoke(server, clock, item);
    const response = await client.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 500 Internal Server Error');
    expect(response.text).not.toContain('secret');
    expect(await client.closed()).toBe('fin');
    await stillServes(server, '/');
  });

  test.each([undefined, null])('%s brings the default page back', async nobody => {
    const { server, clock } = await start();
    server.registerErrHandler(item.code, req => req.respSend('mine'));
    server.registerErrHandler(item.code, nobody);
    const client = await provoke(server, clock, item);
    expect((await client.readResponse()).text).toContain(`<h1>${status}</h1>`);
  });

  test("the 'error' event tells its code", async () => {
    const { server, clock } = await start();
    const codes: number[] = [];
    server.on('error', code => codes.push(code));
    const client = await provoke(server, clock, item);
    await client.readResponse();
    expect(codes).toEqual([item.code]);
  });
});
