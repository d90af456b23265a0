import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { HTTPD_SSL_USER_CB_SESS_ERROR, type HttpdSslUserCbArg } from '../../src/httpd/ssl.js';
import type { Credentials } from '../../src/tls/credentials.js';
import type { CertSelectFn } from '../../src/tls/tls_config.js';
import { certificates } from '../support/certificates.js';
import { ManualClock } from '../support/clock.js';
import { afterwards, credentials, get, PATIENCE, shownName, startSsl } from './support.js';

/** A server whose certificates are chosen so, the errors of its handshakes, and the names that it was asked for. */
async function choosing(choose: CertSelectFn) {
  const errors: string[] = [];
  const asked: string[] = [];
  const server = await startSsl({
    certSelectCb: name => {
      asked.push(name);
      return choose(name);
    },
    userCb: (arg: HttpdSslUserCbArg) => {
      if (arg.state === HTTPD_SSL_USER_CB_SESS_ERROR) errors.push(arg.error.message);
    },
  });
  return { server, errors, asked };
}

const other = () => credentials(certificates().other);

describe('certSelectCb', () => {
  const WAYS: readonly (readonly [string, CertSelectFn])[] = [
    ['at once', name => (name === 'other.test' ? other() : undefined)],
    ['later', async name => (name === 'other.test' ? other() : undefined)],
  ];

  test.each(WAYS)('chooses by name, %s; undefined takes servercert', async (_how, choose) => {
    const { server, asked } = await choosing(choose);
    expect(await shownName(server, { servername: 'other.test' })).toBe('other.test');
    expect(await shownName(server, { servername: 'localhost' })).toBe('localhost');
    expect(await shownName(server, { servername: 'third.test' })).toBe('localhost');
    expect(asked).toEqual(['other.test', 'localhost', 'third.test']);
  });

  test('is given the name in lower case: names are the same in any', async () => {
    const { server, asked } = await choosing(name => (name === 'other.test' ? other() : undefined));
    expect(await shownName(server, { servername: 'OTHER.Test' })).toBe('other.test');
    expect(asked).toEqual(['other.test']);
  });

  test('is not asked where the client names none', async () => {
    const { server, asked } = await choosing(other);
    expect(await shownName(server, { servername: '' })).toBe('localhost');
    expect(asked).toEqual([]);
  });

  const thrown = () => {
    throw new Error('no such tenant');
  };
  const hostile = () =>
    Object.defineProperty(new Error('a'), 'message', {
      get() {
        throw new Error('b');
      },
    });
  const FAILURES: readonly (readonly [string, CertSelectFn, message: string])[] = [
    ['throws', thrown, 'no such tenant'],
    ['rejects', async () => thrown(), 'no such tenant'],
    ['throws a text', () => Promise.reject('no such tenant'), 'no such tenant'],
    [
      'throws what can not be shown',
      () => Promise.reject(Object.create(null)),
      'certSelectCb failed: a value that cannot',
    ],
    ['throws an error that throws', () => Promise.reject(hostile()), 'certSelectCb failed: a value that cannot'],
    [
      'chooses a key that does not match',
      () => ({ ...other(), prvtkeyPem: certificates().server.key }),
      'prvtkeyPem is not the key of the certificate in servercert',
    ],
    [
      'chooses a file that is not there',
      () => ({ ...other(), servercert: '/nowhere/cert.pem' }),
      "servercert: '/nowhere/cert.pem' can't be read",
    ],
    ['returns null', () => null as never, 'certSelectCb must return credentials, or undefined'],
    ['returns a text', () => 'other.pem' as never, 'certSelectCb must return credentials, or undefined'],
    ['returns an object without certificates', () => ({}) as never, 'servercert must be PEM text'],
  ];

  test.each(FAILURES)('that %s ends this connection only, and says why', async (_what, fail, message) => {
    const { server, errors } = await choosing(name => (name === 'bad.test' ? fail(name) : undefined));
    await expect(get(server, { servername: 'bad.test' })).rejects.toThrow();
    await vi.waitFor(() => expect(errors).toEqual([expect.stringContaining(message)]), PATIENCE);
    expect(server.getStats().sessions.refused.tlsHandshake).toBe(1);
    expect((await get(server)).status).toBe(200);
  });

  test('credentials are checked once for each object; a file that was wrong is read again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-sni-'));
    afterwards(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'cert.pem');
    const chosen: Credentials = { servercert: file, prvtkeyPem: certificates().other.key };
    const { server } = await choosing(() => chosen);
    await expect(get(server, { servername: 'other.test' })).rejects.toThrow();
    writeFileSync(file, certificates().other.cert);
    expect(await shownName(server, { servername: 'other.test' })).toBe('other.test');
    writeFileSync(file, 'broken now');
    expect(await shownName(server, { servername: 'other.test' })).toBe('other.test');
  });

  test('that never answers is cut off by tlsHandshakeTimeoutMs', async () => {
    const clock = new ManualClock();
    const asked = vi.fn(() => new Promise<undefined>(() => {}));
    const server = await startSsl({ certSelectCb: asked, tlsHandshakeTimeoutMs: 3_000 }, { clock });
    const refused = expect(get(server)).rejects.toThrow();
    await vi.waitFor(() => expect(asked).toHaveBeenCalled(), PATIENCE);
    clock.advance(3_000);
    await refused;
    expect(server.getStats().sessions.refused.tlsHandshake).toBe(1);
  });
});
