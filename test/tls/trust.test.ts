/** Whom a list of authorities makes trusted: any of them ends a chain, an intermediate one too. */
import { createSecureContext } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { HttpdSslConfig } from '../../src/httpd/ssl.js';
import { EspWebsocketClient } from '../../src/ws_client/client.js';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { certificates } from '../support/certificates.js';
import { collectLog, silent } from '../support/server.js';
import { type Ask, afterwards, credentials, get, serve, startSsl } from './support.js';

/** A server to whom clients that the intermediate authority has signed are known, and what it says of a client. */
async function knowing(config: Partial<HttpdSslConfig> = {}) {
  const server = await startSsl({
    cacertPem: certificates().intermediate.cert,
    clientCert: 'optional',
    sessionTickets: true,
    ...config,
  });
  serve(server, '/who', req =>
    req.respSend(`${req.tls?.authorized} ${req.tls?.authorizationError ?? req.tls?.peerCertificate?.subject}`),
  );
  const who = async (options: Ask) => (await get(server, { path: '/who', ...options })).text;
  return { server, who };
}

const below = () => ({ ...certificates().below });
const beside = () => ({ ...certificates().client });

describe('an intermediate authority in cacertPem', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('vouches for the clients that it has signed, %s', async maxVersion => {
    const { who } = await knowing();
    expect(await who({ ...below(), maxVersion })).toBe('true CN=localhost');
    // signed by the authority above it
    expect(await who({ ...beside(), maxVersion })).toMatch(/^false [A-Z_]+$/);
  });

  test('lets them in, and nobody else, where a certificate is required', async () => {
    const { who } = await knowing({ clientCert: 'required' });
    expect(await who(below())).toBe('true CN=localhost');
    await expect(who(beside())).rejects.toThrow();
    await expect(who({})).rejects.toThrow();
  });

  test('counts behind setCertificate, and with a certificate of certSelectCb', async () => {
    const { server, who } = await knowing({
      certSelectCb: name => (name === 'other.test' ? credentials(certificates().other) : undefined),
    });
    expect(await who({ ...below(), servername: 'other.test' })).toBe('true CN=localhost');
    expect(await who({ ...beside(), servername: 'other.test' })).toMatch(/^false [A-Z_]+$/);
    await server.setCertificate(credentials(certificates().server));
    expect(await who(below())).toBe('true CN=localhost');
    // an address is no name: nothing is chosen
    expect(await who({ ...below(), servername: '' })).toBe('true CN=localhost');
  });
});

/** Does a client with this configuration connect to a server that shows this certificate? */
async function connects(shown: 'below' | 'server', config: EspWebsocketClientConfig): Promise<boolean> {
  const server = await startSsl({ ...credentials(certificates()[shown]) });
  server.registerUriHandler({ uri: '/ws', method: 1, isWebsocket: true, handler: () => undefined });
  const client = new EspWebsocketClient({
    uri: `wss://127.0.0.1:${server.port}/ws`,
    disableAutoReconnect: true,
    logger: silent(),
    ...config,
  });
  afterwards(() => client.destroy());
  await client.start().catch(() => {});
  return client.isConnected();
}

describe('an intermediate authority in certPem of a client', () => {
  test.each([
    ['alone', () => certificates().intermediate.cert],
    ['in a list', () => [certificates().stranger.cert, Buffer.from(certificates().intermediate.cert)]],
    ['behind another in one text', () => `${certificates().stranger.cert}\n${certificates().intermediate.cert}`],
  ])('vouches for the servers that it has signed, and for no others: %s', async (_how, certPem) => {
    expect(await connects('below', { certPem: certPem() })).toBe(true);
    expect(await connects('server', { certPem: certPem() })).toBe(false);
  });
});

/** A Node.js before 20.18, or of 22 before 22.9. */
function onOlderNode(): void {
  const native = Object.getPrototypeOf((createSecureContext() as { context: object }).context) as Record<
    string,
    unknown
  >;
  const { setAllowPartialTrustChain } = native;
  delete native.setAllowPartialTrustChain;
  onTestFinished(() => {
    native.setAllowPartialTrustChain = setAllowPartialTrustChain;
  });
}

describe('where Node.js does not know how', () => {
  const SAYS =
    /'CN=Intermediate CA' is not trusted by itself on Node\.js v[\d.]+: add the authority that has signed it/;

  test('the start of a server says so, unless the authority above is there too', async () => {
    onOlderNode();
    const { intermediate, ca } = certificates();
    const { logger, lines } = collectLog('warn');
    const { who } = await knowing({ httpd: { logger } });
    expect(lines).toEqual([expect.stringMatching(/^W httpd: config\.listeners\[0\]\.tls: cacertPem: /)]);
    expect(lines[0]).toMatch(SAYS);
    expect(await who(below())).toMatch(/^false [A-Z_]+$/);
    lines.length = 0;
    const both = await knowing({ cacertPem: `${intermediate.cert}${ca.cert}`, httpd: { logger } });
    expect(lines).toEqual([]);
    expect(await both.who(below())).toBe('true CN=localhost');
  });

  test('so does that of a client', async () => {
    onOlderNode();
    const { intermediate, ca } = certificates();
    const { logger, lines } = collectLog('warn');
    expect(await connects('below', { certPem: intermediate.cert, logger })).toBe(false);
    expect(lines[0]).toMatch(/^W websocket_client: certPem: /);
    expect(lines[0]).toMatch(SAYS);
    lines.length = 0;
    expect(await connects('below', { certPem: [intermediate.cert, ca.cert], logger })).toBe(true);
    expect(lines).toEqual([]);
  });
});
