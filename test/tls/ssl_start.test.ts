import { once } from 'node:events';
import * as net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import {
  HTTPD_SSL_TRANSPORT_INSECURE,
  HTTPD_SSL_USER_CB_SESS_CLOSE,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  HTTPD_SSL_USER_CB_SESS_ERROR,
  type HttpdSslConfig,
  type HttpdSslUserCbArg,
  httpdSslStart,
} from '../../src/httpd/ssl.js';
import { certificates } from '../support/certificates.js';
import { collectLog, serverTls } from '../support/server.js';
import { afterwards, get, invalid, PATIENCE, serve, startSsl } from './support.js';

describe('httpdSslStart', () => {
  test('serves HTTPS, and handlers see what was agreed on', async () => {
    const server = await startSsl();
    serve(server, '/tls', req => req.respSend(JSON.stringify({ ...req.tls, encrypted: req.encrypted })));
    expect(server.listeners).toEqual([{ port: server.port, path: undefined, encrypted: true }]);
    expect(await get(server)).toMatchObject({ status: 200, text: 'hello' });
    expect(JSON.parse((await get(server, { path: '/tls' })).text)).toEqual({
      protocol: 'TLSv1.3',
      cipher: expect.stringMatching(/^TLS_/),
      servername: 'localhost',
      resumed: false,
      authorized: false,
      encrypted: true,
    });
  });

  test('does not answer plain HTTP', async () => {
    const server = await startSsl();
    const socket = net.connect(server.port, '127.0.0.1');
    afterwards(() => socket.destroy());
    let received = '';
    socket.on('data', piece => {
      received += piece;
    });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'close');
    expect(received).not.toContain('HTTP/');
    expect((await get(server)).status).toBe(200);
  });

  test('with transportMode insecure it serves plain HTTP on portInsecure, and looks at no certificate', async () => {
    const server = await startSsl({
      transportMode: HTTPD_SSL_TRANSPORT_INSECURE,
      servercert: 'not even a file',
      portSecure: 1,
    });
    expect(server.listeners).toEqual([{ port: server.port, path: undefined, encrypted: false }]);
    expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe('hello');
  });

  test('passes the rest of the configuration on', async () => {
    const server = await startSsl({ httpd: { globalUserCtx: 'mine', maxUriHandlers: 1 } });
    expect(server.getGlobalUserCtx()).toBe('mine');
    expect(() => serve(server, '/b', () => undefined)).toThrow('maxUriHandlers');
  });

  test('refuses an authority that has expired', async () => {
    await expect(startSsl({ cacertPem: certificates().expired.cert })).rejects.toThrow(invalid('CN=Old CA', 'expired'));
  });

  const WRONG: readonly (readonly [Record<string, unknown>, message: string])[] = [
    [{ transportMode: 2 }, 'transportMode must be HTTPD_SSL_TRANSPORT_SECURE or HTTPD_SSL_TRANSPORT_INSECURE'],
    [{ userCb: 'log' }, 'userCb must be a function'],
    [{ httpd: 5 }, 'httpd must be an object'],
    [{ httpd: null }, 'httpd must be an object'],
    [{ httpd: { serverPort: 443 } }, 'httpd.serverPort is not taken here: use portSecure'],
    [{ httpd: { listeners: [] } }, 'httpd.listeners is not taken here'],
    [{ httpd: { maxUriLen: 0 } }, 'config.maxUriLen must be an integer'],
    [{ portSecure: 65_536 }, 'portSecure must be an integer from 0 to 65535'],
    [{ portSecure: '443' }, 'portSecure must be an integer from 0 to 65535'],
    [{ portInsecure: -1 }, 'portInsecure must be an integer from 0 to 65535'],
    [{ clientCert: 'maybe', cacertPem: 'x' }, "clientCert must be 'required' or 'optional'"],
    [{ clientCert: 'optional' }, 'clientCert needs cacertPem'],
    [{ prvtkeyPassword: 5 }, 'prvtkeyPassword must be a string'],
    [{ sessionTickets: 1 }, 'sessionTickets must be true or false'],
    [{ alpnProtos: [] }, 'alpnProtos must be a list of names of 1 to 255 bytes'],
    [{ alpnProtos: ['http/1.1', ''] }, 'alpnProtos must be a list'],
    [{ alpnProtos: ['x'.repeat(256)] }, 'alpnProtos must be a list'],
    [{ alpnProtos: 'http/1.1' }, 'alpnProtos must be a list'],
    [{ tlsHandshakeTimeoutMs: 0 }, 'tlsHandshakeTimeoutMs must be an integer from 1 to 600000'],
    [{ tlsHandshakeTimeoutMs: 600_001 }, 'tlsHandshakeTimeoutMs must be an integer from 1 to 600000'],
    [{ tlsHandshakeTimeoutMs: 1.5 }, 'tlsHandshakeTimeoutMs must be an integer from 1 to 600000'],
    [{ tlsVersion: 3 }, 'tlsVersion must be ESP_TLS_VER_ANY'],
    [{ certSelectCb: {} }, 'certSelectCb must be a function'],
    [{ servercertPem: 'x' }, "tls has no option 'servercertPem'"],
    [{ servercert: '/nowhere.pem' }, "config.listeners[0].tls: servercert: '/nowhere.pem' can't be read"],
    [{ servercert: undefined }, 'servercert must be PEM text, bytes, or the path of a file'],
  ];

  test.each(WRONG)('refuses %j', async (given, message) => {
    const config = { ...serverTls(), portSecure: 0, httpd: { host: '127.0.0.1' }, ...given } as HttpdSslConfig;
    await expect(httpdSslStart(config)).rejects.toThrow(invalid(message));
  });

  test.each([undefined, null, 'cert.pem'])('refuses %s in place of a configuration', async given => {
    await expect(httpdSslStart(given as never)).rejects.toThrow(invalid('httpdSslStart needs a configuration'));
  });
});

