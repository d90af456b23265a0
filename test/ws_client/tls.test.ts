/** Over TLS: whom the client trusts, and whom it does not. */
import { createPrivateKey } from 'node:crypto';
import { createServer } from 'node:https';
import * as net from 'node:net';
import type * as tls from 'node:tls';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT } from '../../src/ws_client/errors.js';
import { afterwards, errorOf, makeClient, until } from './support.js';

interface Pair {
  readonly key: string;
  readonly cert: string;
}

let ca: Pair;
/** Of the authority, for 127.0.0.1 and localhost. */
let good: Pair;
/** Of nobody, for another name. */
let alone: Pair;
let expired: Pair;
let ofClient: Pair;

async function made(name: string, options: Parameters<typeof generate>[1] = {}): Promise<Pair> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...options,
  });
  return { key, cert };
}

beforeAll(async () => {
  const altNames = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
  ];
  ca = await made('an authority', {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  good = await made('localhost', { ca, extensions: [{ name: 'subjectAltName', altNames }] });
  ofClient = await made('a client', { ca, extensions: [{ name: 'extKeyUsage', clientAuth: true }] });
  alone = await made('device.local', {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'device.local' }] }],
  });
  expired = await made('127.0.0.1', {
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2021-01-01'),
    extensions: [{ name: 'subjectAltName', altNames }],
  });
});

/** The port of an echo server with this certificate. */
async function serve({ key, cert }: Pair, options: tls.TlsOptions = {}): Promise<number> {
  const wss = new WebSocketServer({ noServer: true });
  wss.on('connection', ws => ws.on('message', (data, binary) => ws.send(data, { binary })));
  const server = createServer({ key, cert, ...options });
  server.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, ws => wss.emit('connection', ws)));
  server.on('tlsClientError', () => {});
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => {
    for (const ws of wss.clients) ws.terminate();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** The code of the error of TLS that ends the attempt; 'none' if it connects, and messages go both ways. */
async function attempt(port: number, config: EspWebsocketClientConfig): Promise<string> {
  const { client, errors, data } = makeClient({
    uri: `wss://127.0.0.1:${port}/`,
    disableAutoReconnect: true,
    ...config,
  });
  await client.start().catch(() => {});
  if (!client.isConnected()) return errors[0]?.errorHandle.espTlsStackErr ?? errors[0]?.message ?? '?';
  for (const len of [5, 100_000]) await client.sendBin(Buffer.alloc(len, 'tls'));
  await until(() => expect(data.reduce((sum, event) => sum + event.dataLen, 0)).toBe(100_005));
  await client.close();
  return 'none';
}

describe('a certificate', () => {
  test('of an authority that is trusted is taken', async () => {
    const port = await serve(good);
    expect(await attempt(port, { certPem: ca.cert })).toBe('none');
    expect(await attempt(port, { certPem: [Buffer.from(alone.cert), ca.cert] })).toBe('none');
    expect(await attempt(port, {})).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    // that is not self-signed
    expect(await attempt(port, { allowSelfSigned: true })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  test('must have the name of the host, or certCommonName', async () => {
    const port = await serve(alone);
    const certPem = alone.cert;
    expect(await attempt(port, { certPem })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await attempt(port, { certPem, certCommonName: 'device.local' })).toBe('none');
    expect(await attempt(port, { certPem, certCommonName: 'other.local' })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await attempt(port, { certPem, skipCertCommonNameCheck: true })).toBe('none');
  });

  test('that is self-signed is taken with allowSelfSigned, if it is right otherwise', async () => {
    const port = await serve(alone);
    expect(await attempt(port, {})).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(await attempt(port, { skipCertCommonNameCheck: true })).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(await attempt(port, { allowSelfSigned: true })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await attempt(port, { allowSelfSigned: true, certCommonName: 'device.local' })).toBe('none');
    expect(await attempt(port, { allowSelfSigned: true, skipCertCommonNameCheck: true })).toBe('none');
  });

  test('that has expired is not taken', async () => {
    const port = await serve(expired);
    expect(await attempt(port, { certPem: expired.cert })).toBe('CERT_HAS_EXPIRED');
    expect(await attempt(port, { allowSelfSigned: true, skipCertCommonNameCheck: true })).toBe('CERT_HAS_EXPIRED');
  });

  test('of our own is shown to a server that asks for one', async () => {
    const port = await serve(good, { requestCert: true, rejectUnauthorized: true, ca: ca.cert });
    const { key: clientKey, cert: clientCert } = ofClient;
    expect(await attempt(port, { certPem: ca.cert, clientCert, clientKey })).toBe('none');
    expect(await attempt(port, { certPem: ca.cert })).not.toBe('none');
  });

  test.each([[{ certPem: 'no PEM' }], [{ clientCert: 'no PEM', clientKey: 'none either' }], [{ clientKey: 'alone' }]])(
    'that is none is refused before anything is opened (%#)',
    async config => {
      expect(await errorOf(() => makeClient({ uri: 'wss://127.0.0.1:1', ...config }))).toBe('ESP_ERR_INVALID_ARG');
    },
  );
});

test('a key that is encrypted is told as such: there is no option for its password', () => {
  const { cert, key } = ofClient;
  const clientKey = createPrivateKey(key).export({
    format: 'pem',
    type: 'pkcs8',
    cipher: 'aes-256-cbc',
    passphrase: 'sesame',
  });
  const config = { uri: 'wss://127.0.0.1:1', clientCert: cert, clientKey: clientKey as string };
  expect(() => makeClient(config)).toThrow('clientKey is encrypted, and there is no option for its password');
});

test('a server that speaks no TLS', async () => {
  const server = net.createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  const { port } = server.address() as { port: number };
  expect(await attempt(port, {})).toMatch(/^ERR_SSL_/);
});

test('a server that leaves within the handshake of TLS', async () => {
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {}).on('data', () => socket.end());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  const { port } = server.address() as { port: number };
  const { client, errors } = makeClient({ uri: `wss://127.0.0.1:${port}/`, disableAutoReconnect: true });
  await client.start().catch(() => {});
  expect(errors[0]?.errorHandle.errorType).toBe(WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT);
  expect(errors[0]?.message).toContain('no connection');
});
