/** What a client sees, and what the log tells of it. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  espLog,
  HTTPD_SSL_USER_CB_SESS_CLOSE,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  HTTPD_SSL_USER_CB_SESS_ERROR,
  type TlsInfo,
} from '../../../src/index.js';
import { certificates, type TestPair } from '../../../test/support/certificates.js';
import { collectLog, ELSEWHERE, serverTls, startTestServer } from '../../../test/support/server.js';
import { get } from '../../../test/tls/support.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { register, registerHandlers } from '../app.js';
import { certificateInfo } from '../peer_certificate.js';
import { userCallback } from '../user_callback.js';

const MAIN = '../https_server/main.ts';
const PAGE = '<h1>Hello Secure World!</h1>';
const TIME = String.raw`\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}`;

/** What ESP-IDF's test script looks for in the log. */
const EXPECTED = [
  /Starting server/,
  /Server listening on port (\d+)/,
  /IPv4 address: (\d+\.\d+\.\d+\.\d+)[^\d]/,
  /performing session handshake/,
  /Current Ciphersuite(.*)/,
  /serial number\s*:([^\n]*)/,
  /issuer name\s*:([^\n]*)/,
  /expires on\s*:((.*)\d{4}-(0?[1-9]|1[012])-(0?[1-9]|[12][0-9]|3[01])*)/,
];

/** The lines about a certificate of this name. */
const linesOf = (issuer: string, subject: string) =>
  `serial number     : ([0-9A-F]{2}:)*[0-9A-F]{2}
issuer name       : CN=${issuer}
subject name      : CN=${subject}
issued  on        : ${TIME}
expires on        : ${TIME}`;

/** The example's handlers on a server that asks for certificates, as main.ts has it. */
async function start() {
  const tls = { ...serverTls(), cacertPem: certificates().ca.cert, clientCert: 'optional' } as const;
  const server = await startTestServer({ listeners: [{ port: 0, host: '127.0.0.1', tls }] });
  registerHandlers(server);
  return server;
}

describe.skipIf(ELSEWHERE)('the handlers', () => {
  test('GET / is the page of the C example, to the byte', async () => {
    const { status, headers, text } = await get(await start());
    expect([status, headers['content-type'], text]).toEqual([200, 'text/html', PAGE]);
  });

  test.each<[string, () => TestPair | undefined, string]>([
    ['none', () => undefined, 'You have shown no certificate.'],
    [
      'one that is trusted',
      () => certificates().client,
      `${linesOf('Test CA', 'a client')}\nYour certificate is trusted.`,
    ],
    [
      'one that it has made itself',
      () => certificates().stranger,
      `${linesOf('stranger', 'stranger')}\nYour certificate is not trusted: DEPTH_ZERO_SELF_SIGNED_CERT`,
    ],
  ])('GET /client tells a client that has shown %s', async (_what, pair, told) => {
    const { status, headers, text } = await get(await start(), { path: '/client', ...pair() });
    expect(status).toBe(200);
    expect(text).toMatch(new RegExp(`^TLSv1.3, TLS_AES_\\w+\n${told}\n$`));
    expect([headers['content-type'], headers['x-content-type-options']]).toEqual([
      'text/plain; charset=utf-8',
      'nosniff',
    ]);
  });

  test('serve plain connections too, as on a device, and tell what a board tells', async () => {
    const server = await startTestServer({ listeners: [{ port: 0, host: '127.0.0.1' }] });
    const { logger, lines } = collectLog();
    register(server, tag => espLog(tag, logger));
    expect(lines).toEqual([
      'I example: Starting server',
      'I esp_https_server: Starting server',
      `I esp_https_server: Server listening on port ${server.port}`,
      'I esp_https_server: IPv4 address: 127.0.0.1',
      'I example: Registering URI handlers',
    ]);
    const url = `http://127.0.0.1:${server.port}`;
    expect(await (await fetch(url)).text()).toBe(PAGE);
    expect(await (await fetch(`${url}/client`)).text()).toBe('The connection is not encrypted.\n');
  });

  test('belong to their server: two of them are no matter of each other', async () => {
    const [one, two] = [await start(), await start()];
    await one.stop({ grace: 0 });
    expect((await get(two)).status).toBe(200);
  });
});

