import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { HttpdListenerConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { httpdStart, startWith } from '../../src/httpd/start.js';
import { HTTPD_WS_TYPE_TEXT, wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { Listener, PortOf } from '../../src/port/port.js';
import type { HttpdTlsConfig } from '../../src/tls/tls_config.js';
import { certificates } from '../support/certificates.js';
import { compiledUrl } from '../support/compiled.js';
import { collectLog, serverTls, silent, startTestServer } from '../support/server.js';
import { afterwards, failure, get, invalid, PATIENCE, serve } from './support.js';

const host = '127.0.0.1';

/** A path for a Unix socket; its folder is removed behind the test. */
function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-'));
  afterwards(() => rmSync(folder, { recursive: true }));
  return join(folder, 'a.sock');
}

/** A start that should fail: what it comes to is not shown. */
async function refused(listener: HttpdListenerConfig): Promise<string> {
  await startTestServer({ listeners: [listener] });
  return 'it has started';
}

/** GET over plain HTTP. */
function plainGet(where: { port: number } | { socketPath: string }, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host, path, agent: false, ...where }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', piece => {
        text += piece;
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}

function tellListener(server: HttpdServer): void {
  serve(server, '/which', req => {
    const { listener, encrypted, tls: info } = req;
    const at = req.handle.listeners.indexOf(listener);
    return req.respSend(
      JSON.stringify({ at, encrypted, tls: info !== undefined, ...req.handle.sessGetPeer(req.toSockfd()) }),
    );
  });
}

describe('one server on a plain port, an encrypted one and a Unix socket', () => {
  async function startAll() {
    const path = socketPath();
    const listeners = [{ port: 0, host }, { port: 0, host, tls: serverTls() }, { path }, { port: 0, host: '::1' }];
    const server = await startTestServer({ listeners });
    tellListener(server);
    const [plain, secure, unix, v6] = server.listeners.map(({ port }) => port) as [number, number, number, number];
    return { server, path, plain, secure, unix, v6 };
  }

  test('says what it listens on', async () => {
    const { server, path, plain, secure, unix, v6 } = await startAll();
    expect(server.listeners).toEqual([
      { port: plain, path: undefined, encrypted: false },
      { port: secure, path: undefined, encrypted: true },
      { port: 0, path, encrypted: false },
      { port: v6, path: undefined, encrypted: false },
    ]);
    expect([plain > 0, secure > 0, unix]).toEqual([true, true, 0]);
    expect(server.port).toBe(plain);
    await server.stop();
    expect([server.listeners, server.port]).toEqual([[], 0]);
  });

  test('serves the same handlers, which see where a request has come by', async () => {
    const { path, plain, secure, v6 } = await startAll();
    expect(JSON.parse(await plainGet({ port: plain }, '/which'))).toMatchObject({
      at: 0,
      encrypted: false,
      tls: false,
    });
    expect(JSON.parse((await get(secure, { path: '/which' })).text)).toMatchObject({
      at: 1,
      encrypted: true,
      tls: true,
    });
    expect(JSON.parse(await plainGet({ socketPath: path }, '/which'))).toMatchObject({ at: 2, encrypted: false });
    expect(JSON.parse(await plainGet({ port: v6, host: '::1' } as never, '/which'))).toMatchObject({ at: 3 });
  });

  test('WebSockets of all hear the same broadcast', async () => {
    const { server, path, plain, secure } = await startAll();
    server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined });
    const sockets = [
      new WebSocket(`ws://${host}:${plain}/ws`),
      new WebSocket(`wss://localhost:${secure}/ws`, { ca: certificates().ca.cert, host }),
      new WebSocket(`ws+unix://${path}:/ws`),
    ];
    for (const socket of sockets) afterwards(() => socket.terminate());
    await Promise.all(sockets.map(socket => once(socket, 'open')));
    const heard = Promise.all(sockets.map(socket => once(socket, 'message')));
    expect(server.wsBroadcast(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: Buffer.from('to all'), final: true }))).toBe(
      3,
    );
    expect((await heard).map(([data]) => String(data))).toEqual(['to all', 'to all', 'to all']);
  });

  test('shares maxOpenSockets', async () => {
    const path = socketPath();
    const listeners = [{ port: 0, host }, { path }];
    const server = await startTestServer({ listeners, maxOpenSockets: 1 });
    serve(server, '/', req => req.respSend('hello'));
    const idle = net.connect(server.port, host);
    afterwards(() => idle.destroy());
    await vi.waitFor(() => expect(server.getClientList()).toHaveLength(1), PATIENCE);
    expect(await plainGet({ socketPath: path })).toContain('no free connection');
  });
});

