/** Redirections (RFC 9110 section 15.4): which are followed, what goes along, and what does not. */
import { createServer } from 'node:https';
import type * as net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { WEBSOCKET_ERROR_TYPE_HANDSHAKE } from '../../src/ws_client/errors.js';
import type { WsConnectedEvent } from '../../src/ws_client/events.js';
import { certificates } from '../support/certificates.js';
import { collectLog } from '../support/server.js';
import { TEXT } from '../support/ws_frames.js';
import {
  afterwards,
  field,
  makeClient,
  type RawServer,
  rawServer,
  switching,
  type TestClient,
  until,
} from './support.js';

const to = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Go\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;

interface Asked extends TestClient {
  readonly server: RawServer;
  readonly first: string;
}

/** A client whose first request is answered so. */
async function redirectedTo(answer: string, config: EspWebsocketClientConfig = {}): Promise<Asked> {
  const server = await rawServer();
  const made = makeClient({
    uri: `${server.uri}/a/b?q`,
    disableAutoReconnect: true,
    maxRedirects: 3,
    ...config,
  });
  void made.client.start();
  const peer = await server.next();
  const first = await peer.request();
  peer.send(answer);
  return { ...made, server, first };
}

/** What the error says; the client has finished. */
async function refusal({ errors, events }: TestClient): Promise<string> {
  await until(() => expect(events.at(-1)).toBe('finish'));
  expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_HANDSHAKE);
  expect(errors[0]?.name).toBe('ESP_ERR_INVALID_RESPONSE');
  return errors[0]?.message ?? '';
}

const line = (request: string) => request.slice(0, request.indexOf('\r\n'));

describe('a redirection is followed', () => {
  test.each([301, 302, 303, 307, 308])('with status %i', async status => {
    const { server, client, first } = await redirectedTo(to('/there', status));
    const again = await (await server.next()).accept();
    expect(line(again)).toBe('GET /there HTTP/1.1');
    expect(field(again, 'Sec-WebSocket-Key')).not.toBe(field(first, 'Sec-WebSocket-Key'));
    await until(() => expect(client.isConnected()).toBe(true));
  });

  // RFC 9110 section 10.2.2, RFC 3986 section 5.2
  test.each([
    ['c', '/ws/a/c'],
    ['?x=1', '/ws/a/b?x=1'],
    ['../c?d', '/ws/c?d'],
    ['/c#part', '/c'],
    ['.', '/ws/a/'],
  ])("to '%s', which is relative", async (location, target) => {
    const { server } = await redirectedTo(to(location));
    expect(line(await (await server.next()).accept())).toBe(`GET ${target} HTTP/1.1`);
  });

  test('and the log tells where to, without the queries: they may hold what nobody else is to read', async () => {
    const { logger, lines } = collectLog();
    const { server } = await redirectedTo(to('/there?token=secret'), { logger });
    await (await server.next()).accept();
    const { uri } = server;
    expect(lines.filter(text => text.includes('127.0.0.1'))).toEqual([
      `D websocket_client: connecting to ${uri}/a/b`,
      `I websocket_client: redirected to ${uri.replace('/ws', '')}/there`,
      `D websocket_client: connecting to ${uri.replace('/ws', '')}/there`,
    ]);
    expect(lines.join()).not.toMatch(/\?q|secret/);
  });

  test.each(['ws', 'http'])('to another server by %s, and the application hears of the last one only', async scheme => {
    const other = await rawServer();
    const made = await redirectedTo(to(`${scheme}://127.0.0.1:${other.port}/x?y`));
    const { client, events, errors, data } = made;
    const connected = new Promise<WsConnectedEvent>(resolve => client.once('connected', resolve));
    const request = await (await other.next()).accept([], [{ opcode: TEXT, payload: 'hello' }]);
    expect([line(request), field(request, 'Host')]).toEqual(['GET /x?y HTTP/1.1', `127.0.0.1:${other.port}`]);
    expect((await connected).uri).toBe(`ws://127.0.0.1:${other.port}/x?y`);
    await until(() => expect(data).toHaveLength(1));
    expect([events, errors]).toEqual([['begin', 'beforeConnect', 'connected'], []]);
  });

  test('without waiting for a body, which is never read', async () => {
    const answer = 'HTTP/1.1 302 Go\r\nLocation: /there\r\nContent-Length: 999999\r\n\r\nhalf';
    const { server } = await redirectedTo(answer);
    await (await server.next()).accept();
  });

  test('from ws to wss', async () => {
    const { ca, server: pair } = certificates();
    const secure = createServer(pair).on('upgrade', (req, socket) => {
      socket.write(switching(`Sec-WebSocket-Key: ${req.headers['sec-websocket-key']}\r\n`));
    });
    secure.listen(0, '127.0.0.1');
    afterwards(() => secure.close());
    await new Promise(resolve => secure.once('listening', resolve));
    const { port } = secure.address() as net.AddressInfo;
    const { client } = await redirectedTo(to(`https://127.0.0.1:${port}/`), { certPem: ca.cert });
    await until(() => expect(client.isConnected()).toBe(true));
    await client.stop();
  });
});