describe.skipIf(ELSEWHERE)('a certificate in lines', () => {
  const like = (fields: Partial<X509Certificate>) =>
    ({
      serialNumber: 'ABC',
      issuer: 'C=CN\nO=A, B',
      subject: 'CN=x',
      validFrom: 'x',
      validTo: 'y',
      ...fields,
    }) as X509Certificate;

  test('joins the parts of a name, and writes the serial number by bytes', () => {
    expect(certificateInfo(like({ validFrom: 'Jan  2 03:04:05 2030 GMT' }))).toEqual([
      'serial number     : AB:C',
      'issuer name       : C=CN, O=A, B',
      'subject name      : CN=x',
      'issued  on        : 2030-01-02 03:04:05',
      'expires on        : y',
    ]);
  });

  test('has no odd names, and no odd times, that drive a terminal or throw', () => {
    const lines = certificateInfo(
      like({
        serialNumber: '',
        issuer: undefined as unknown as string,
        subject: 'CN=\x1b[2J\u202e',
        validTo: 'Bad\x07 time',
      }),
    );
    expect(lines).toEqual([
      'serial number     : ',
      'issuer name       : ',
      'subject name      : CN=\\u{1b}[2J\\u{202e}',
      'issued  on        : x',
      'expires on        : Bad\\u{7} time',
    ]);
  });
});

describe.skipIf(ELSEWHERE)('userCb', () => {
  const agreed: TlsInfo = {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    alpnProtocol: undefined,
    servername: undefined,
    resumed: false,
    authorized: false,
    authorizationError: undefined,
    peerCertificate: undefined,
  };

  function start() {
    const { logger, lines } = collectLog();
    return { call: userCallback(espLog('t', logger)), lines };
  }

  /** What is logged of a session that begins and ends. */
  function told(tls: Partial<TlsInfo>): string[] {
    const { call, lines } = start();
    call({ state: HTTPD_SSL_USER_CB_SESS_CREATE, fd: 7, tls: { ...agreed, ...tls } });
    call({ state: HTTPD_SSL_USER_CB_SESS_CLOSE, fd: 7 });
    return lines;
  }
  const invoked = 'I t: User callback invoked!';
  const begin = [
    invoked,
    'D t: At session creation',
    'I t: Socket FD: 7',
    'I t: Current Ciphersuite: TLS_AES_128_GCM_SHA256',
  ];
  const end = [invoked, 'D t: At session close'];

  test('tells what was agreed on, and who the client is', () => {
    const peerCertificate = new X509Certificate(certificates().client.cert);
    const info = certificateInfo(peerCertificate).map(line => `I t:     ${line}`);
    const about = [...begin, ...end, 'I t: Peer certificate info:', ...info];
    expect(told({ peerCertificate, authorized: true })).toEqual([...about, 'I t: It is trusted']);
    expect(told({ peerCertificate, authorizationError: 'CERT_HAS_EXPIRED' })).toEqual([
      ...about,
      'W t: It is not trusted: CERT_HAS_EXPIRED',
    ]);
    expect(told({})).toEqual([...begin, ...end, 'W t: Could not obtain the peer certificate!']);
  });

  test('forgets a client that has left', () => {
    const { call, lines } = start();
    call({
      state: HTTPD_SSL_USER_CB_SESS_CREATE,
      fd: 7,
      tls: { ...agreed, peerCertificate: new X509Certificate(certificates().client.cert) },
    });
    call({ state: HTTPD_SSL_USER_CB_SESS_CLOSE, fd: 7 });
    lines.length = 0;
    call({ state: HTTPD_SSL_USER_CB_SESS_CLOSE, fd: 7 });
    expect(lines).toEqual([...end, 'W t: Could not obtain the peer certificate!']);
  });

  test.each([
    ['192.0.2.7', ['W t: SSL handshake failed from client IP: 192.0.2.7']],
    ['', []],
  ])('tells of a handshake that has failed, with a client at %j', (remoteAddress, whose) => {
    const { call, lines } = start();
    call({ state: HTTPD_SSL_USER_CB_SESS_ERROR, error: new Error('x'), remoteAddress });
    expect(lines).toEqual([invoked, 'D t: At session error (handshake failed)', ...whose]);
  });
});

