import * as https from 'node:https';
import { describe, expect, test, vi } from 'vitest';
import { HTTPD_SSL_USER_CB_SESS_ERROR, type HttpdSslConfig } from '../../src/httpd/ssl.js';
import { certificates } from '../support/certificates.js';
import { type Ask, get, PATIENCE, serve, startSsl } from './support.js';

/** A server that tells a client what it has seen of its certificate. */
async function asking(config: Partial<HttpdSslConfig>) {
  const failed: string[] = [];
  const server = await startSsl({
    cacertPem: certificates().ca.cert,
    userCb: arg => {
      if (arg.state === HTTPD_SSL_USER_CB_SESS_ERROR) failed.push((arg.error as NodeJS.ErrnoException).code ?? '');
    },
    ...config,
  });
  serve(server, '/who', req => {
    const { authorized, authorizationError, peerCertificate } = req.tls ?? {};
    return req.respSend(JSON.stringify({ authorized, authorizationError, subject: peerCertificate?.subject }));
  });
  const who = async (options: Ask = {}) => JSON.parse((await get(server, { path: '/who', ...options })).text) as object;
  return { server, who, failed };
}

const ours = () => ({ ...certificates().client });
const strangers = () => ({ ...certificates().stranger });

describe("clientCert 'required', the default", () => {
  test('lets a client in whose certificate one of cacertPem has signed', async () => {
    const { who } = await asking({});
    expect(await who(ours())).toEqual({ authorized: true, subject: 'CN=a client' });
  });

  test.each([
    ['TLSv1.2', 'without one', () => ({}), 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    ['TLSv1.3', 'without one', () => ({}), 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    ['TLSv1.2', 'with one that another has signed', strangers, ''],
    ['TLSv1.3', 'with one that another has signed', strangers, ''],
  ] as const)('over %s: a client %s gets no answer, and no session begins', async (maxVersion, _who, its, code) => {
    const { server, who, failed } = await asking({});
    const opened = vi.fn();
    server.on('connected', opened);
    await expect(who({ maxVersion, ...its() })).rejects.toThrow();
    await vi.waitFor(() => expect(server.getStats().sessions.refused.tlsHandshake).toBe(1), PATIENCE);
    expect(failed).toEqual([code === '' ? expect.any(String) : code]);
    expect(opened).not.toHaveBeenCalled();
    expect(await who(ours())).toMatchObject({ authorized: true });
  });
});

describe("clientCert 'optional'", () => {
  test.each([
    ['with a certificate that is signed', ours, { authorized: true, subject: 'CN=a client' }],
    ['without one', () => ({}), { authorized: false }],
    [
      'with one that another has signed',
      strangers,
      { authorized: false, subject: 'CN=stranger', authorizationError: expect.stringMatching(/^[A-Z_]+$/) },
    ],
  ])('leaves it to the handler: a client %s', async (_who, its, seen) => {
    const { who } = await asking({ clientCert: 'optional' });
    expect(await who(its())).toEqual(seen);
  });
});

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session that is resumed, %s', maxVersion => {
  test.each([
    ['without a certificate is not authorized', () => ({}), { authorized: false }],
    ['with one that is signed is', ours, { authorized: true, subject: 'CN=a client' }],
    ['with one that another has signed is not', strangers, { authorized: false, subject: 'CN=stranger' }],
  ])('%s', async (_who, its, seen) => {
    const { server } = await asking({ clientCert: 'optional', sessionTickets: true });
    serve(server, '/resumed', req => req.respSend(JSON.stringify(req.tls?.resumed)));
    const agent = new https.Agent({ maxSockets: 1 });
    const answers: object[] = [];
    for (let i = 0; i < 3; i++) {
      const { text } = await get(server, { path: '/who', agent, maxVersion, ...its() });
      answers.push(JSON.parse(text) as object);
    }
    expect((await get(server, { path: '/resumed', agent, maxVersion, ...its() })).text).toBe('true');
    expect(answers).toEqual(Array(3).fill(expect.objectContaining(seen)));
  });
});

test('without cacertPem none is asked for, and none is seen', async () => {
  const { who } = await asking({ cacertPem: undefined });
  expect(await who(ours())).toEqual({ authorized: false });
});

test('several authorities: each of them may have signed', async () => {
  const { ca, stranger } = certificates();
  const { who } = await asking({ cacertPem: `${stranger.cert}${ca.cert}` });
  expect(await who(ours())).toMatchObject({ authorized: true });
  expect(await who(strangers())).toMatchObject({ authorized: true, subject: 'CN=stranger' });
});

test('it is asked for behind certSelectCb and setCertificate too', async () => {
  const { other } = certificates();
  const pair = { servercert: other.cert, prvtkeyPem: other.key };
  const { server, who } = await asking({ certSelectCb: name => (name === 'other.test' ? pair : undefined) });
  const refusedAs = async (servername: string) => {
    await expect(who({ servername, ...strangers() })).rejects.toThrow();
    expect(await who({ servername, ...ours() })).toMatchObject({ authorized: true });
  };
  await refusedAs('other.test');
  await server.setCertificate(pair);
  await refusedAs('other.test');
});
