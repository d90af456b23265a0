/**
 * Certificates and keys, given as PEM text, bytes or the path of a file: read and checked before anything listens, so that
 * what is wrong is told with the name of the option and of the file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describeThrown, ESP_ERR_INVALID_ARG, EspError, invalidArg } from '../err.js';
import { CERTIFICATE, ENCRYPTED } from './pem.js';

/** A certificate or key: PEM text, its bytes (PEM or DER), or the path of such a file. */
export type PemSource = string | Uint8Array;

/** What proves who a server or client is. */
export interface Credentials {
  /** Its certificate, those of intermediate authorities behind it. */
  readonly servercert: PemSource;
  /** The private key of the certificate. */
  readonly prvtkeyPem: PemSource;
  /** Of the private key, if it is encrypted. */
  readonly prvtkeyPassword?: string | undefined;
}

/** The same as node:tls takes it. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const PEM = '-----BEGIN ';
/** What may be a key without its first line, or JSON with one in it: it is never shown. */
const NOT_A_PATH = /[\r\n{]|^[\w+/=-]{60,}$|^.{256}/;
const BEGIN = '-----BEGIN CERTIFICATE-----';

/**
 * Reads a certificate chain and its key, and checks that they belong together.
 *
 * @param names of the options, for messages
 * @throws EspError ESP_ERR_INVALID_ARG, by rejection
 */
export async function loadKeyPair(given: Credentials, names = ['servercert', 'prvtkeyPem'] as const): Promise<KeyPair> {
  if (given === null || typeof given !== 'object') invalidArg(`an object with ${names.join(' and ')} is needed`);
  const cert = await load(names[0], given.servercert);
  const keyFile = await load(names[1], given.prvtkeyPem);
  const chain = certificates(cert);
  const key = privateKey(keyFile, given.prvtkeyPassword);
  if (!(chain[0] as X509Certificate).checkPrivateKey(key)) {
    invalidArg(`${keyFile.what} is not the key of the certificate in ${cert.what}`);
  }
  return { cert: pemOf(chain), key: key.export({ format: 'pem', type: 'pkcs8' }) as string };
}

/**
 * Reads the certificates of authorities, and checks that they are valid now.
 *
 * @throws EspError ESP_ERR_INVALID_ARG, by rejection
 */
export async function loadAuthorities(source: PemSource, name = 'cacertPem'): Promise<string> {
  const file = await load(name, source);
  const chain = certificates(file);
  for (const cert of chain) checkDates(cert, file.what);
  return pemOf(chain);
}

interface Loaded {
  /** The option, and the file if there is one. */
  readonly what: string;
  readonly bytes: Buffer;
}

async function load(name: string, source: unknown): Promise<Loaded> {
  if (source instanceof Uint8Array) return { what: name, bytes: Buffer.from(source) };
  if (typeof source !== 'string' || source === '') {
    return invalidArg(`${name} must be PEM text, bytes, or the path of a file`);
  }
  if (source.includes(PEM)) return { what: name, bytes: Buffer.from(source) };
  const what = `${name}: '${source}'`;
  try {
    return { what, bytes: await readFile(source) };
  } catch (cause) {
    if (NOT_A_PATH.test(source))
      invalidArg(`${name} is neither PEM text, which has '${PEM}' in it, nor the path of a file`);
    throw new EspError(ESP_ERR_INVALID_ARG, `${what} can't be read: ${describeThrown(cause)}`, { cause });
  }
}

function certificates({ what, bytes }: Loaded): X509Certificate[] {
  const text = bytes.toString('latin1');
  const blocks: (string | Buffer)[] = text.includes(PEM) ? (text.match(CERTIFICATE) ?? []) : [bytes];
  if (blocks.length === 0) invalidArg(`${what} has no certificate in it`);
  if (text.split(BEGIN).length > blocks.length + 1) invalidArg(`${what} has a certificate that is cut off`);
  try {
    return blocks.map(block => new X509Certificate(block));
  } catch (cause) {
    throw new EspError(ESP_ERR_INVALID_ARG, `${what} is no X.509 certificate: ${describeThrown(cause)}`, { cause });
  }
}

function privateKey({ what, bytes }: Loaded, passphrase: string | undefined): KeyObject {
  try {
    return keyOf(bytes, passphrase === undefined ? {} : { passphrase });
  } catch (cause) {
    throw new EspError(ESP_ERR_INVALID_ARG, `${what} ${keyProblem(bytes, passphrase, cause)}`, { cause });
  }
}

function keyOf(key: Buffer, password: { passphrase?: string }): KeyObject {
  return key.includes(PEM) ? createPrivateKey({ key, ...password }) : derKey(key, password);
}

/** OpenSSL does not say that a password is missing, and says many things when it is wrong. */
function keyProblem(key: Buffer, passphrase: string | undefined, cause: unknown): string {
  if (!isEncrypted(key)) return `is no private key: ${describeThrown(cause)}`;
  if (passphrase === undefined) return 'is encrypted: its password is needed in prvtkeyPassword';
  return `is encrypted, and prvtkeyPassword does not open it: ${describeThrown(cause)}`;
}

function isEncrypted(key: Buffer): boolean {
  if (key.includes(PEM)) return ENCRYPTED.test(key.toString('latin1'));
  try {
    keyOf(key, {});
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
  }
}

/** DER does not say which of the forms it has. */
function derKey(key: Buffer, password: { passphrase?: string }): KeyObject {
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8', ...password });
  } catch (cause) {
    for (const type of ['sec1', 'pkcs1'] as const) {
      try {
        return createPrivateKey({ key, format: 'der', type });
      } catch {
        // the next form
      }
    }
    throw cause;
  }
}

function checkDates({ validFrom, validTo, subject }: X509Certificate, what: string): void {
  const whose = `the certificate of '${subject.replaceAll('\n', ', ')}'`;
  const now = Date.now();
  if (Date.parse(validTo) < now) invalidArg(`${what}: ${whose} has expired: it was valid until ${validTo}`);
  if (Date.parse(validFrom) > now) invalidArg(`${what}: ${whose} is not valid yet: it will be from ${validFrom}`);
}

function pemOf(chain: readonly X509Certificate[]): string {
  return chain.map(cert => cert.toString()).join('');
}
