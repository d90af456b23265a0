/** What the tests of TLS share: encrypted servers, requests to them, and certificates as their sources. */
import * as https from 'node:https';
import type * as tls from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import { afterEach, expect } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { type HttpdSslConfig, sslStartWith } from '../../src/httpd/ssl.js';
import type { ServerParts } from '../../src/httpd/start.js';
import type { Credentials } from '../../src/tls/credentials.js';
import { certificates, type TestPair } from '../support/certificates.js';
import { serverTls, silent } from '../support/server.js';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Is called behind the test, the last one first. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

/** Nothing in these tests takes that long, unless it fails. */
export const PATIENCE = { timeout: 8_000, interval: 5 };

/** A pair as credentials of a server. */
export function credentials({ cert, key }: TestPair): Credentials {
  return { servercert: cert, prvtkeyPem: key };
}

/** An encrypted server on a port that the system chooses, stopped behind the test. GET / is answered with `hello`. */
export async function startSsl(config: Partial<HttpdSslConfig> = {}, parts: ServerParts = {}): Promise<HttpdServer> {
  const { httpd, ...rest } = config;
  const all = { ...serverTls(), portSecure: 0, portInsecure: 0, ...rest };
  const server = await sslStartWith({ ...all, httpd: { host: '127.0.0.1', logger: silent(), ...httpd } }, parts);
  afterwards(() => server.stop({ grace: 0 }));
  serve(server, '/', req => req.respSend('hello'));
  return server;
}

export function serve(server: HttpdServer, uri: string, handler: (req: HttpdReq) => Promise<void> | undefined): void {
  server.registerUriHandler({ uri, method: HTTP_GET, handler });
}

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The server's certificate. */
  readonly certificate: PeerCertificate;
}

export interface Ask extends tls.ConnectionOptions {
  readonly path?: string;
  readonly agent?: https.Agent;
  readonly localAddress?: string;
}

/** GET over a connection of its own, unless there is an agent; the test authority is trusted, the name is localhost. */
export function get(server: HttpdServer | number, { path = '/', agent, ...options }: Ask = {}): Promise<Answer> {
  const port = typeof server === 'number' ? server : server.port;
  const ca = certificates().ca.cert;
  return new Promise((resolve, reject) => {
    const all = { host: '127.0.0.1', port, path, ca, servername: 'localhost', agent: agent ?? false, ...options };
    https
      .get(all, response => {
        const certificate = (response.socket as tls.TLSSocket).getPeerCertificate();
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, text: Buffer.concat(pieces).toString(), certificate });
        });
      })
      .on('error', reject);
  });
}

/** The name in the certificate that a server shows. */
export async function shownName(server: HttpdServer | number, options: Ask = {}): Promise<string> {
  const { certificate } = await get(server, { checkServerIdentity: () => undefined, ...options });
  return String(certificate.subject.CN);
}

/** An EspError of this name whose message has all of these texts in it. */
export function failure(name: string, ...texts: string[]): unknown {
  return expect.objectContaining({
    name,
    message: expect.stringMatching(new RegExp(texts.map(text => `(?=[^]*${quoted(text)})`).join(''))),
  });
}

function quoted(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

export const invalid = (...texts: string[]) => failure('ESP_ERR_INVALID_ARG', ...texts);
