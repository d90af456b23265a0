import { describe, expect, test } from 'vitest';
import { connectTo } from '../support/server.js';
import { isOpen, ok, request, serve, turns } from './support.js';

describe('keep-alive', () => {
  test.each([
    ['HTTP/1.1 without a Connection header', 'GET / HTTP/1.1', [], undefined],
    ['HTTP/1.1 with keep-alive', 'GET / HTTP/1.1', ['Connection: keep-alive'], undefined],
    ['HTTP/1.1 with an unknown option', 'GET / HTTP/1.1', ['Connection: te'], undefined],
    ['HTTP/1.0 with keep-alive', 'GET / HTTP/1.0', ['Connection: keep-alive'], 'keep-alive'],
    ['HTTP/1.0 with Keep-Alive in capitals', 'GET / HTTP/1.0', ['CONNECTION: Keep-Alive'], 'keep-alive'],
  ])('%s keeps the connection open', async (_name, line, headers, connection) => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    for (let i = 0; i < 3; i++) {
      const response = await client.send(request(line, ...headers)).readResponse();
      expect(response.statusLine).toBe('HTTP/1.1 200 OK');
      expect(response.headers.connection).toBe(connection);
      expect(response.text).toBe('ok');
    }
    expect(server.getClientList()).toHaveLength(1);
  });

  test.each([
    ['HTTP/1.1 with close', 'GET / HTTP/1.1', ['Connection: close']],
    ['HTTP/1.1 with Close in capitals', 'GET / HTTP/1.1', ['Connection: CLOSE']],
    ['HTTP/1.1 with close among others', 'GET / HTTP/1.1', ['Connection: keep-alive, close']],
    ['HTTP/1.1 with close in a second Connection header', 'GET / HTTP/1.1', ['Connection: te', 'Connection: close']],
    ['HTTP/1.0 without a Connection header', 'GET / HTTP/1.0', []],
    ['HTTP/1.0 with close', 'GET / HTTP/1.0', ['Connection: close']],
  ])('%s: one response that says close, then FIN', async (_name, line, headers) => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    const response = await client.send(request(line, ...headers)).readResponse();
    expect(response.headers.connection).toBe('close');
    expect(response.text).toBe('ok');
    expect(await client.closed()).toBe('fin');
    expect(client.received).toHaveLength(0);
  });

  test('a handler closes the connection with a Connection header', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetHdr('Connection', 'close');
        void req.respSend('bye');
      },
    });
    const client = await connectTo(server);
    const response = await client.send(request('GET /')).readResponse();
    expect(response.headerLines.filter(line => /^connection:/i.test(line))).toEqual(['Connection: close']);
    expect(response.text).toBe('bye');
    expect(await client.closed()).toBe('fin');
  });

  test('what a client sends behind a request with Connection: close gets no answer', async () => {
    const paths: string[] = [];
    const server = await serve({
      'GET /': req => {
        paths.push(req.uri);
        void req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /', 'Connection: close') + request('GET /?second'));
    await client.readResponse();
    expect((await client.readAll()).toString()).toBe('');
    expect(paths).toEqual(['/']);
  });

  test('an Upgrade header on an ordinary URI is ignored, and the connection goes on', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    const response = await client
      .send(request('GET /', 'Connection: Upgrade', 'Upgrade: h2c') + request('GET /'))
      .readResponse();
    expect(response.status).toBe(200);
    expect((await client.readResponse()).text).toBe('ok');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('empty lines before a request are ignored, however they arrive', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    await client.sendPieces(['\r\n', '\r', '\n', '\r\n\r\n', request('GET /')]);
    expect((await client.readResponse()).status).toBe(200);
    await client.sendPieces(['\r\n', request('GET /')]);
    expect((await client.readResponse()).status).toBe(200);
  });

  test('a client that has ended its side still gets its answers, then FIN', async () => {
    const server = await serve({
      'GET /': async req => {
        await turns(3);
        await req.respSend(req.getUrlQueryStr() ?? '');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /?1') + request('GET /?2') + request('GET /?3')).end();
    const texts = [];
    for (let i = 0; i < 3; i++) texts.push((await client.readResponse()).text);
    expect(texts).toEqual(['1', '2', '3']);
    expect(await client.closed()).toBe('fin');
  });

  test('a client that connects and leaves without a word leaves no session behind', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    client.end();
    expect(await client.closed()).toBe('fin');
    expect(server.getClientList()).toEqual([]);
  });

  test('a response that goes to the end of an HTTP/1.0 connection is not followed by another', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('to the ');
        await req.respSendChunk('end');
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    client.send(request('GET / HTTP/1.0', 'Connection: keep-alive') + request('GET / HTTP/1.0'));
    const response = await client.readResponse();
    expect(response.headers.connection).toBe('close');
    expect(response.headers['transfer-encoding']).toBeUndefined();
    expect(response.text).toBe('to the end');
  });
});
