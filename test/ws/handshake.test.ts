import { describe, expect, test } from 'vitest';
import { HTTP_GET, HTTP_POST } from '../../src/httpd/methods.js';
import { connectTo } from '../support/server.js';
import { acceptFor, handshakeRequest, SAMPLE_KEY, TEXT } from '../support/ws_frames.js';
import { startWs } from './ws_server.js';

const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

/** Sends `request` to a new echo server and returns the answer, with one that a further GET gets if it is asked for. */
async function answerTo(request: string) {
  const { server } = await startWs();
  const client = await connectTo(server);
  client.send(request);
  return { response: await client.readResponse(), client, server };
}

describe('the answer to a handshake', () => {
  test('is byte for byte that of RFC 6455 for its sample key', async () => {
    const { server } = await startWs();
    const client = await connectTo(server);
    client.send(handshakeRequest({ key: SAMPLE_KEY }));
    expect((await client.readUntil('\r\n\r\n')).toString('latin1')).toBe(`${SWITCHING}\r\n`);
  });

  test('names the chosen subprotocol behind the accepted key', async () => {
    const { server } = await startWs({ supportedSubprotocol: 'chat' });
    const client = await connectTo(server);
    client.send(handshakeRequest({ headers: { 'Sec-WebSocket-Protocol': 'chat' } }));
    const answer = (await client.readUntil('\r\n\r\n')).toString('latin1');
    expect(answer).toBe(`${SWITCHING}Sec-WebSocket-Protocol: chat\r\n\r\n`);
  });

  test('hashes the key that the client sent', async () => {
    const key = Buffer.from('0123456789abcdef').toString('base64');
    const { open } = await startWs();
    const ws = await open({ key });
    expect(ws.response.headers['sec-websocket-accept']).toBe(acceptFor(key));
  });

  test('ignores extensions that the client offers', async () => {
    const { open } = await startWs();
    const ws = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });
    expect(ws.response.headers).not.toHaveProperty('sec-websocket-extensions');
  });

  test.each([
    ['header names in lower case', 'GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n'],
    ['header names in upper case', 'GET /ws HTTP/1.1\r\nHOST: x\r\nUPGRADE: websocket\r\nCONNECTION: Upgrade\r\n'],
    ['values in other case', 'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: UPGRADE\r\n'],
    [
      'Connection: keep-alive, Upgrade',
      'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n',
    ],
    [
      'Connection in two lines',
      'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n',
    ],
    ['a list in Upgrade', 'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade\r\n'],
    ['a query', 'GET /ws?token=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'],
    [
      'Content-Length: 0',
      'GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n',
    ],
  ])('comes for a handshake with %s', async (_name, head) => {
    const { response } = await answerTo(`${head}sec-websocket-key: ${SAMPLE_KEY}\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n`);
    expect(response.status).toBe(101);
  });

  test('comes whatever white space stands around the key', async () => {
    const { response } = await answerTo(
      `GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: \t ${SAMPLE_KEY} \t\r\nSec-WebSocket-Version:13\r\n\r\n`,
    );
    expect(response.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  test('comes for a handshake cut at each byte', async () => {
    const { server } = await startWs();
    const request = handshakeRequest();
    for (let at = 1; at < request.length; at++) {
      const client = await connectTo(server);
      await client.sendPieces([request.slice(0, at), request.slice(at)]);
      expect((await client.readUntil('\r\n\r\n')).toString('latin1')).toBe(`${SWITCHING}\r\n`);
      client.destroy();
    }
  });
});

describe('a handshake that is not one', () => {
  test.each(['8', '12', '14', '0', '130', '013', '13.0', 'thirteen', '', '13, 8'])(
    'with version %j gets 426 and the version that the server speaks',
    async version => {
      const { response } = await answerTo(handshakeRequest({ headers: { 'Sec-WebSocket-Version': version } }));
      expect(response.statusLine).toBe('HTTP/1.1 426 Upgrade Required');
      expect(response.headers['sec-websocket-version']).toBe('13');
      expect(response.headers.upgrade).toBe('websocket');
    },
  );

  test('a plain GET gets 426 with Upgrade', async () => {
    const { response } = await answerTo('GET /ws HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(response.status).toBe(426);
    expect(response.headers.upgrade).toBe('websocket');
    expect(response.text).toMatch(/WebSocket/);
  });

  test('426 names Upgrade in Connection too (RFC 9110 section 7.8)', async () => {
    const { response } = await answerTo('GET /ws HTTP/1.1\r\nHost: x\r\n\r\n');
    const options = (response.headers.connection ?? '').split(',').map(option => option.trim().toLowerCase());
    expect(options).toContain('upgrade');
  });

  test.each([
    ['without Connection: Upgrade', { Connection: 'keep-alive' }],
    ['without Upgrade', { Upgrade: undefined }],
    ['for another protocol', { Upgrade: 'h2c' }],
    ['for a protocol whose name only begins so', { Upgrade: 'websockets' }],
  ])('%s gets 426', async (_name, headers: Record<string, string | undefined>) => {
    const { response } = await answerTo(handshakeRequest({ headers }));
    expect(response.status).toBe(426);
    expect(response.headers.upgrade).toBe('websocket');
  });

  test.each([
    ['without a version', { 'Sec-WebSocket-Version': undefined }],
    ['without a key', { 'Sec-WebSocket-Key': undefined }],
    ['with an empty key', { 'Sec-WebSocket-Key': '' }],
    ['with a key of 15 bytes', { 'Sec-WebSocket-Key': Buffer.alloc(15).toString('base64') }],
    ['with a key of 17 bytes', { 'Sec-WebSocket-Key': Buffer.alloc(17).toString('base64') }],
    ['with a key without padding', { 'Sec-WebSocket-Key': SAMPLE_KEY.slice(0, -2) }],
    ['with a key that is not base64', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j!!==' }],
    ['with a key in URL-safe base64', { 'Sec-WebSocket-Key': '-_____________________A==' }],
    ['with a very long key', { 'Sec-WebSocket-Key': 'A'.repeat(4_000) }],
    ['with two keys', { 'Sec-WebSocket-Key': `${SAMPLE_KEY}\r\nSec-WebSocket-Key: ${SAMPLE_KEY}` }],
  ])('%s gets 400', async (_name, headers: Record<string, string | undefined>) => {
    const { response } = await answerTo(handshakeRequest({ headers }));
    expect(response.statusLine).toBe('HTTP/1.1 400 Bad Request');
    expect(response.headers).not.toHaveProperty('upgrade');
  });

  test('in HTTP/1.0 is not answered with 101', async () => {
    const { response, client } = await answerTo(handshakeRequest().replace('HTTP/1.1', 'HTTP/1.0'));
    expect([400, 426]).toContain(response.status);
    expect(await client.closed()).toBe('fin');
  });

  test('by POST gets 405', async () => {
    const { response } = await answerTo(handshakeRequest().replace('GET', 'POST'));
    expect(response.status).toBe(405);
    expect(response.headers.allow).toContain('GET');
  });

  test.each([
    ['a Content-Length', 'Content-Length: 5\r\n', 'hello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
  ])('with a body by %s gets 400, and the body is not taken for frames or a request', async (_name, field, body) => {
    const called: number[] = [];
    const { server } = await startWs({
      handler: req => {
        called.push(req.method);
      },
    });
    server.registerUriHandler({ uri: '/next', method: HTTP_GET, handler: req => req.respSend('next') });
    const client = await connectTo(server);
    const head = handshakeRequest().slice(0, -2);
    client.send(`${head}${field}\r\n${body}GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect((await client.readResponse()).status).toBe(400);
    expect(called).toEqual([]);
    const rest = (await client.readAll()).toString();
    // either the connection has ended, or the next request is the next request
    if (rest !== '') expect(rest).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*next$/);
  });

  test.each([
    ['426', { 'Sec-WebSocket-Version': '8' }],
    ['400', { 'Sec-WebSocket-Key': 'short' }],
  ])('refused with %s leaves the connection to further requests', async (status, headers) => {
    const { server } = await startWs();
    server.registerUriHandler({ uri: '/next', method: HTTP_GET, handler: req => req.respSend('next') });
    const client = await connectTo(server);
    client.send(`${handshakeRequest({ headers })}GET /next HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect((await client.readResponse()).status).toBe(Number(status));
    expect((await client.readResponse()).text).toBe('next');
    // a right one may follow
    client.send(handshakeRequest());
    expect((await client.readResponse()).status).toBe(101);
  });
});

describe('an upgrade request to a URI that is no WebSocket', () => {
  test('is served as any other request', async () => {
    const { server } = await startWs();
    server.registerUriHandler({ uri: '/page', method: HTTP_GET, handler: req => req.respSend('a page') });
    const client = await connectTo(server);
    client.send(`${handshakeRequest({ path: '/page' })}GET /page HTTP/1.1\r\nHost: x\r\n\r\n`);
    const response = await client.readResponse();
    expect([response.status, response.text]).toEqual([200, 'a page']);
    expect((await client.readResponse()).text).toBe('a page');
  });

  test('can be the POST of a WebSocket URI', async () => {
    const { server } = await startWs();
    server.registerUriHandler({ uri: '/ws', method: HTTP_POST, handler: async req => req.respSend(await req.text()) });
    const client = await connectTo(server);
    client.send('POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody');
    expect((await client.readResponse()).text).toBe('body');
  });
});

test('WebSockets of two URIs reach their own handlers with their own userCtx', async () => {
  const { server, open } = await startWs();
  server.registerUriHandler({
    uri: '/name',
    method: HTTP_GET,
    isWebsocket: true,
    userCtx: 'a name',
    handler: async req => {
      if (req.method !== HTTP_GET) await req.wsSendFrame({ ...frame, payload: String(req.userCtx) });
    },
  });
  const frame = { type: TEXT, payload: 'x', final: true, fragmented: false, len: 0, leftLen: 0 };
  const first = await open();
  const second = await open({ path: '/name' });
  second.send({ opcode: TEXT, payload: 'x' });
  first.send({ opcode: TEXT, payload: 'x' });
  expect((await first.readFrame()).text).toBe('x');
  expect((await second.readFrame()).text).toBe('a name');
});