describe('userCb', () => {
  function collect() {
    const told: HttpdSslUserCbArg[] = [];
    return { told, userCb: (arg: HttpdSslUserCbArg) => void told.push(arg) };
  }

  test('is told of a session that begins, with what TLS has agreed on, and that ends', async () => {
    const { told, userCb } = collect();
    const server = await startSsl({ userCb });
    await get(server);
    await vi.waitFor(() => expect(told).toHaveLength(2), PATIENCE);
    const [create, close] = told;
    expect(create).toMatchObject({
      state: HTTPD_SSL_USER_CB_SESS_CREATE,
      fd: expect.any(Number),
      tls: { protocol: 'TLSv1.3', servername: 'localhost' },
    });
    expect(close).toEqual({ state: HTTPD_SSL_USER_CB_SESS_CLOSE, fd: create?.state === 0 ? create.fd : -1 });
  });

  test('is told of a handshake that failed, and why', async () => {
    const { told, userCb } = collect();
    const server = await startSsl({ userCb });
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await vi.waitFor(() => expect(told).toHaveLength(1), PATIENCE);
    expect(told[0]).toMatchObject({
      state: HTTPD_SSL_USER_CB_SESS_ERROR,
      remoteAddress: '127.0.0.1',
      error: { code: 'ERR_SSL_HTTP_REQUEST' },
    });
    socket.destroy();
    expect((await get(server)).status).toBe(200);
  });

  test('that throws or rejects is logged, and harms nobody', async () => {
    const { logger, lines } = collectLog();
    const userCb = ({ state }: HttpdSslUserCbArg): void => {
      if (state === HTTPD_SSL_USER_CB_SESS_CREATE) throw new Error('no room\u001b[2J');
      return Promise.reject(new Error('too late')) as never;
    };
    const server = await startSsl({ userCb, httpd: { logger } });
    expect(await get(server)).toMatchObject({ status: 200, text: 'hello' });
    await vi.waitFor(() => {
      const told = lines.filter(line => line.startsWith('E esp_https_server: '));
      expect(told).toEqual([
        expect.stringContaining('userCb failed: Error: no room'),
        expect.stringContaining('userCb failed: Error: too late'),
      ]);
      expect(told.join()).not.toContain('\u001b');
    }, PATIENCE);
  });

  test('is not called for sessions of an insecure server', async () => {
    const { told, userCb } = collect();
    const server = await startSsl({ userCb, transportMode: HTTPD_SSL_TRANSPORT_INSECURE });
    await (await fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: 'close' } })).text();
    await vi.waitFor(() => expect(server.getClientList()).toEqual([]), PATIENCE);
    expect(told).toEqual([]);
  });
});

test('a second server on the same port is refused, and says where', async () => {
  const server = await startSsl();
  const config = { ...serverTls(), portSecure: server.port, httpd: { host: '127.0.0.1' } };
  await expect(httpdSslStart(config)).rejects.toMatchObject({
    name: 'ESP_ERR_HTTPD_TASK',
    message: expect.stringContaining(`can't listen on 127.0.0.1 port ${server.port}: `),
    cause: { code: 'EADDRINUSE' },
  });
});
