/** Through an HTTP proxy (RFC 9110 section 9.3.6): the tunnel, who sees what, and proxies that refuse or mean harm. */
import { createServer } from 'node:https';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { WEBSOCKET_ERROR_TYPE_PROXY, WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT } from '../../src/ws_client/errors.js';
import { certificates } from '../support/certificates.js';
import { BINARY, CLOSE, closeBody, TEXT } from '../support/ws_frames.js';
import {
  afterwards,
  errorOf,
  field,
  makeClient,
  Peer,
  type RawServer,
  rawServer,
  switching,
  type TestClient,
  turns,
  until,
} from './support.js';

/** Nobody can look this name up: who tries fails. */
const HOST = 'device.invalid';
const TUNNEL = 'HTTP/1.1 200 Connection established\r\n\r\n';

/** A client whose proxy the test plays. */
async function throughProxy(config: EspWebsocketClientConfig = {}): Promise<TestClient & { proxy: RawServer }> {
  const proxy = await rawServer();
  const made = makeClient({
    uri: `ws://${HOST}/ws`,
    proxyUri: `http://127.0.0.1:${proxy.port}`,
    disableAutoReconnect: true,
    ...config,
  });
  void made.client.start();
  return { ...made, proxy };
}

/** One whose proxy has answered so. */
async function proxyAnswers(answer: string, config: EspWebsocketClientConfig = {}) {
  const made = await throughProxy(config);
  const peer = await made.proxy.next();
  const request = await peer.request();
  if (answer !== '') peer.send(answer);
  return { ...made, peer, request };
}

/** A proxy that makes tunnels to `port`, whatever it is asked for. @returns its port, what it was asked for, and how many are there */
async function relay(
  port: number,
  options?: tls.TlsOptions,
): Promise<{ port: number; asked: string[]; open: ReadonlySet<unknown> }> {
  const asked: string[] = [];
  const open = new Set<net.Socket>();
  const take = (socket: net.Socket): void => {
    open.add(socket);
    // to a FIN it need not answer with its own
    for (const end of ['end', 'close']) socket.on(end, () => open.delete(socket));
    afterwards(() => socket.destroy());
    const peer = new Peer(socket);
    void peer.request().then(request => {
      asked.push(request.slice(0, request.indexOf('\r\n')));
      const server = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      afterwards(() => server.destroy());
      server.on('error', () => socket.destroy());
      socket.write(TUNNEL);
      socket.pipe(server).pipe(socket);
    });
  };
  const server =
    options === undefined
      ? net.createServer({ allowHalfOpen: true }, take)
      : tls.createServer({ ...options, allowHalfOpen: true }, take).on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  afterwards(() => server.close());
  await new Promise(resolve => server.once('listening', resolve));
  return { port: (server.address() as net.AddressInfo).port, asked, open };
}

/** An encrypted server that sends a long message at once. `names` is what clients call it. */
async function secureServer(): Promise<{ port: number; names: unknown[] }> {
  const names: unknown[] = [];
  const server = createServer(certificates().server);
  server.on('upgrade', (req, socket) => {
    names.push((socket as tls.TLSSocket).servername, req.headers.host);
    socket.on('error', () => {});
    socket.write(switching(`Sec-WebSocket-Key: ${req.headers['sec-websocket-key']}\r\n`));
    socket.write(Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 3, 13, 64]), Buffer.alloc(200_000, 'tls')]));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  afterwards(() => server.close());
  await new Promise(resolve => server.once('listening', resolve));
  return { port: (server.address() as net.AddressInfo).port, names };
}

