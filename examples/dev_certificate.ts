/**
 * Certificates to try the examples over TLS with: made on the first run, used again, and made anew before they expire.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';

/** Where they are: `.gitignore` has it. */
const FOLDER = fileURLToPath(new URL('./.dev_cert', import.meta.url));
const DAY_MS = 86_400_000;
/** How long they are valid: no longer than one tries an example. */
const VALID_MS = 30 * DAY_MS;
/** With less than that left they are made anew. */
const LEFT_MS = DAY_MS;
/** Clocks may differ by that much. */
const BEFORE_MS = 3_600_000;

/** Programs that start at the same moment get in each other's way, but not so often. */
const TRIES = 10;

/** `altNames` of selfsigned: kinds of names (RFC 5280 section 4.2.1.6). */
const DNS = 2;
const IP = 7;

/** Names of the files, all of them PEM. */
const FILES = {
  ca: 'ca.pem',
  cert: 'server_cert.pem',
  key: 'server_key.pem',
  clientCert: 'client_cert.pem',
  clientKey: 'client_key.pem',
} as const;

/** Paths of PEM files, relative to the current folder, or their text. */
export type DevCertificates = Readonly<Record<keyof typeof FILES, string>>;

const NAMES = Object.keys(FILES) as (keyof typeof FILES)[];

/**
 * The files of an authority, of a server on this machine (`localhost`, 127.0.0.1, ::1) and of a client, both signed by
 * that authority, whose own key nobody keeps.
 *
 * @param parts.folder where they are
 * @param parts.now the time in ms
 * @returns their paths, and whether they have been made just now
 */
export async function devCertificates({
  folder = FOLDER,
  now = Date.now(),
} = {}): Promise<DevCertificates & { readonly made: boolean }> {
  const made = !(await areGood(folder, now));
  if (made) await replace(folder, await make(now), now);
  return { ...pathsIn(folder), made };
}

async function make(now: number): Promise<DevCertificates> {
  const options = {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - BEFORE_MS),
    notAfterDate: new Date(now + VALID_MS),
  } as const;
  const { cert, private: key } = await generate(named('esp-httpd examples'), {
    ...options,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  const signed = { ...options, ca: { cert, key } };
  const [server, client] = await Promise.all([
    generate(named('localhost'), {
      ...signed,
      extensions: [
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: DNS, value: 'localhost' },
            { type: IP, ip: '127.0.0.1' },
            { type: IP, ip: '::1' },
          ],
        },
      ],
    }),
    generate(named('example client'), {
      ...signed,
      extensions: [
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', clientAuth: true },
      ],
    }),
  ]);
  return { ca: cert, cert: server.cert, key: server.private, clientCert: client.cert, clientKey: client.private };
}

function named(name: string): { name: string; value: string }[] {
  return [{ name: 'commonName', value: name }];
}

/** Puts new files into `folder`, all of them at once. */
async function replace(folder: string, texts: DevCertificates, now: number): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  // nobody else may look into what mkdtemp makes
  const draft = await mkdtemp(`${folder}-`);
  const old = `${draft}-old`;
  try {
    for (const name of NAMES) await writeFile(join(draft, FILES[name]), texts[name], { mode: 0o600 });
    for (let left = TRIES; !(await takesPlace(draft, folder, { last: left === 1 })); left--) {
      // there is one: that of before, unless another program has been at it meanwhile
      if (await areGood(folder, now)) return;
      // as a whole: others may be about to do the same
      await rename(folder, old).catch(() => {});
      await rm(old, { recursive: true, force: true });
    }
  } finally {
    for (const path of [draft, old]) await rm(path, { recursive: true, force: true });
  }
}

/** @throws if it is the last try, and `folder` can't become what `draft` is */
async function takesPlace(draft: string, folder: string, { last }: { last: boolean }): Promise<boolean> {
  try {
    await rename(draft, folder);
    return true;
  } catch (error) {
    if (last) throw error;
    return false;
  }
}

/** Are all files there, do they belong together, and will they be valid for a while? */
async function areGood(folder: string, now: number): Promise<boolean> {
  try {
    const texts = {} as Record<keyof typeof FILES, string>;
    for (const name of NAMES) texts[name] = await readFile(join(folder, FILES[name]), 'utf8');
    const [ca, cert, clientCert] = [texts.ca, texts.cert, texts.clientCert].map(text => new X509Certificate(text));
    return (
      isSigned(ca, ca, now) &&
      isSigned(cert, ca, now) &&
      isSigned(clientCert, ca, now) &&
      cert?.checkPrivateKey(createPrivateKey(texts.key)) === true &&
      clientCert?.checkPrivateKey(createPrivateKey(texts.clientKey)) === true
    );
  } catch {
    // absent, or not what it was
    return false;
  }
}

function isSigned(cert: X509Certificate | undefined, ca: X509Certificate | undefined, now: number): boolean {
  if (cert === undefined || ca === undefined || !cert.verify(ca.publicKey)) return false;
  return Date.parse(cert.validFrom) <= now && Date.parse(cert.validTo) >= now + LEFT_MS;
}

function pathsIn(folder: string): DevCertificates {
  const paths = {} as Record<keyof typeof FILES, string>;
  for (const name of NAMES) paths[name] = relative('', join(folder, FILES[name]));
  return paths;
}
