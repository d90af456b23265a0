import { createSocket, Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { exchange, post, request } from '../../../test/http/support.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer } from '../../../test/support/server.js';
import { config, register } from '../app.js';
import { DNS_PORT, PORTAL_CONFIG, portalOptions, registerPortal } from '../portal.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** A portal, and the lines of its log that are the example's. */
async function start({ host = '127.0.0.1', dnsPort = 0 } = {}) {
  const { logger, lines } = collectLog();
  const server = await startTestServer(PORTAL_CONFIG);
  const dns = registerPortal(server, { host, dnsPort, log: tag => espLog(tag, logger) });
  return { server, dns, dnsPort: await dns.bound, lines };
}

function resolverAt(port: number): Resolver {
  const resolver = new Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
}

/** Sends packets from one socket, and gives the first `replies` that come back. */
async function ask(port: number, packets: readonly Uint8Array[], replies: number): Promise<Buffer[]> {
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const got: Buffer[] = [];
  socket.on('message', reply => got.push(reply));
  for (const packet of packets) socket.send(packet, port, '127.0.0.1');
  await vi.waitFor(() => expect(got.length).toBe(replies), SOON);
  return got;
}

const QUERY = Buffer.from('abcd010000010000000000000178000001 0001'.replace(' ', ''), 'hex');

describe('the portal', () => {
  test('does what the steps of the test that ESP-IDF publishes ask for', async () => {
    const { server, dnsPort, lines } = await start();
    // the lines that it waits for, in this order
    const waitedFor = [
      /^I example: Set up softAP with IP: (127\.0\.0\.1)$/,
      /^I example: wifi_init_softap finished\. SSID:'(\S+)' password:'(\S+)'$/,
      new RegExp(`^I example: Starting server on port: '(${server.port})'$`),
      // a station asks for names at once
      new RegExp(`^I example_dns_redirect_server: Socket bound, port ${dnsPort}$`),
      /^I esp_netif_lwip: DHCP server assigned IP to a station, IP is: (127\.0\.0\.1)$/,
    ].map(pattern => lines.findIndex(line => pattern.test(line)));
    expect(waitedFor).not.toContain(-1);
    expect(waitedFor).toEqual([...waitedFor].sort((a, b) => a - b));
    expect(await resolverAt(dnsPort).resolve4('www.google.com')).toEqual(['127.0.0.1']);
    const redirect = await exchange(server, request('GET /test'));
    expect(redirect.status).toBe(302);
    // it looks for the header in small letters, and where it finds none it asks for /test again
    for (const uri of ['/test', redirect.headers.location]) {
      const { text } = await exchange(server, request(`GET ${uri}`));
      expect(text).toContain('Redirect to the captive portal');
    }
  });

  test('serves its page at /', async () => {
    const { server, lines } = await start();
    const { status, headers, text } = await exchange(server, request('GET /?a=b'));
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain('<h1>ESP Captive Portal</h1>');
    expect(lines.at(-1)).toBe('I example: Serve root');
  });

  test.each([
    ['what Android asks for', request('GET /generate_204')],
    ['what iOS asks for', request('GET /hotspot-detect.html')],
    ['what Windows asks for', request('GET /connecttest.txt')],
    ['what a proxy is asked for', request('GET http://www.example.com/a?b')],
    ['a POST', post('/login', 'name=x')],
    ['a DELETE', request('DELETE /x')],
  ])('sends %s to its page, with a text, and keeps the connection', async (_what, bytes) => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) {
      const { statusLine, headers, text } = await client.send(bytes).readResponse();
      expect([statusLine, headers.location, text]).toEqual([
        'HTTP/1.1 302 Temporary Redirect',
        '/',
        'Redirect to the captive portal',
      ]);
    }
    expect(lines.filter(line => line === 'I example: Redirecting to root')).toHaveLength(2);
  });

  test('has no page to be changed: a POST to / gets 405', async () => {
    const { server } = await start();
    const { status, headers } = await exchange(server, post('/', 'x'));
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });
});