/** The first line of the answer to a target in absolute form, and what the server has logged of it. */
async function absolute(listener: HttpdListenerConfig, target: string): Promise<readonly [line: string, log: string]> {
  const { logger, lines } = collectLog('warn');
  const server = await startTestServer({ listeners: [listener], logger });
  serve(server, '/x', req => req.respSend(req.getHdrValueStr('host')));
  const { port, path } = server.listeners[0] as { port: number; path: string | undefined };
  const where = path === undefined ? { port, host } : { path };
  const socket =
    listener.tls === undefined
      ? net.connect(where)
      : tls.connect({ ...where, ca: certificates().ca.cert, servername: 'localhost' });
  afterwards(() => socket.destroy());
  socket.write(`GET ${target} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n`);
  let text = '';
  socket.on('data', piece => {
    text += piece;
  });
  await once(socket, 'end');
  return [`${text.split('\r\n')[0]} ${text.split('\r\n\r\n')[1]?.split('\n')[0]}`, lines.join('\n')];
}

describe('a target in absolute form (RFC 9110 section 7.4)', () => {
  const plain = (): HttpdListenerConfig => ({ port: 0, host });
  const encrypted = (): HttpdListenerConfig => ({ port: 0, host, tls: serverTls() });
  const unix = (): HttpdListenerConfig => ({ path: socketPath() });
  const unixTls = (): HttpdListenerConfig => ({ path: socketPath(), tls: serverTls() });

  test.each([
    ['http', 'a plain port', plain],
    ['https', 'an encrypted port', encrypted],
    ['HTTPS', 'an encrypted port', encrypted],
    ['http', 'a Unix socket', unix],
    ['https', 'a Unix socket', unix],
    ['http', 'an encrypted Unix socket', unixTls],
    ['https', 'an encrypted Unix socket', unixTls],
  ])('of %s is served on %s, for its own authority', async (scheme, _where, listener) => {
    expect(await absolute(listener(), `${scheme}://a.test:1/x`)).toEqual(['HTTP/1.1 200 OK a.test:1', '']);
  });

  test.each([
    ['https', 'a plain port', plain, 'an https URI, and the connection is not encrypted'],
    ['http', 'an encrypted port', encrypted, 'an http URI, and the connection is encrypted'],
  ])('of %s is refused on %s, and the log says why', async (scheme, _where, listener, why) => {
    const [line, log] = await absolute(listener(), `${scheme}://a.test/x`);
    expect(line).toMatch(/^HTTP\/1\.1 400 /);
    expect(log).toContain(why);
  });
});

describe('a Unix socket', () => {
  test('may be encrypted', async () => {
    const path = socketPath();
    const server = await startTestServer({ listeners: [{ path, tls: serverTls() }] });
    serve(server, '/', req => req.respSend('hello'));
    const socket = tls.connect({ path, ca: certificates().ca.cert, servername: 'localhost' });
    afterwards(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    let text = '';
    socket.on('data', piece => {
      text += piece;
    });
    await once(socket, 'end');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*hello$/);
  });

  test('has peers without an address, whom maxSessPerIp does not count', async () => {
    const path = socketPath();
    const server = await startTestServer({ listeners: [{ path }], maxSessPerIp: 1 });
    serve(server, '/', req => req.respSend('hello'));
    const first = net.connect(path);
    afterwards(() => first.destroy());
    await once(first, 'connect');
    expect(await plainGet({ socketPath: path })).toBe('hello');
  });

  test('is removed when the server stops', async () => {
    const path = socketPath();
    const server = await startTestServer({ listeners: [{ path }] });
    expect(statSync(path).isSocket()).toBe(true);
    await server.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('that a killed process has left behind is bound anew', async () => {
    const path = socketPath();
    const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('on'))`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    afterwards(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(existsSync(path)).toBe(true);
    const server = await startTestServer({ listeners: [{ path }] });
    serve(server, '/', req => req.respSend('hello'));
    expect(await plainGet({ socketPath: path })).toBe('hello');
  });

  test('that another server listens on is left to it', async () => {
    const path = socketPath();
    const first = await startTestServer({ listeners: [{ path }] });
    serve(first, '/', req => req.respSend('first'));
    await expect(refused({ path })).rejects.toMatchObject({
      name: 'ESP_ERR_HTTPD_TASK',
      message: expect.stringContaining(`can't listen on ${path}: `),
      cause: { code: 'EADDRINUSE' },
    });
    expect(await plainGet({ socketPath: path })).toBe('first');
  });

  test('does not take the place of a file', async () => {
    const path = socketPath();
    writeFileSync(path, 'precious');
    await expect(refused({ path })).rejects.toThrow(failure('ESP_ERR_HTTPD_TASK', `can't listen on ${path}: `));
    expect(statSync(path).isFile()).toBe(true);
  });

  test('in a folder that is not there is refused', async () => {
    const path = `${socketPath()}/b.sock`;
    await expect(refused({ path })).rejects.toThrow(failure('ESP_ERR_HTTPD_TASK', `can't listen on ${path}: `));
  });
});