describe('a redirection is not followed', () => {
  test.each<[string, string, string]>([
    ['300, whose choice is not ours', to('/x', 300), 'the server answered 300 Go'],
    ['304', 'HTTP/1.1 304 No\r\nLocation: /x\r\n\r\n', 'the server answered 304 No'],
    ['305', to('/x', 305), 'the server answered 305 Go'],
    ['201 with a Location', to('/x', 201), 'the server answered 201 Go'],
    ['one without a Location', 'HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n', 'the server answered 302 Go'],
    ['with two Locations', to('/x\r\nLocation: /x'), 'more than one Location'],
    ['with an empty Location', to(''), 'its Location is no uri'],
    ['with a blank in it', to('/a b'), 'its Location is no uri'],
    ['with bytes beyond ASCII in it', to('/\xe9'), 'its Location is no uri'],
    ['to an impossible port', to('ws://a:99999/'), 'its Location is no uri'],
    ['to port 0', to('ws://a:0/'), 'port 0'],
    ['to a zone, which is of one machine only', to('ws://[fe80::1%25eth0]/'), 'its Location is no uri'],
    ['to a file', to('file:///etc/passwd'), 'leads to no WebSocket'],
    ['to what is no WebSocket', to('ftp://a/'), 'leads to no WebSocket'],
    ['with credentials (RFC 9110 section 4.2.4)', to('ws://me:you@127.0.0.1/'), 'brings credentials'],
    ['to where it came from', to('b?q'), 'leads in a circle'],
  ])('%s', async (_name, answer, why) => {
    const made = await redirectedTo(answer);
    expect(await refusal(made)).toContain(why);
    expect(made.errors[0]?.response?.status).toBe(Number(answer.split(' ')[1]));
  });

  test('by default', async () => {
    const made = await redirectedTo(to('/there'), { maxRedirects: undefined as never });
    expect(await refusal(made)).toBe(
      "the server answered 302 Go and points to '/there': redirections are not followed, unless maxRedirects allows them",
    );
  });

  test('beyond maxRedirects', async () => {
    const made = await redirectedTo(to('/1'), { maxRedirects: 2 });
    for (const n of [2, 3]) {
      const peer = await made.server.next();
      await peer.request();
      peer.send(to(`/${n}`));
    }
    expect(await refusal(made)).toBe(
      "the server answered 302 Go and points to '/3': more redirections than maxRedirects allows",
    );
  });

  test('in a circle of several', async () => {
    const made = await redirectedTo(to('/1'), { maxRedirects: 20 });
    for (const n of [2, 1]) {
      const peer = await made.server.next();
      await peer.request();
      peer.send(to(`/${n}`));
    }
    expect(await refusal(made)).toContain('leads in a circle');
  });

  test('from wss to ws, whatever scheme it names', async () => {
    const { ca, server: pair } = certificates();
    let location = '';
    const secure = createServer(pair).on('upgrade', (_req, socket) => socket.end(to(location)));
    secure.listen(0, '127.0.0.1');
    afterwards(() => secure.close());
    await new Promise(resolve => secure.once('listening', resolve));
    const { port } = secure.address() as net.AddressInfo;
    for (const scheme of ['ws', 'http']) {
      location = `${scheme}://127.0.0.1:${port}/x`;
      const made = makeClient({
        uri: `wss://127.0.0.1:${port}`,
        certPem: ca.cert,
        maxRedirects: 1,
        disableAutoReconnect: true,
      });
      void made.client.start();
      expect(await refusal(made)).toContain('it leads from TLS to a connection without');
    }
  });
});

