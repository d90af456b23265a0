/** A session that is resumed elsewhere than where it began: another name, another listener, another server. */
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { certificates } from '../support/certificates.js';
import { serverTls, startTestServer } from '../support/server.js';
import { afterwards, credentials, startSsl } from './support.js';

interface Visit {
  /** What was answered; empty where there was no answer. */
  readonly text: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

/** GET / over a connection of its own, which offers `session`. */
async function visit(port: number, options: tls.ConnectionOptions): Promise<Visit> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    ca: certificates().ca.cert,
    servername: 'localhost',
    checkServerIdentity: () => undefined,
    ...options,
  });
  afterwards(() => socket.destroy());
  let session: Buffer | undefined;
  let text = '';
  socket.on('session', ticket => {
    session = ticket;
  });
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  let resumed = false;
  socket.on('end', () => {
    resumed = socket.isSessionReused();
    session ??= socket.getSession();
  });
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await new Promise(resolve => socket.on('close', resolve));
  return { text: text.slice(text.indexOf('\r\n\r\n') + 4), resumed, session };
}

/** Answers with what the handler knows of the client. */
function tells(server: HttpdServer, uri = '/'): void {
  server.registerUriHandler({
    uri,
    method: HTTP_GET,
    handler: req => {
      const { authorized, resumed, peerCertificate } = req.tls ?? {};
      return req.respSend(JSON.stringify({ authorized, resumed, subject: peerCertificate?.subject }));
    },
  });
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('with tickets on, a session of %s', maxVersion => {
  const optional = () => ({ cacertPem: certificates().ca.cert, clientCert: 'optional' as const, sessionTickets: true });
  const required = () => ({ cacertPem: certificates().ca.cert, sessionTickets: true });

  async function start(config: object): Promise<HttpdServer> {
    const server = await startTestServer({
      listeners: [{ port: 0, host: '127.0.0.1', tls: { ...serverTls(), ...config } }],
    });
    tells(server);
    return server;
  }

  test('is resumed where it began', async () => {
    const server = await start(optional());
    const first = await visit(server.port, { maxVersion });
    const again = await visit(server.port, { maxVersion, session: first.session as Buffer });
    expect([first.resumed, again.resumed]).toEqual([false, true]);
  });

  test('is a new one at another server, which asks for a certificate: no answer without', async () => {
    const open = await start(optional());
    const closed = await start(required());
    const { session } = await visit(open.port, { maxVersion });
    expect(session).toBeDefined();
    expect((await visit(closed.port, { maxVersion, session: session as Buffer })).text).toBe('');
    const own = await visit(closed.port, { maxVersion, session: session as Buffer, ...certificates().client });
    expect([own.resumed, JSON.parse(own.text)]).toEqual([
      false,
      { authorized: true, resumed: false, subject: 'CN=a client' },
    ]);
  });

  test('is a new one at another listener of the same server', async () => {
    const tlsOf = (more: object) => ({ port: 0, host: '127.0.0.1', tls: { ...serverTls(), ...more } });
    const server = await startTestServer({ listeners: [tlsOf(optional()), tlsOf(required())] });
    tells(server);
    const [open, closed] = server.listeners.map(({ port }) => port) as [number, number];
    const { session } = await visit(open, { maxVersion });
    expect((await visit(closed, { maxVersion, session: session as Buffer })).text).toBe('');
    // the other way round it brings no rights along
    const ours = await visit(closed, { maxVersion, ...certificates().client });
    const there = await visit(open, { maxVersion, session: ours.session as Buffer });
    expect([there.resumed, JSON.parse(there.text)]).toEqual([false, { authorized: false, resumed: false }]);
  });

  test('under another name is nobody else, and nobody is let in by it', async () => {
    const { other, client } = certificates();
    const pair = credentials(other);
    const certSelectCb = (name: string) => (name === 'other.test' ? pair : undefined);
    const server = await start({ ...optional(), certSelectCb });
    const plain = await visit(server.port, { maxVersion });
    const across = await visit(server.port, { maxVersion, servername: 'other.test', session: plain.session as Buffer });
    expect(JSON.parse(across.text)).toMatchObject({ authorized: false });
    const strict = await start({ ...required(), certSelectCb });
    const ours = await visit(strict.port, { maxVersion, servername: 'other.test', ...client });
    const back = await visit(strict.port, { maxVersion, session: ours.session as Buffer });
    // either it is shown anew, which can't be done without a certificate, or it is the one that was shown
    if (back.text !== '')
      expect(JSON.parse(back.text)).toEqual({ authorized: true, resumed: true, subject: 'CN=a client' });
  });
});

test.each([
  ['an authority only', () => ({ cacertPem: certificates().stranger.cert })],
  ['a key only', () => ({ prvtkeyPem: certificates().other.key })],
  ['nothing', () => ({})],
])('certSelectCb that returns %s lets nobody in, and no authority of its own counts', async (_what, chosen) => {
  const { ca, other, stranger, client } = certificates();
  const server = await startSsl({
    cacertPem: ca.cert,
    certSelectCb: name =>
      (name === 'bad.test'
        ? chosen()
        : { servercert: other.cert, prvtkeyPem: other.key, cacertPem: stranger.cert }) as never,
  });
  expect((await visit(server.port, { servername: 'bad.test', ...client })).text).toBe('');
  expect((await visit(server.port, { servername: 'good.test', ...stranger })).text).toBe('');
});