describe('a tunnel', () => {
  test('is asked for, and then the handshake goes through it: the proxy looks the name up', async () => {
    const { client, peer, request, data } = await proxyAnswers(TUNNEL, { username: 'me', password: 'secret' });
    expect(request).toBe(`CONNECT ${HOST}:80 HTTP/1.1\r\nHost: ${HOST}:80\r\n\r\n`);
    const handshake = await peer.accept();
    expect(handshake.split('\r\n')[0]).toBe('GET /ws HTTP/1.1');
    expect([field(handshake, 'Host'), field(handshake, 'Authorization')]).toEqual([HOST, expect.any(String)]);
    await until(() => expect(client.isConnected()).toBe(true));
    const long = Buffer.alloc(200_000, 'x');
    peer.send({ opcode: TEXT, payload: 'hello' }, { opcode: BINARY, payload: long });
    await until(() => expect(data.reduce((sum, { dataLen }) => sum + dataLen, 0)).toBe(200_005));
    await client.sendBin(long);
    expect((await peer.frame()).payload).toHaveLength(long.length);
    const closed = client.close();
    expect((await peer.frame()).code).toBe(1000);
    peer.send({ opcode: CLOSE, payload: closeBody(1000) });
    peer.socket.end();
    await closed;
  });

  test.each([
    ['ws://[::1]:8080', '[::1]:8080'],
    ['ws://10.0.0.1', '10.0.0.1:80'],
    ['wss://device.invalid/x', 'device.invalid:443'],
  ])('to %s is asked for as %s: with its port, and brackets if it is IPv6', async (uri, authority) => {
    const { request } = await proxyAnswers('', { uri });
    expect(request).toBe(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  });

  test('credentials of proxyUri are for the proxy, and those of the server for the server', async () => {
    const proxy = await rawServer();
    const proxyUri = `http://gate:p%40ss@127.0.0.1:${proxy.port}/`;
    const { client } = makeClient({ uri: `ws://${HOST}/`, proxyUri, headers: { Cookie: 'a=b' } });
    void client.start();
    const peer = await proxy.next();
    const request = await peer.request();
    expect(field(request, 'Proxy-Authorization')).toBe(`Basic ${Buffer.from('gate:p@ss').toString('base64')}`);
    expect(field(request, 'Cookie')).toBe(undefined);
    peer.send(TUNNEL);
    expect(await peer.accept()).not.toContain('Authorization');
  });

  test.each([
    ['HTTP/1.0 200 OK\r\n\r\n'],
    ['HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ])('is open behind %j: any 2xx opens it, and has no body', async answer => {
    const { client, peer } = await proxyAnswers(answer);
    await peer.accept();
    await until(() => expect(client.isConnected()).toBe(true));
  });

  test('bytes behind the head are its own, and so is a head that comes byte by byte', async () => {
    const { client, data, peer } = await proxyAnswers('');
    // the handshake's answer needs the request, but what is wrong with it shows that it has been read
    for (const byte of TUNNEL) {
      peer.send(byte);
      await turns(1);
    }
    await peer.accept([], [{ opcode: TEXT, payload: 'hello' }]);
    await until(() => expect(data[0]?.data.toString()).toBe('hello'));
    await client.stop();
    const early = await proxyAnswers(`${TUNNEL}HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno`);
    await until(() => expect(early.errors[0]?.response?.body.toString()).toBe('no'));
    expect(early.errors[0]?.errorHandle.espWsHandshakeStatusCode).toBe(403);
  });

  test('ends with the connection: a proxy that leaves is a server that leaves', async () => {
    const { client, peer, errors } = await proxyAnswers(TUNNEL);
    await peer.accept();
    await until(() => expect(client.isConnected()).toBe(true));
    peer.socket.end();
    await until(() => expect(errors[0]?.message).toContain('without a Close frame'));
  });

  test('reading stops in it, and goes on', async () => {
    const { client, peer } = await proxyAnswers(TUNNEL, { maxRxPending: 1_000 });
    await peer.accept();
    await until(() => expect(client.isConnected()).toBe(true));
    const messages = client[Symbol.asyncIterator]();
    const count = 300;
    for (let i = 0; i < count; i++) peer.send({ opcode: BINARY, payload: Buffer.alloc(10_000, i) });
    for (let i = 0; i < count; i++) expect((await messages.next()).value?.data[9_999]).toBe(i % 256);
  });
});

describe('TLS', () => {
  test.each([false, true])(
    'goes through the tunnel, and the proxy sees none of it (proxy over TLS: %s)',
    async outer => {
      const { ca, server } = certificates();
      const target = await secureServer();
      const proxy = await relay(target.port, outer ? server : undefined);
      const { client, data, errors } = makeClient({
        uri: 'wss://localhost:4433/',
        certPem: ca.cert,
        proxyUri: `${outer ? 'https' : 'http'}://127.0.0.1:${proxy.port}`,
        ...(outer && { proxyCertPem: ca.cert }),
        disableAutoReconnect: true,
      });
      await client.start().catch(() => {});
      expect(errors).toEqual([]);
      await until(() => expect(data.reduce((sum, { dataLen }) => sum + dataLen, 0)).toBe(200_000));
      await client.sendBin(Buffer.alloc(100_000));
      expect(proxy.asked).toEqual(['CONNECT localhost:4433 HTTP/1.1']);
      expect(target.names).toEqual(['localhost', 'localhost:4433']);
      await client.stop();
    },
  );

  test('what comes behind the head is read as the server that it is of, and is no TLS', async () => {
    const { errors } = await proxyAnswers(`${TUNNEL}HTTP/1.1 200 OK\r\n\r\n`, { uri: `wss://${HOST}` });
    await until(() => expect(errors[0]?.errorHandle.espTlsStackErr).toMatch(/^ERR_SSL_/));
  });

  test.each([false, true])('stop ends the connection to the proxy (within the handshake: %s)', async within => {
    const target = within ? await rawServer() : await secureServer();
    const proxy = await relay(target.port);
    const { client } = makeClient({
      uri: 'wss://localhost:4433/',
      certPem: certificates().ca.cert,
      proxyUri: `http://127.0.0.1:${proxy.port}`,
    });
    const started = client.start().catch(() => {});
    if ('next' in target) {
      const peer = await target.next();
      await until(() => expect(peer.received.length).toBeGreaterThan(100));
    } else {
      await started;
    }
    await client.stop();
    await until(() => expect(proxy.open.size).toBe(0));
  });

  test('a server whose certificate is of nobody is refused behind a proxy too', async () => {
    const target = await secureServer();
    const proxy = await relay(target.port);
    const { client, errors } = makeClient({
      uri: 'wss://localhost:4433/',
      proxyUri: `http://127.0.0.1:${proxy.port}`,
      disableAutoReconnect: true,
    });
    await client.start().catch(() => {});
    expect(errors[0]?.errorHandle.espTlsStackErr).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(target.names).toEqual([]);
  });

  test('a proxy whose certificate is of nobody, or of another name, learns nothing', async () => {
    const { ca, other, server } = certificates();
    const attempt = async (pair: typeof server, config: EspWebsocketClientConfig): Promise<[unknown, string[]]> => {
      const proxy = await relay(1, pair);
      const { client, errors } = makeClient({
        uri: `ws://${HOST}`,
        proxyUri: `https://me:secret@127.0.0.1:${proxy.port}`,
        disableAutoReconnect: true,
        ...config,
      });
      await client.start().catch(() => {});
      expect(errors[0]?.message).toContain('no connection through the proxy');
      return [errors[0]?.errorHandle.espTlsStackErr, proxy.asked];
    };
    // what is said of the server's certificate is not said of the proxy's
    const lenient = { allowSelfSigned: true, skipCertCommonNameCheck: true, certPem: ca.cert };
    expect(await attempt(server, lenient)).toEqual(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', []]);
    expect(await attempt(other, { ...lenient, proxyCertPem: ca.cert })).toEqual(['ERR_TLS_CERT_ALTNAME_INVALID', []]);
  });
});

describe('a proxy refuses', () => {
  test.each([
    ['HTTP/1.1 407 Proxy Authentication Required', '', 'it asks for username and password (proxyUri)'],
    ['HTTP/1.1 407 No', 'me:wrong@', 'it does not take the username and password (proxyUri)'],
    ['HTTP/1.1 403 Forbidden', '', 'the proxy answered 403 Forbidden'],
    ['HTTP/1.1 502 Bad\x1b[2JGateway', '', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/', '', 'the proxy answered 302 Found'],
    ['HTTP/1.1 101 Switching', '', 'the proxy answered 101 Switching'],
    ['SOCKS', '', 'it is no HTTP/1.1 response'],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(20_000)}`, '', 'its head is longer than 16384 bytes'],
    [`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(16)}HTTP/1.1 100 Continue`, '', 'too many interim responses'],
  ])('with %.60j: %j', async (head, credentials, why) => {
    const proxy = await rawServer();
    const { client, errors, events } = makeClient({
      uri: `ws://${HOST}`,
      proxyUri: `http://${credentials}127.0.0.1:${proxy.port}`,
      maxRedirects: 5,
      disableAutoReconnect: true,
    });
    const headers: unknown[] = [];
    client.on('headerReceived', header => headers.push(header));
    void client.start();
    const peer = await proxy.next();
    await peer.request();
    peer.send(`${head}\r\nX-Via: p\r\n\r\n`);
    await until(() => expect(events.at(-1)).toBe('finish'));
    const [error] = errors;
    expect(error?.message).toContain(why);
    expect(error?.name).toBe('ESP_ERR_INVALID_RESPONSE');
    expect(error?.errorHandle).toMatchObject({ errorType: WEBSOCKET_ERROR_TYPE_PROXY, espWsHandshakeStatusCode: 0 });
    if (why.includes('answered')) expect(error?.response?.headers.get('x-via')).toBe('p');
    // the headers are none of the server's
    expect(headers).toEqual([]);
    await peer.gone();
  });

  test('by leaving', async () => {
    const { errors, peer } = await proxyAnswers('HTTP/1.1 200 O');
    peer.socket.end();
    await until(() => expect(errors[0]?.message).toBe('the proxy ended the connection without an answer'));
    expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_PROXY);
    await peer.gone();
  });

  test('by a reset, or by not being there', async () => {
    const { errors, peer } = await proxyAnswers('');
    peer.socket.resetAndDestroy();
    await until(() => expect(errors[0]?.message).toMatch(/^no connection through the proxy: .*ECONNRESET/));
    const gone = await rawServer();
    gone.server.close();
    const made = makeClient({ uri: `ws://${HOST}`, proxyUri: `http://127.0.0.1:${gone.port}` });
    void made.client.start();
    await until(() => expect(made.errors[0]?.message).toMatch(/^no connection through the proxy: .*ECONNREFUSED/));
    expect(made.errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT);
  });

  test('by silence: networkTimeoutMs is for the tunnel and what goes through it', async () => {
    const { errors, clock, peer } = await proxyAnswers('HTTP/1.1 200 O', { networkTimeoutMs: 3_000 });
    clock.advance(2_999);
    expect(errors).toHaveLength(0);
    clock.advance(1);
    expect(errors[0]?.message).toBe('no connection through the proxy within 3000 ms (networkTimeoutMs)');
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
    await peer.gone();
  });

  test('and the client can be stopped meanwhile', async () => {
    const { client, peer } = await proxyAnswers('HTTP/1.1 200 O');
    await client.stop();
    await peer.gone();
  });
});