describe.skipIf(ELSEWHERE)('its DNS server', () => {
  test('answers a resolver: the address for any name, nothing for what is no A record', async () => {
    const { dnsPort, lines } = await start();
    const resolver = resolverAt(dnsPort);
    expect(await resolver.resolve4('connectivitycheck.gstatic.com', { ttl: true })).toEqual([
      { address: '127.0.0.1', ttl: 300 },
    ]);
    await expect(resolver.resolve6('example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolveTxt('example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    expect(lines).toContain('I example_dns_redirect_server: Received 47 bytes from 127.0.0.1 | DNS reply with len: 63');
  });

  test('goes on behind packets that are none of its concern', async () => {
    const { dnsPort, lines } = await start();
    const response = Buffer.from(QUERY).fill(0x80, 2, 3);
    const odd = [Buffer.alloc(0), Buffer.alloc(1), response, Buffer.alloc(9000, 0xc0), QUERY.subarray(0, 13)];
    const replies = await ask(dnsPort, [...odd, QUERY], 2);
    expect(replies.map(reply => reply.toString('hex'))).toEqual([
      'abcd81010000000000000000',
      'abcd8580000100010000000001780000010001c00c000100010000012c00047f000001',
    ]);
    const lengths = lines.flatMap(
      line =>
        line
          .match(/Received (\d+) bytes .* len: (\d+)/)
          ?.slice(1)
          .join(' ') ?? [],
    );
    expect(lengths).toEqual(['0 0', '1 0', '19 0', '9000 0', '13 12', '19 35']);
  });

  test('on all addresses answers with the one in the network of who asks', async () => {
    const { dnsPort, lines } = await start({ host: '0.0.0.0' });
    expect(await resolverAt(dnsPort).resolve4('x.example')).toEqual(['127.0.0.1']);
    expect(lines[0]).toBe('I example: Set up softAP with IP: 127.0.0.1');
  });

  test('ends with the server: its port can be bound again, by the same portal on a new server', async () => {
    const { server, dnsPort, lines } = await start();
    await server.stop({ grace: 0 });
    expect(lines.at(-1)).toBe('I example_dns_redirect_server: Shutting down socket');
    const again = await start({ dnsPort });
    expect(again.dnsPort).toBe(dnsPort);
    expect(await resolverAt(dnsPort).resolve4('x.example')).toEqual(['127.0.0.1']);
  });

  test('that is stopped before it is bound never is', async () => {
    const server = await startTestServer();
    const dns = registerPortal(server, { host: '127.0.0.1', dnsPort: 0, log: quiet });
    await server.stop({ grace: 0 });
    expect(await dns.bound).toBe(0);
    dns.close();
  });

  test.each([
    ['a port that is taken', '127.0.0.1', 'EADDRINUSE'],
    ['an address that is not ours', '192.0.2.1', 'EADDRNOTAVAIL'],
  ])('on %s says so, and the portal serves', async (_what, host, code) => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { server, dnsPort, lines } = await start({ host, dnsPort: taken.address().port });
    expect(dnsPort).toBe(0);
    expect(lines).toContain(`E example_dns_redirect_server: Socket unable to bind: ${code}`);
    expect((await exchange(server, request('GET /'))).status).toBe(200);
  });

  const quiet = (tag: string) => espLog(tag, collectLog('silent').logger);
});

test.skipIf(ELSEWHERE)('the app begins anew on each server, with the port that the environment gives', async () => {
  vi.stubEnv('HOST', '127.0.0.1');
  vi.stubEnv('DNS_PORT', '0');
  onTestFinished(() => void vi.unstubAllEnvs());
  for (let boot = 0; boot < 2; boot++) {
    const server = await startTestServer({ ...httpdEsp32Config(), ...config, serverPort: 0 });
    register(server);
    expect((await exchange(server, request('GET /'))).status).toBe(200);
    expect((await exchange(server, request('GET /x'))).status).toBe(302);
    await server.stop({ grace: 0 });
  }
});

test.skipIf(ELSEWHERE)(
  'as a device it is reached from this machine only, unless the environment says more',
  async () => {
    vi.stubEnv('HOST', '');
    vi.stubEnv('DNS_PORT', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    const bind = vi.spyOn(Socket.prototype, 'bind');
    onTestFinished(() => bind.mockRestore());
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const server = await startTestServer(config);
      register(server);
      expect(bind).toHaveBeenLastCalledWith({ address: host, port: 0 });
      await server.stop({ grace: 0 });
      vi.stubEnv('HOST', '0.0.0.0');
    }
  },
);

describe.skipIf(ELSEWHERE)('the environment', () => {
  test.each([
    [{}, '0.0.0.0', DNS_PORT],
    [{ HOST: '', DNS_PORT: '' }, '0.0.0.0', DNS_PORT],
    [{ HOST: '::', DNS_PORT: '0' }, '0.0.0.0', 0],
    [{ HOST: '192.168.4.1', DNS_PORT: '53' }, '192.168.4.1', 53],
    [{ DNS_PORT: '65535' }, '0.0.0.0', 65_535],
  ])('%j', (env, host, dnsPort) => {
    expect(portalOptions(env)).toEqual({ host, dnsPort });
  });

  test.each(['65536', '-1', '5e1', ' 53', '1.5', 'dns', '999999'])('DNS_PORT=%s is refused', wanted => {
    expect(() => portalOptions({ DNS_PORT: wanted })).toThrow(
      `the port in the environment variable DNS_PORT must be a number from 0 to 65535, not '${wanted}'`,
    );
  });
});
