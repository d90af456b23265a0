/** Certificates for tests, made once for a run of them. */
import { generate } from 'selfsigned';
import { inject } from 'vitest';

/** A certificate and its key, as PEM text. */
export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

/** What a run of the tests has; only who signs with them has waited for the keys. */
export interface TestCertificates {
  /** An authority. */
  readonly ca: TestPair;
  /** Of 'localhost', 127.0.0.1 and ::1, signed by it. */
  readonly server: TestPair;
  /** Of 'other.test', signed by it. */
  readonly other: TestPair;
  /** Of a client, signed by it. */
  readonly client: TestPair;
  /** Signed by itself. */
  readonly stranger: TestPair;
  /** Of an authority that has expired. */
  readonly expired: TestPair;
  /** Of an authority that is not valid yet. */
  readonly early: TestPair;
  /** Of an intermediate authority, signed by `ca`. */
  readonly intermediate: TestPair;
  /** Of 'localhost' and 127.0.0.1, and of a client: signed by the intermediate one. */
  readonly below: TestPair;
}

declare module 'vitest' {
  export interface ProvidedContext {
    certificates: TestCertificates;
  }
}

const DAY_MS = 86_400_000;

async function make(name: string, options: object): Promise<TestPair> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - DAY_MS),
    ...options,
  });
  return { cert, key };
}

const CA_EXTENSIONS = [
  { name: 'basicConstraints', cA: true },
  { name: 'keyUsage', keyCertSign: true, cRLSign: true },
];
const namesOf = (...names: object[]) => [{ name: 'subjectAltName', altNames: names }];
const DNS = 2;
const IP = 7;

export async function makeCertificates(): Promise<TestCertificates> {
  const ca = await make('Test CA', { extensions: CA_EXTENSIONS });
  const [server, other, client, stranger, expired, early, intermediate] = await Promise.all([
    make('localhost', {
      ca,
      extensions: namesOf({ type: DNS, value: 'localhost' }, { type: IP, ip: '127.0.0.1' }, { type: IP, ip: '::1' }),
    }),
    make('other.test', { ca, extensions: namesOf({ type: DNS, value: 'other.test' }) }),
    make('a client', { ca }),
    make('stranger', {}),
    make('Old CA', {
      extensions: CA_EXTENSIONS,
      notBeforeDate: new Date(Date.now() - 2 * DAY_MS),
      notAfterDate: new Date(Date.now() - DAY_MS),
    }),
    make('New CA', { extensions: CA_EXTENSIONS, notBeforeDate: new Date(Date.now() + DAY_MS) }),
    make('Intermediate CA', { ca, extensions: CA_EXTENSIONS }),
  ]);
  const below = await make('localhost', {
    ca: intermediate,
    extensions: namesOf({ type: DNS, value: 'localhost' }, { type: IP, ip: '127.0.0.1' }),
  });
  return { ca, server, other, client, stranger, expired, early, intermediate, below };
}

/** Those of this run. */
export function certificates(): TestCertificates {
  return inject('certificates');
}