describe('all are opened, or none', () => {
  test('one that can not be bound closes those before it', async () => {
    const taken = await startTestServer();
    const probe = await startTestServer();
    const { port } = probe;
    await probe.stop();
    const path = socketPath();
    const listeners = [{ port, host }, { path }, { port: taken.port, host, tls: serverTls() }];
    await expect(httpdStart({ listeners, logger: silent() })).rejects.toMatchObject({
      name: 'ESP_ERR_HTTPD_TASK',
      message: expect.stringContaining(`can't listen on ${host} port ${taken.port}: `),
      cause: { code: 'EADDRINUSE' },
    });
    expect(existsSync(path)).toBe(false);
    const again = await startTestServer({ listeners: [{ port, host }] });
    expect(again.port).toBe(port);
  });

  /** A start whose second listener waits, and a client of the first one meanwhile. */
  async function halfOpen(tls?: HttpdTlsConfig) {
    const opened = vi.fn();
    let goOn = (): void => {};
    const wait = new Promise<void>(resolve => {
      goOn = resolve;
    });
    const free = await startTestServer();
    const { port } = free;
    await free.stop();
    const wrapPort = <L extends Listener>(inner: PortOf<L>): PortOf<L> => ({
      name: inner.name,
      async listen(options, ...rest) {
        if (options.port !== port) await wait;
        return inner.listen(options, ...rest);
      },
      whenServed: fn => inner.whenServed(fn),
    });
    const taken = await startTestServer();
    const start = (last: number) =>
      startWith(
        {
          listeners: [
            { port, host, tls },
            { port: last, host },
          ],
          openFn: opened,
          logger: silent(),
        },
        { wrapPort },
      );
    const tryOnce = async () => {
      const client = net.connect(port, host);
      afterwards(() => client.destroy());
      const seen = { text: '', code: '' };
      client.on('error', ({ code }: NodeJS.ErrnoException) => {
        seen.code = code ?? '';
      });
      client.on('data', piece => {
        seen.text += piece;
      });
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await new Promise(resolve => client.on('close', resolve));
      return seen;
    };
    /** What one gets who has found somebody listening. */
    const connect = async () => {
      for (;;) {
        const { text, code } = await tryOnce();
        if (code !== 'ECONNREFUSED') return text;
      }
    };
    return { start, taken: taken.port, connect, goOn, opened, port };
  }

  test.each([
    ['plain', undefined],
    ['encrypted', serverTls],
  ])('nobody is served before: %s', async (_how, tls) => {
    const { start, connect, goOn, opened, port } = await halfOpen(tls?.());
    const starting = start(0);
    expect(await connect()).toBe('');
    goOn();
    const server = await starting;
    afterwards(() => server.stop({ grace: 0 }));
    expect(opened).not.toHaveBeenCalled();
    if (tls === undefined) expect(await plainGet({ port })).toContain('404');
    else expect(await get(port)).toMatchObject({ status: 404 });
  });

  test('nor if the start fails: no session stays behind', async () => {
    const { start, taken, connect, goOn, opened } = await halfOpen();
    const starting = start(taken);
    const failed = expect(starting).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } });
    expect(await connect()).toBe('');
    goOn();
    await failed;
    expect(opened).not.toHaveBeenCalled();
  });

  test('a wrong certificate is told before anything listens, by its place in the list', async () => {
    const path = socketPath();
    const { server, other } = certificates();
    const wrong = { servercert: server.cert, prvtkeyPem: other.key };
    await expect(httpdStart({ listeners: [{ path }, { port: 0, tls: wrong }], logger: silent() })).rejects.toThrow(
      invalid('config.listeners[1].tls: prvtkeyPem is not the key of the certificate in servercert'),
    );
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    ['TLS', () => ({ port: 0, host, tls: serverTls() })],
    ['a Unix socket', () => ({ path: '/tmp/never.sock' })],
  ])('reusePort is refused with %s: it is of the epoll port', async (_what, listener) => {
    const listeners = [{ port: 0, host }, listener()];
    await expect(httpdStart({ listeners, reusePort: true, logger: silent() })).rejects.toThrow(
      invalid('config.reusePort can not be had with TLS or Unix sockets'),
    );
  });
});

test('a process that only has such a server ends when that has stopped', async () => {
  const code = `
    import { httpdStart } from ${JSON.stringify(compiledUrl('src/index.ts'))};
    const { cert, key } = JSON.parse(process.env.PAIR);
    const tls = { servercert: cert, prvtkeyPem: key };
    const server = await httpdStart({ listeners: [{ port: 0, host: '127.0.0.1', tls }] });
    await server.stop();
    console.log('stopped');`;
  const args = ['--input-type=module', '-e', code];
  const env = { ...process.env, PAIR: JSON.stringify(certificates().server), HTTPD_LOG: 'silent' };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 15_000 });
  expect(stdout).toBe('stopped\n');
});