describe('to another origin', () => {
  const config = {
    username: 'me',
    password: 'secret',
    headers: { Cookie: 'a=b', 'X-Api-Key': 'k', Host: 'device.local' },
    origin: 'http://app.example',
    userAgent: 'test/1',
    subprotocol: 'chat',
  };
  const secrets = (request: string) =>
    ['Authorization', 'Cookie', 'X-Api-Key'].map(name => field(request, name) !== undefined);

  test('go no credentials, cookies or other headers of the application; to the same one they do', async () => {
    const other = await rawServer();
    const { server, first } = await redirectedTo(to('/same'), { ...config, maxRedirects: 4 });
    expect(secrets(first)).toEqual([true, true, true]);
    const second = await server.next();
    expect(secrets(await second.request())).toEqual([true, true, true]);
    second.send(to(`//127.0.0.1:${other.port}/elsewhere`));
    const third = await other.next();
    const request = await third.request();
    expect(secrets(request)).toEqual([false, false, false]);
    expect(field(request, 'Host')).toBe(`127.0.0.1:${other.port}`);
    expect(field(request, 'Origin')).toBe('http://app.example');
    expect(field(request, 'User-Agent')).toBe('test/1');
    expect(field(request, 'Sec-WebSocket-Protocol')).toBe('chat');
    // and they do not come back, neither there nor with who sends us home again
    third.send(to('/further'));
    const fourth = await other.next();
    expect(secrets(await fourth.request())).toEqual([false, false, false]);
    fourth.send(to(`${server.uri}/home`));
    expect(secrets(await (await server.next()).accept())).toEqual([false, false, false]);
  });

  test('another name of the same machine is another origin', async () => {
    const server = await rawServer();
    const again = makeClient({ ...config, uri: server.uri, maxRedirects: 1 });
    void again.client.start();
    const first = await server.next();
    await first.request();
    first.send(to(`ws://localhost:${server.port}/`));
    expect(secrets(await (await server.next()).accept())).toEqual([false, false, false]);
  });

  test('the next attempt begins anew, with all of it', async () => {
    const other = await rawServer();
    const made = await redirectedTo(to(`ws://127.0.0.1:${other.port}/`), { ...config, disableAutoReconnect: false });
    const peer = await other.next();
    await peer.accept();
    await until(() => expect(made.client.isConnected()).toBe(true));
    peer.socket.destroy();
    await until(() => expect(made.events).toContain('disconnected'));
    made.clock.advance(10_000);
    const again = await (await made.server.next()).accept();
    expect([line(again), secrets(again)]).toEqual(['GET /ws/a/b?q HTTP/1.1', [true, true, true]]);
  });

  test('goes no certificate of ours, and there certCommonName does not stand for the name', async () => {
    const { ca, client: own, server: pair, other: otherPair } = certificates();
    const shown: boolean[] = [];
    const serve = async (keys: typeof pair, answer: (key: string) => string): Promise<number> => {
      const server = createServer({ ...keys, requestCert: true, rejectUnauthorized: false, ca: ca.cert });
      server.on('upgrade', (req, socket) => {
        shown.push((socket as TLSSocket).getPeerX509Certificate() !== undefined);
        socket.write(answer(String(req.headers['sec-websocket-key'])));
      });
      server.on('tlsClientError', () => {});
      server.listen(0, '127.0.0.1');
      afterwards(() => server.close());
      await new Promise(resolve => server.once('listening', resolve));
      return (server.address() as net.AddressInfo).port;
    };
    const good = await serve(pair, key => switching(`Sec-WebSocket-Key: ${key}\r\n`));
    const wrong = await serve(otherPair, key => switching(`Sec-WebSocket-Key: ${key}\r\n`));
    let location = '';
    const first = await serve(otherPair, () => to(location));
    const attempt = async (port: number): Promise<TestClient> => {
      location = `wss://127.0.0.1:${port}/`;
      const made = makeClient({
        uri: `wss://127.0.0.1:${first}`,
        certCommonName: 'other.test',
        certPem: ca.cert,
        clientCert: own.cert,
        clientKey: own.key,
        maxRedirects: 1,
        disableAutoReconnect: true,
      });
      await made.client.start().catch(() => {});
      return made;
    };
    const made = await attempt(good);
    expect(made.errors).toEqual([]);
    expect(shown).toEqual([true, false]);
    await made.client.stop();
    const refused = await attempt(wrong);
    expect(refused.errors[0]?.errorHandle.espTlsStackErr).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });
});

describe('the time of an attempt', () => {
  test('is networkTimeoutMs with all its redirections', async () => {
    const server = await rawServer();
    const again = makeClient({
      uri: server.uri,
      networkTimeoutMs: 3_000,
      maxRedirects: 5,
      disableAutoReconnect: true,
    });
    void again.client.start();
    const first = await server.next();
    await first.request();
    again.clock.advance(2_000);
    first.send(to('/slow'));
    await (await server.next()).request();
    again.clock.advance(999);
    expect(again.errors).toHaveLength(0);
    again.clock.advance(1);
    expect(again.errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
  });

  test('ends with stop, and with a listener that stops at a header of the redirection', async () => {
    const server = await rawServer();
    const { client, events, errors } = makeClient({ uri: server.uri, maxRedirects: 1 });
    const headers: string[] = [];
    client.on('headerReceived', ([name]) => {
      headers.push(name);
      void client.stop();
    });
    const started = client.start();
    const peer = await server.next();
    await peer.request();
    peer.send(to('/there'));
    await expect(started).rejects.toThrow('stopped');
    await peer.gone();
    expect([headers, events, errors]).toEqual([['Location'], ['begin', 'beforeConnect', 'finish'], []]);
  });
});
