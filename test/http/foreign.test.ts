/** Clients that are not ours: undici's fetch, and curl where it is installed. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { Agent, fetch, type RequestInit } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { deferred, errorOf, ok, pattern, serve, turns, until } from './support.js';

const agents: Agent[] = [];

afterEach(async () => {
  await Promise.all(agents.splice(0).map(agent => agent.destroy()));
});

function fetcher(server: HttpdServer): (path: string, init?: RequestInit) => ReturnType<typeof fetch> {
  const agent = new Agent({ connections: 10, pipelining: 1 });
  agents.push(agent);
  return (path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, { ...init, dispatcher: agent });
}

describe("undici's fetch", () => {
  test('GET with query, headers and cookies', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetHdr('Set-Cookie', 'a=1');
        req.respSetHdr('Set-Cookie', 'b=2');
        void req.respSend(`${req.getUrlQueryStr()} ${req.getHdrValueStr('x-mine')}`);
      },
    });
    const response = await fetcher(server)('/?q=1', { headers: { 'X-Mine': 'yes' } });
    expect([response.status, await response.text()]).toEqual([200, 'q=1 yes']);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  test('POST of JSON', async () => {
    const server = await serve({
      'POST /': async req => {
        req.respSetType('application/json');
        await req.respSend(JSON.stringify({ got: await req.json() }));
      },
    });
    const body = { text: 'grüße', list: [1, 2, 3] };
    const response = await fetcher(server)('/', { method: 'POST', body: JSON.stringify(body) });
    expect(await response.json()).toEqual({ got: body });
  });

  test('a stream in chunks both ways', async () => {
    const body = pattern(500_000);
    const server = await serve({
      'POST /': async req => {
        expect(req.contentLen).toBeUndefined();
        for await (const piece of req) await req.respSendChunk(piece);
        await req.respSendChunk();
      },
    });
    async function* pieces() {
      for (let at = 0; at < body.length; at += 30_000) {
        yield body.subarray(at, at + 30_000);
        await turns(1);
      }
    }
    const response = await fetcher(server)('/', { method: 'POST', body: pieces(), duplex: 'half' });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  test('a hundred requests at a time over ten connections', async () => {
    const fds = new Set<number>();
    const server = await serve({
      'POST /': async req => {
        fds.add(req.toSockfd());
        const text = await req.text();
        await turns(text.length % 5);
        await req.respSend(text);
      },
    });
    const request = fetcher(server);
    const bodies = Array.from({ length: 100 }, (_, i) => `${i} `.repeat(i * 20));
    const texts = await Promise.all(bodies.map(async body => (await request('/', { method: 'POST', body })).text()));
    expect(texts).toEqual(bodies);
    expect(fds.size).toBeLessThanOrEqual(10);
  });

  test('HEAD, 204, 304, 404 and 500', async () => {
    const server = await serve({
      'GET /': ok,
      'GET /empty': req => {
        req.respSetStatus('204 No Content');
        void req.respSend();
      },
      'GET /same': req => {
        req.respSetStatus('304 Not Modified');
        void req.respSend();
      },
      'GET /throws': () => {
        throw new Error('on purpose');
      },
    });
    const request = fetcher(server);
    const head = await request('/', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '2', '']);
    for (const [path, status] of [
      ['/empty', 204],
      ['/same', 304],
      ['/nowhere', 404],
      ['/throws', 500],
      ['/', 200],
    ] as const) {
      const response = await request(path);
      await response.text();
      expect(response.status).toBe(status);
    }
  });

  test('a download that the client aborts ends its handler and its session, and the server serves on', async () => {
    const failed = deferred<string>();
    const fds: number[] = [];
    const server = await serve({
      'GET /endless': async req => {
        fds.push(req.toSockfd());
        failed.resolve(
          await errorOf(async () => {
            for (;;) await req.respSendChunk('x'.repeat(10_000));
          }),
        );
      },
      'GET /': ok,
    });
    const request = fetcher(server);
    const abort = new AbortController();
    const response = await request('/endless', { signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    expect(await failed.promise).toBe('ESP_ERR_HTTPD_RESP_SEND');
    await until(() => expect(server.getClientList()).not.toContain(fds[0]));
    expect(await (await request('/')).text()).toBe('ok');
  });
});

const noCurl = spawnSync('curl', ['--version']).status !== 0;

/** Debian: `apt install curl`. */
describe.skipIf(noCurl)('curl (skipped where it is not installed)', () => {
  const run = promisify(execFile);
  const curl = (...args: string[]) =>
    run('curl', ['--silent', '--show-error', '--noproxy', '*', '--max-time', '15', ...args]);

  test('two URLs go over one connection', async () => {
    const fds: number[] = [];
    const server = await serve({
      'GET /a': req => {
        fds.push(req.toSockfd());
        void req.respSend('a');
      },
      'GET /b': req => {
        fds.push(req.toSockfd());
        void req.respSend('b');
      },
    });
    const base = `http://127.0.0.1:${server.port}`;
    expect((await curl(`${base}/a`, `${base}/b`)).stdout).toBe('ab');
    expect(new Set(fds).size).toBe(1);
  });

  test.each([
    ['with a length', []],
    ['in chunks', ['--header', 'Transfer-Encoding: chunked']],
  ])('-T uploads %s, and waits for the 100', async (_name, args) => {
    let expected: string | undefined;
    const server = await serve({
      'PUT /up': async req => {
        expected = req.getHdrValueStr('expect');
        await req.respSend(`${(await req.text()).length} bytes`);
      },
    });
    const upload = curl(
      '--verbose',
      ...args,
      '--header',
      'Expect: 100-continue',
      '-T',
      new URL(import.meta.url).pathname,
      `http://127.0.0.1:${server.port}/up`,
    );
    const { stdout, stderr } = await upload;
    expect(stdout).toMatch(/^\d{4,} bytes$/);
    expect(expected).toBe('100-continue');
    expect(stderr).toContain('< HTTP/1.1 100 Continue');
  });

  test('an upload that is refused: curl sees the 413', async () => {
    const server = await serve({ 'PUT /up': ok }, { maxReqBodyLen: 10 });
    const { stdout } = await curl(
      '--write-out',
      '%{http_code}',
      '--output',
      '/dev/null',
      '-T',
      new URL(import.meta.url).pathname,
      `http://127.0.0.1:${server.port}/up`,
    );
    expect(stdout).toBe('413');
  });

  test('--http1.0', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('to the ');
        await req.respSendChunk('end');
        await req.respSendChunk();
      },
    });
    expect((await curl('--http1.0', `http://127.0.0.1:${server.port}/`)).stdout).toBe('to the end');
  });

  test('--head, and a GET behind it on the same connection', async () => {
    const server = await serve({ 'GET /': ok });
    const url = `http://127.0.0.1:${server.port}/`;
    const { stdout } = await curl('--head', url, '--next', '--silent', '--noproxy', '*', url);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 2\r\n[\s\S]*\r\n\r\nok$/);
  });

  test('form data', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
    const { stdout } = await curl('--data', 'a=1&b=2', `http://127.0.0.1:${server.port}/`);
    expect(stdout).toBe('a=1&b=2');
  });
});
