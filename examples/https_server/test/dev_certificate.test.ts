/** The certificates that the examples over TLS are tried with. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { devCertificates } from '../../dev_certificate.js';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2030, 0, 1);

/** A folder that is not there yet, in one that is empty. */
function newFolder(): { parent: string; folder: string } {
  const parent = mkdtempSync(join(tmpdir(), 'dev-cert-test-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return { parent, folder: join(parent, '.dev_cert') };
}

const textsIn = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'utf8')]));

describe.skipIf(ELSEWHERE)('the first run', () => {
  test('makes an authority, and certificates of a server on this machine and of a client, signed by it', async () => {
    const { folder } = newFolder();
    const files = await devCertificates({ folder, now: NOW });
    expect(files.made).toBe(true);
    const read = (path: string) => readFileSync(path, 'utf8');
    const ca = new X509Certificate(read(files.ca));
    const server = new X509Certificate(read(files.cert));
    const client = new X509Certificate(read(files.clientCert));
    expect([ca.ca, server.ca, client.ca]).toEqual([true, false, false]);
    for (const cert of [ca, server, client]) {
      expect(cert.verify(ca.publicKey)).toBe(true);
      expect([Date.parse(cert.validFrom), Date.parse(cert.validTo)]).toEqual([NOW - 3_600_000, NOW + 30 * DAY_MS]);
      expect(cert.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    }
    expect(server.checkPrivateKey(createPrivateKey(read(files.key)))).toBe(true);
    expect(client.checkPrivateKey(createPrivateKey(read(files.clientKey)))).toBe(true);
    expect([server.checkHost('localhost'), server.checkIP('127.0.0.1'), server.checkIP('::1')]).toEqual([
      'localhost',
      '127.0.0.1',
      '::1',
    ]);
    // serverAuth, clientAuth (RFC 5280 section 4.2.1.12)
    expect([server.keyUsage, client.keyUsage]).toEqual([['1.3.6.1.5.5.7.3.1'], ['1.3.6.1.5.5.7.3.2']]);
  });

  test('lets nobody else read them, and keeps no key of the authority', async () => {
    const { parent, folder } = newFolder();
    await devCertificates({ folder, now: NOW });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const names = ['ca.pem', 'client_cert.pem', 'client_key.pem', 'server_cert.pem', 'server_key.pem'];
    expect(readdirSync(folder).sort()).toEqual(names);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
    const ca = new X509Certificate(readFileSync(join(folder, 'ca.pem')));
    for (const name of ['client_key.pem', 'server_key.pem']) {
      expect(ca.checkPrivateKey(createPrivateKey(readFileSync(join(folder, name)))), name).toBe(false);
    }
    expect(readdirSync(parent)).toEqual(['.dev_cert']);
  });

  test('of two programs at once gives both the same', async () => {
    const { parent, folder } = newFolder();
    const [one, two] = await Promise.all([1, 2].map(() => devCertificates({ folder, now: NOW })));
    expect(one).toMatchObject({ ca: two?.ca });
    expect(await devCertificates({ folder, now: NOW })).toMatchObject({ made: false });
    expect(readdirSync(parent)).toEqual(['.dev_cert']);
  });

  test('of some programs at once, behind certificates that have expired, gives all of them files', async () => {
    const { parent, folder } = newFolder();
    await devCertificates({ folder, now: NOW - 60 * DAY_MS });
    const all = await Promise.all(Array.from({ length: 4 }, () => devCertificates({ folder, now: NOW })));
    expect(all.map(({ cert }) => cert)).toEqual(Array(4).fill(all[0]?.cert));
    expect((await devCertificates({ folder, now: NOW })).made).toBe(false);
    expect(readdirSync(parent)).toEqual(['.dev_cert']);
  });
});

describe.skipIf(ELSEWHERE)('a later run', () => {
  // made once, since that takes longer than all else
  let parent: string;
  const made = () => join(parent, 'made');
  const others = () => join(parent, 'others');
  beforeAll(async () => {
    parent = mkdtempSync(join(tmpdir(), 'dev-cert-test-'));
    await devCertificates({ folder: made(), now: NOW });
    await devCertificates({ folder: others(), now: NOW });
  });
  afterAll(() => rmSync(parent, { recursive: true, force: true }));

  /** As the first run has left it. */
  function usedFolder(): { parent: string; folder: string } {
    const used = newFolder();
    cpSync(made(), used.folder, { recursive: true });
    return used;
  }

  test.each([
    ['at once', NOW],
    ['when more than a day is left', NOW + 29 * DAY_MS - 1000],
  ])('%s uses them again', async (_when, now) => {
    const { folder } = usedFolder();
    const before = textsIn(folder);
    expect(await devCertificates({ folder, now })).toMatchObject({ made: false });
    expect(textsIn(folder)).toEqual(before);
  });

  const other = (folder: string, name: string) => cpSync(join(others(), name), join(folder, name));
  const SPOILT: [string, (folder: string) => unknown, number?][] = [
    ['less than a day is left', () => {}, NOW + 29 * DAY_MS + 1000],
    ['they are not valid yet', () => {}, NOW - DAY_MS],
    ['a file is missing', folder => rmSync(join(folder, 'client_key.pem'))],
    ['a file is damaged', folder => writeFileSync(join(folder, 'server_cert.pem'), '-----BEGIN CERTIFICATE-----\n')],
    ['a key is another', folder => other(folder, 'server_key.pem')],
    ['the key of the client is another', folder => other(folder, 'client_key.pem')],
    [
      'the client is of another authority',
      folder => [other(folder, 'client_cert.pem'), other(folder, 'client_key.pem')],
    ],
    ['the authority is another', folder => other(folder, 'ca.pem')],
    ['it is a file', folder => [rmSync(folder, { recursive: true }), writeFileSync(folder, 'x')]],
    [
      'the folder was opened up, and a file is empty',
      folder => {
        chmodSync(folder, 0o755);
        writeFileSync(join(folder, 'ca.pem'), '');
      },
    ],
  ];

  test.each<[string, (folder: string) => unknown, number?]>(SPOILT)(
    'makes all of them anew if %s',
    async (_what, spoil, now = NOW) => {
      const { parent, folder } = usedFolder();
      const before = readFileSync(join(made(), 'ca.pem'), 'utf8');
      await spoil(folder);
      expect(await devCertificates({ folder, now })).toMatchObject({ made: true });
      expect(readFileSync(join(folder, 'ca.pem'), 'utf8')).not.toBe(before);
      expect(await devCertificates({ folder, now })).toMatchObject({ made: false });
      expect(statSync(folder).mode & 0o777).toBe(0o700);
      expect(readdirSync(parent)).toEqual(['.dev_cert']);
    },
  );
});