test('redirections go through the proxy too, with its credentials', async () => {
  const proxy = await rawServer();
  const proxyUri = `http://me:you@127.0.0.1:${proxy.port}`;
  const { client } = makeClient({ uri: `ws://${HOST}`, proxyUri, maxRedirects: 1 });
  void client.start();
  const first = await proxy.next();
  await first.request();
  first.send(TUNNEL);
  await first.request();
  first.send('HTTP/1.1 307 Go\r\nLocation: ws://other.invalid:81/x\r\n\r\n');
  const second = await proxy.next();
  const request = await second.request();
  expect(request).toContain('CONNECT other.invalid:81 HTTP/1.1');
  expect(field(request, 'Proxy-Authorization')).toBeDefined();
  second.send(TUNNEL);
  await second.accept();
  await until(() => expect(client.isConnected()).toBe(true));
});

test('no variables of the environment are read', async () => {
  const before = { ...process.env };
  afterwards(() => {
    process.env = before;
  });
  for (const name of ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY', 'ws_proxy', 'NODE_USE_ENV_PROXY']) {
    process.env[name] = 'http://127.0.0.1:1';
  }
  const server = await rawServer();
  const { client } = makeClient({ uri: server.uri });
  void client.start();
  await (await server.next()).accept();
  await until(() => expect(client.isConnected()).toBe(true));
});

