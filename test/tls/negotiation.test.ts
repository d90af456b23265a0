import { once } from 'node:events';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import type { HttpdSslConfig } from '../../src/httpd/ssl.js';
import { ESP_TLS_VER_ANY, ESP_TLS_VER_TLS_1_2, ESP_TLS_VER_TLS_1_3 } from '../../src/tls/tls_config.js';
import { certificates } from '../support/certificates.js';
import { type Ask, afterwards, credentials, get, invalid, serve, startSsl } from './support.js';

/** A server that tells what was agreed on. */
async function telling(config: Partial<HttpdSslConfig>) {
  const server = await startSsl(config);
  serve(server, '/tls', req => req.respSend(JSON.stringify(req.tls)));
  const agreed = async (options: Ask = {}) =>
    JSON.parse((await get(server, { path: '/tls', ...options })).text) as Record<string, unknown>;
  return { server, agreed };
}

describe('tlsVersion', () => {
  const VERSIONS = [
    ['ESP_TLS_VER_ANY', ESP_TLS_VER_ANY, 'TLSv1.2', 'TLSv1.3'],
    ['ESP_TLS_VER_TLS_1_2', ESP_TLS_VER_TLS_1_2, 'TLSv1.2', undefined],
    ['ESP_TLS_VER_TLS_1_3', ESP_TLS_VER_TLS_1_3, undefined, 'TLSv1.3'],
  ] as const;

  test.each(VERSIONS)('%s', async (_name, tlsVersion, with12, with13) => {
    const { agreed } = await telling({ tlsVersion });
    for (const [version, expected] of [
      ['TLSv1.2', with12],
      ['TLSv1.3', with13],
    ] as const) {
      const answer = agreed({ minVersion: version, maxVersion: version });
      if (expected === undefined) await expect(answer).rejects.toThrow(/version|alert/i);
      else expect(await answer).toMatchObject({ protocol: expected });
    }
  });

  test('TLS 1.0 and 1.1 are never spoken', async () => {
    const { agreed } = await telling({});
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(agreed(old)).rejects.toThrow();
  });
});

