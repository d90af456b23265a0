import { createPrivateKey, type KeyExportOptions, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAuthorities, loadKeyPair, type PemSource } from '../../src/tls/credentials.js';
import { certificates } from '../support/certificates.js';
import { invalid } from './support.js';

let folder = '';
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'esp-httpd-tls-'));
  const { server, ca, expired } = certificates();
  writeFileSync(file('cert.pem'), server.cert);
  writeFileSync(file('key.pem'), server.key);
  writeFileSync(file('cert.der'), new X509Certificate(server.cert).raw);
  writeFileSync(file('key.der'), keyDer('pkcs8'));
  writeFileSync(file('chain.pem'), `# the server\n${server.cert}\n# who has signed it\n${ca.cert}`);
  writeFileSync(file('expired.pem'), expired.cert);
  writeFileSync(file('empty.pem'), '');
  writeFileSync(file('text.txt'), 'not a certificate, nor a key\n');
});

afterAll(() => rmSync(folder, { recursive: true }));

const keyDer = (type: 'pkcs8' | 'sec1') =>
  createPrivateKey(certificates().server.key).export({ format: 'der', type }) as Buffer;

/** One certificate, and the beginning of another. */
const cut = () => `${certificates().server.cert}${certificates().ca.cert.slice(0, 200)}`;