test.each([
  [{ proxyUri: '' }],
  [{ proxyUri: 1 }],
  [{ proxyUri: '127.0.0.1:3128' }],
  [{ proxyUri: 'socks5://127.0.0.1' }],
  [{ proxyUri: 'http://127.0.0.1/path' }],
  [{ proxyUri: 'http://127.0.0.1/?' }],
  [{ proxyUri: 'http://127.0.0.1/#a' }],
  [{ proxyUri: 'http://127.0.0.1:0' }],
  [{ proxyUri: 'http://a%3Ab:c@127.0.0.1' }],
  [{ proxyUri: 'http://a:%ff@127.0.0.1' }],
  [{ proxyUri: 'https://127.0.0.1', proxyCertPem: 'no PEM' }],
  [{ proxyUri: 'http://127.0.0.1', proxyCertPem: 'x' }],
  [{ proxyCertPem: 'x' }],
  [{ uri: 'ws://[fe80::1%25eth0]/', proxyUri: 'http://127.0.0.1' }],
  [{ headers: { 'proxy-authorization': 'Basic x' } }],
])('%j is refused', async config => {
  expect(await errorOf(() => makeClient({ uri: `ws://${HOST}`, ...(config as object) }))).toBe('ESP_ERR_INVALID_ARG');
});