describe('ciphers', () => {
  const CHACHA = 'ECDHE-ECDSA-CHACHA20-POLY1305';
  const GCM = 'ECDHE-ECDSA-AES128-GCM-SHA256';

  test("are those that are named, in the server's order, on each version", async () => {
    const { agreed } = await telling({ ciphers: `${CHACHA}:${GCM}:TLS_CHACHA20_POLY1305_SHA256` });
    const of12 = (ciphers: string) => agreed({ maxVersion: 'TLSv1.2', ciphers });
    expect(await of12(`${GCM}:${CHACHA}`)).toMatchObject({ cipher: CHACHA });
    expect(await of12(GCM)).toMatchObject({ cipher: GCM });
    expect(await agreed({ minVersion: 'TLSv1.3' })).toMatchObject({ cipher: 'TLS_CHACHA20_POLY1305_SHA256' });
    await expect(of12('ECDHE-ECDSA-AES256-GCM-SHA384')).rejects.toThrow(/handshake failure/i);
  });

  test('count for certificates of certSelectCb and of setCertificate too', async () => {
    const { server, agreed } = await telling({
      ciphers: GCM,
      certSelectCb: name => (name === 'other.test' ? credentials(certificates().other) : undefined),
    });
    expect(await agreed({ servername: 'other.test' })).toMatchObject({ cipher: GCM });
    await server.setCertificate(credentials(certificates().server));
    expect(await agreed()).toMatchObject({ cipher: GCM });
    await expect(agreed({ maxVersion: 'TLSv1.2', ciphers: CHACHA })).rejects.toThrow(/handshake failure/i);
  });

  test('a version of which none is named is not spoken', async () => {
    const { agreed } = await telling({ ciphers: GCM });
    await expect(agreed({ minVersion: 'TLSv1.3' })).rejects.toThrow(/version|alert/i);
    expect(await agreed()).toMatchObject({ protocol: 'TLSv1.2', cipher: GCM });
    const newer = await telling({ ciphers: 'TLS_AES_128_GCM_SHA256' });
    await expect(newer.agreed({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/version|alert/i);
    expect(await newer.agreed()).toMatchObject({ cipher: 'TLS_AES_128_GCM_SHA256' });
  });

  test.each([
    ['', 'ciphers must be names of OpenSSL'],
    [[GCM], 'ciphers must be names of OpenSSL'],
    ['nonsense', "ciphers can't be used"],
    [`${GCM}:ECDHE-ECDSA-AES512-GCM`, "ciphers has 'ECDHE-ECDSA-AES512-GCM', which this OpenSSL does not know"],
    [`TLS_AES_512:${GCM}`, "ciphers has 'TLS_AES_512', which this OpenSSL does not know"],
  ])('%j is refused', async (ciphers, message) => {
    await expect(startSsl({ ciphers: ciphers as string })).rejects.toThrow(invalid(message));
  });

  test('of another version than tlsVersion are refused', async () => {
    await expect(startSsl({ ciphers: GCM, tlsVersion: ESP_TLS_VER_TLS_1_3 })).rejects.toThrow(
      invalid('none of TLS 1.3'),
    );
    const of13 = startSsl({ ciphers: 'TLS_AES_128_GCM_SHA256', tlsVersion: ESP_TLS_VER_TLS_1_2 });
    await expect(of13).rejects.toThrow(invalid('none of TLS 1.2'));
  });
});

describe('alpnProtos', () => {
  test.each([
    [['http/1.1'], 'http/1.1'],
    [['h2', 'http/1.1'], 'http/1.1'],
    [['echo/1', 'http/1.1'], 'echo/1'],
  ])('a client that offers %j gets %s', async (offered, chosen) => {
    const { agreed } = await telling({ alpnProtos: ['echo/1', 'http/1.1'] });
    expect(await agreed({ ALPNProtocols: offered })).toMatchObject({ alpnProtocol: chosen });
  });

  test('a client that offers none is served', async () => {
    const { agreed } = await telling({ alpnProtos: ['http/1.1'] });
    expect(await agreed({ ALPNProtocols: [] })).not.toHaveProperty('alpnProtocol');
  });

  test('a client that offers others only is refused', async () => {
    const { server, agreed } = await telling({ alpnProtos: ['http/1.1'] });
    await expect(agreed({ ALPNProtocols: ['h2'] })).rejects.toThrow();
    expect((await get(server)).status).toBe(200);
  });

  test('without alpnProtos nothing is agreed on', async () => {
    const { agreed } = await telling({});
    expect(await agreed({ ALPNProtocols: ['http/1.1'] })).not.toHaveProperty('alpnProtocol');
  });
});

describe('sessionTickets', () => {
  /** Two connections, the second with the session of the first. @returns whether the server resumed it */
  async function resumes(server: HttpdServer, maxVersion: tls.SecureVersion): Promise<boolean> {
    const options = {
      host: '127.0.0.1',
      port: server.port,
      ca: certificates().ca.cert,
      servername: 'localhost',
      maxVersion,
    };
    const exchange = async (session?: Buffer): Promise<{ session: Buffer | undefined; resumed: boolean }> => {
      const socket = tls.connect({ ...options, ...(session && { session }) });
      afterwards(() => socket.destroy());
      let latest: Buffer | undefined;
      socket.on('session', ticket => {
        latest = ticket;
      });
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      socket.resume();
      await once(socket, 'end');
      return { session: latest ?? socket.getSession(), resumed: socket.isSessionReused() };
    };
    const first = await exchange();
    expect(first.resumed).toBe(false);
    return (await exchange(first.session)).resumed;
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: resumed if they are on, and only then', async maxVersion => {
    expect(await resumes(await startSsl({ sessionTickets: true }), maxVersion)).toBe(true);
    expect(await resumes(await startSsl({}), maxVersion)).toBe(false);
  });

  test('req.tls tells of it, and of the certificate of the client that was shown before', async () => {
    const { ca, client } = certificates();
    const { server } = await telling({ sessionTickets: true, cacertPem: ca.cert });
    const seen: unknown[] = [];
    server.registerUriHandler({
      uri: '/seen',
      method: HTTP_GET,
      handler: req => {
        seen.push([req.tls?.resumed, req.tls?.authorized, req.tls?.peerCertificate?.subject]);
        return req.respSend();
      },
    });
    const options = { host: '127.0.0.1', port: server.port, ca: ca.cert, servername: 'localhost', ...client };
    let session: Buffer | undefined;
    for (let i = 0; i < 2; i++) {
      const socket = tls.connect({ ...options, ...(session && { session }) });
      afterwards(() => socket.destroy());
      socket.on('session', ticket => {
        session = ticket;
      });
      socket.write('GET /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      socket.resume();
      await once(socket, 'end');
    }
    expect(seen).toEqual([
      [false, true, 'CN=a client'],
      [true, true, 'CN=a client'],
    ]);
  });
});

test('a client may not renegotiate', async () => {
  const server = await startSsl();
  const tcp = net.connect(server.port, '127.0.0.1');
  const socket = tls.connect({
    socket: tcp,
    ca: certificates().ca.cert,
    servername: 'localhost',
    maxVersion: 'TLSv1.2',
  });
  afterwards(() => socket.destroy());
  await once(socket, 'secureConnect');
  const refused = await new Promise<Error | null>(resolve => {
    socket.once('error', resolve);
    socket.renegotiate({ rejectUnauthorized: true }, resolve);
  });
  expect(refused).toBeInstanceOf(Error);
  expect((await get(server)).status).toBe(200);
});