/** What a chain and a key are, whatever form they came in. */
const subjects = (pem: string) =>
  (pem.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(one => new X509Certificate(one).subject);

describe('a certificate and its key', () => {
  const SOURCES: readonly (readonly [form: string, cert: () => PemSource, key: () => PemSource])[] = [
    ['PEM text', () => certificates().server.cert, () => certificates().server.key],
    ['bytes of PEM', () => Buffer.from(certificates().server.cert), () => Buffer.from(certificates().server.key)],
    [
      'bytes that are no Buffer',
      () => new TextEncoder().encode(certificates().server.cert),
      () => new TextEncoder().encode(certificates().server.key),
    ],
    ['DER', () => new X509Certificate(certificates().server.cert).raw, () => keyDer('pkcs8')],
    ['DER of SEC 1', () => new X509Certificate(certificates().server.cert).raw, () => keyDer('sec1')],
    ['paths of PEM', () => file('cert.pem'), () => file('key.pem')],
    ['paths of DER', () => file('cert.der'), () => file('key.der')],
  ];

  test.each(SOURCES)('may come as %s', async (_form, cert, key) => {
    const pair = await loadKeyPair({ servercert: cert(), prvtkeyPem: key() });
    expect(subjects(pair.cert)).toEqual(['CN=localhost']);
    expect(new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  });

  test('may come with the certificates of intermediate authorities, in their order', async () => {
    const pair = await loadKeyPair({ servercert: file('chain.pem'), prvtkeyPem: file('key.pem') });
    expect(subjects(pair.cert)).toEqual(['CN=localhost', 'CN=Test CA']);
  });

  test('may lie in one file', async () => {
    const { cert, key } = certificates().server;
    const pair = await loadKeyPair({ servercert: `${key}\n${cert}`, prvtkeyPem: `${cert}\n${key}` });
    expect(subjects(pair.cert)).toEqual(['CN=localhost']);
  });

  const locked = (format: 'pem' | 'der') =>
    createPrivateKey(certificates().server.key).export({
      format,
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'sesame',
    } as KeyExportOptions<'pem'>);
  /** OpenSSL's older form. */
  const lockedSec1 = () =>
    createPrivateKey(certificates().server.key).export({
      format: 'pem',
      type: 'sec1',
      cipher: 'aes-256-cbc',
      passphrase: 'sesame',
    });

  describe.each([
    ['PEM', () => locked('pem')],
    ['PEM of SEC 1', lockedSec1],
    ['DER', () => locked('der')],
  ])('an encrypted key in %s', (_form, prvtkeyPem) => {
    const given = () => ({ servercert: certificates().server.cert, prvtkeyPem: prvtkeyPem() });

    test('is opened by its password', async () => {
      await expect(loadKeyPair({ ...given(), prvtkeyPassword: 'sesame' })).resolves.toHaveProperty('key');
    });

    test('asks for prvtkeyPassword', async () => {
      await expect(loadKeyPair(given())).rejects.toThrow(
        invalid('prvtkeyPem is encrypted: its password is needed in prvtkeyPassword'),
      );
    });

    test.each(['sesam', ''])('says of a wrong one that it is, and does not show it: %j', async prvtkeyPassword => {
      const wrong = loadKeyPair({ ...given(), prvtkeyPassword });
      await expect(wrong).rejects.toThrow(invalid('prvtkeyPem is encrypted, and prvtkeyPassword does not open it'));
      await expect(wrong).rejects.not.toThrow('sesam');
    });
  });

  test('a password that no key needs is passed over, and what is no key is told as such with one', async () => {
    const { cert, key } = certificates().server;
    const prvtkeyPassword = 'sesame';
    await expect(loadKeyPair({ servercert: cert, prvtkeyPem: key, prvtkeyPassword })).resolves.toHaveProperty('key');
    const none = loadKeyPair({ servercert: cert, prvtkeyPem: file('text.txt'), prvtkeyPassword });
    await expect(none).rejects.toThrow(invalid('is no private key'));
  });
});

describe('what is wrong is told by option and file', () => {
  const WRONG: readonly (readonly [what: string, cert: () => unknown, key: () => unknown, message: () => string])[] = [
    [
      'a path that is not there',
      () => file('none.pem'),
      () => file('key.pem'),
      () => `servercert: '${file('none.pem')}' can't be read: `,
    ],
    [
      'a key that is not there',
      () => file('cert.pem'),
      () => file('none.pem'),
      () => `prvtkeyPem: '${file('none.pem')}' can't be read: `,
    ],
    ['a folder', () => folder, () => file('key.pem'), () => `servercert: '${folder}' can't be read: `],
    [
      'a text that is neither PEM nor a path',
      () => 'MIIB',
      () => file('key.pem'),
      () => "servercert: 'MIIB' can't be read: ",
    ],
    ['a path with NUL in it', () => 'a\0b', () => file('key.pem'), () => "can't be read: "],
    [
      'a file that is no certificate',
      () => file('text.txt'),
      () => file('key.pem'),
      () => `servercert: '${file('text.txt')}' is no X.509 certificate: `,
    ],
    [
      'an empty file',
      () => file('empty.pem'),
      () => file('key.pem'),
      () => `servercert: '${file('empty.pem')}' is no X.509 certificate: `,
    ],
    [
      'a key in place of the certificate',
      () => file('key.pem'),
      () => file('key.pem'),
      () => `servercert: '${file('key.pem')}' has no certificate in it`,
    ],
    [
      'a certificate in place of the key',
      () => file('cert.pem'),
      () => file('cert.pem'),
      () => `prvtkeyPem: '${file('cert.pem')}' is no private key: `,
    ],
    [
      'a file that is no key',
      () => file('cert.pem'),
      () => file('text.txt'),
      () => `prvtkeyPem: '${file('text.txt')}' is no private key: `,
    ],
    [
      'the key of another certificate',
      () => file('cert.pem'),
      () => certificates().other.key,
      () => `prvtkeyPem is not the key of the certificate in servercert: '${file('cert.pem')}'`,
    ],
    [
      'a certificate that was cut',
      () => `${certificates().server.cert.slice(0, 200)}\n-----END CERTIFICATE-----`,
      () => file('key.pem'),
      () => 'servercert is no X.509 certificate: ',
    ],
    ['bytes that are nothing', () => Buffer.from([1, 2, 3]), () => file('key.pem'), () => 'servercert is no X.509'],
    [
      'nothing',
      () => undefined,
      () => file('key.pem'),
      () => 'servercert must be PEM text, bytes, or the path of a file',
    ],
    ['an empty text', () => file('cert.pem'), () => '', () => 'prvtkeyPem must be PEM text, bytes, or the path'],
    ['a number', () => 5, () => file('key.pem'), () => 'servercert must be PEM text, bytes, or the path of a file'],
  ];

  test.each(WRONG)('%s', async (_what, cert, key, message) => {
    const given = { servercert: cert() as PemSource, prvtkeyPem: key() as PemSource };
    await expect(loadKeyPair(given)).rejects.toThrow(invalid(message()));
  });

  test.each([null, undefined, 'cert.pem'])('%s in place of both', async given => {
    await expect(loadKeyPair(given as never)).rejects.toThrow(invalid('servercert and prvtkeyPem'));
  });

  test('the error of the system is the cause', async () => {
    const given = { servercert: file('none.pem'), prvtkeyPem: file('key.pem') };
    await expect(loadKeyPair(given)).rejects.toHaveProperty('cause.code', 'ENOENT');
  });

  test.each([
    ['without its first and last line', (key: string) => key.replace(/-----.*-----\n/g, '')],
    ['in one line', (key: string) => key.replace(/-----.*-----|\n/g, '')],
    [
      'in one line, for URLs',
      (key: string) => Buffer.from(key.replace(/-----.*-----/g, ''), 'base64').toString('base64url'),
    ],
    ['as JSON', (key: string) => JSON.stringify(createPrivateKey(key).export({ format: 'jwk' }))],
    ['as a text that is too long for a path', (key: string) => `${key.replace(/-----.*-----|\n/g, '')} `.repeat(4)],
  ])('a key %s is not in the message either, nor in its cause', async (_how, change) => {
    const { cert, key } = certificates().server;
    const error: unknown = await loadKeyPair({ servercert: cert, prvtkeyPem: change(key) }).catch(thrown => thrown);
    expect(error).toEqual(
      invalid("prvtkeyPem is neither PEM text, which has '-----BEGIN ' in it, nor the path of a file"),
    );
    expect(error).not.toHaveProperty('cause');
  });

  test.each([
    ['servercert', () => loadKeyPair({ servercert: cut(), prvtkeyPem: certificates().server.key })],
    ['cacertPem', () => loadAuthorities(cut())],
  ])('a certificate that is cut off behind a whole one: %s', async (name, load) => {
    await expect(load()).rejects.toThrow(invalid(`${name} has a certificate that is cut off`));
  });

  test('a key is never in a message', async () => {
    const { key } = certificates().server;
    const wrong = loadKeyPair({ servercert: key, prvtkeyPem: key });
    await expect(wrong).rejects.toThrow(invalid('servercert has no certificate in it'));
    await expect(wrong).rejects.not.toThrow(key.split('\n')[1] as string);
  });
});

describe('authorities', () => {
  test('may be several', async () => {
    const { ca, stranger } = certificates();
    expect(subjects(await loadAuthorities(`${ca.cert}${stranger.cert}`))).toEqual(['CN=Test CA', 'CN=stranger']);
  });

  test('one that has expired is refused, by its name and date', async () => {
    const { validTo } = new X509Certificate(certificates().expired.cert);
    await expect(loadAuthorities(file('expired.pem'))).rejects.toThrow(
      invalid(
        `cacertPem: '${file('expired.pem')}': the certificate of 'CN=Old CA' has expired: it was valid until ${validTo}`,
      ),
    );
  });

  test('one that is not valid yet is refused, by its name and date', async () => {
    const { early } = certificates();
    const { validFrom } = new X509Certificate(early.cert);
    await expect(loadAuthorities(early.cert)).rejects.toThrow(
      invalid(`cacertPem: the certificate of 'CN=New CA' is not valid yet: it will be from ${validFrom}`),
    );
  });

  test('one behind others is looked at too', async () => {
    const { ca, expired, early } = certificates();
    const both = (other: string) => loadAuthorities(`${ca.cert}${other}`);
    await expect(both(expired.cert)).rejects.toThrow(invalid("cacertPem: the certificate of 'CN=Old CA' has expired"));
    await expect(both(early.cert)).rejects.toThrow(
      invalid("cacertPem: the certificate of 'CN=New CA' is not valid yet"),
    );
  });

  test.each([
    ['a key', () => certificates().ca.key, 'cacertPem has no certificate in it'],
    ['a path that is not there', () => '/nowhere/ca.pem', "cacertPem: '/nowhere/ca.pem' can't be read"],
    ['nothing', () => undefined, 'cacertPem must be PEM text'],
  ])('%s is refused', async (_what, source, message) => {
    await expect(loadAuthorities(source() as PemSource)).rejects.toThrow(invalid(message));
  });
});