/** Starts the program; `files` are those that it has made. */
async function startProgram() {
  const program = new Program(MAIN, ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/Server listening on port (\d+)\n/);
  const [, address] = await program.printed(/IPv4 address: (\d+\.\d+\.\d+\.\d+)[^\d]/);
  const [, ca = ''] = await program.printed(/curl --cacert (\S+) /);
  return { program, port: Number(port), address, ca, file: (name: string) => ca.replace('ca.pem', name) };
}

const noCurl = spawnSync('curl', ['--version']).status !== 0;

/** Debian: `apt install curl`. */
describe.skipIf(ELSEWHERE || noCurl)('npm run https (skipped where curl is not installed)', () => {
  function curl(...args: string[]): string {
    const { stdout, stderr, status } = spawnSync('curl', ['-sS', '--noproxy', '*', '--max-time', '15', ...args], {
      cwd: new URL('../../../', import.meta.url),
      encoding: 'utf8',
    });
    return status === 0 ? stdout : `status ${status}: ${stderr}`;
  }

  test('does what ESP-IDF’s test script expects of its example, and what the README shows; Ctrl-C stops it', async () => {
    const { program, port, address, ca, file } = await startProgram();
    const shown = ['--cert', file('client_cert.pem'), '--key', file('client_key.pem')];
    const tls12 = ['--tlsv1.2', '--tls-max', '1.2'];
    expect(curl('--cacert', ca, ...shown, ...tls12, `https://${address}:${port}/`)).toBe(PAGE);
    await program.printed(/It is trusted\n/);
    // one behind the other, as the script reads them
    let from = 0;
    for (const pattern of EXPECTED) {
      const match = pattern.exec(program.stdout.slice(from));
      expect(match, String(pattern)).not.toBeNull();
      from += (match?.index ?? 0) + (match?.[0].length ?? 0);
    }

    const url = `https://localhost:${port}`;
    expect(curl('--cacert', ca, `${url}/client`)).toMatch(/\nYou have shown no certificate\.\n$/);
    expect(curl('--cacert', ca, ...shown, `${url}/client`)).toMatch(
      new RegExp(`\n${linesOf('esp-httpd examples', 'example client')}\nYour certificate is trusted\\.\n$`),
    );
    // an authority that curl does not know
    expect(curl(`${url}/`)).toMatch(/^status 60: /);
    await program.printed(/E \(\d+\) esp_https_server: esp_tls_create_server_session failed, tlsv1 alert unknown ca\n/);
    program.kill('SIGINT');
    const { status, stdout, stderr } = await program.ended;
    expect(stdout).toMatch(/esp_https_server: Server shuts down, releasing SSL context\n.*example: Stopped\n$/);
    expect([status, stderr]).toEqual([0, '']);
  });
});

test.skipIf(ELSEWHERE)('npm run https listens on 8443 unless it is told otherwise', async () => {
  const { status, stdout } = await new Program(MAIN, ['--help'], {}).ended;
  expect(stdout).toContain('Default: the environment variable PORT, or else 8443.\n');
  expect(status).toBe(0);
  const elsewhere = await new Program(MAIN, [], { HOST: '192.0.2.1' }).ended;
  expect(elsewhere.stderr).toBe("'192.0.2.1' in the environment variable HOST is no address of this machine.\n");
  expect(elsewhere.status).toBe(1);
});
