import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { HttpdListenerConfig } from '../../src/config.js';
import { type RedirectToHttpsOptions, redirectToHttps } from '../../src/web/redirect_to_https.js';
import { RawClient } from '../support/raw_client.js';
import { serverTls, startTestServer } from '../support/server.js';
import { afterwards, get, invalid, serve } from './support.js';

const host = '127.0.0.1';
const SECURE = (): HttpdListenerConfig => ({ port: 0, host, tls: serverTls() });

async function start(options?: RedirectToHttpsOptions, more: readonly HttpdListenerConfig[] = [SECURE()]) {
  const server = await startTestServer({ listeners: [{ port: 0, host }, ...more] });
  const served = vi.fn();
  serve(server, '/', req => {
    served();
    return req.respSend('hello');
  });
  server.before('/', redirectToHttps(options));
  const [plain, secure] = server.listeners.map(({ port }) => port) as [number, number];
  /** What a plain request of these lines gets. */
  const ask = async (...lines: string[]) => {
    const client = await RawClient.connect(plain);
    afterwards(() => client.destroy());
    const { status, headers } = await client.send([...lines, '', ''].join('\r\n')).readResponse();
    return { status, location: headers.location };
  };
  return { server, secure, served, ask };
}

describe('redirectToHttps', () => {
  test.each([
    ['a name', 'Host: device.test', 'device.test'],
    ['a name with a port', 'Host: device.test:8080', 'device.test'],
    ['a name with an empty port', 'Host: device.test:', 'device.test'],
    ['an IPv4 address', 'Host: 192.0.2.1:80', '192.0.2.1'],
    ['an IPv6 address', 'Host: [2001:db8::1]', '[2001:db8::1]'],
    ['an IPv6 address with a port', 'Host: [2001:db8::1]:8080', '[2001:db8::1]'],
  ])('goes to the port of the encrypted listener, at the host that was asked for: %s', async (_what, field, name) => {
    const { ask, secure, served } = await start();
    expect(await ask('GET /a/b?c=d%20e HTTP/1.1', field)).toEqual({
      status: 308,
      location: `https://${name}:${secure}/a/b?c=d%20e`,
    });
    expect(served).not.toHaveBeenCalled();
  });

  test.each([
    ['a target in absolute form goes before Host', 'GET http://b.test:81/x?y HTTP/1.1', 'https://b.test:8443/x?y'],
    ['an absolute form without a path', 'GET http://b.test HTTP/1.1', 'https://b.test:8443/'],
    ['a path with two slashes stays a path', 'GET //evil.test/x HTTP/1.1', 'https://a.test:8443//evil.test/x'],
    ['a POST keeps its method, by 308', 'POST /form HTTP/1.1', 'https://a.test:8443/form'],
    ['OPTIONS *', 'OPTIONS * HTTP/1.1', 'https://a.test:8443/'],
  ])('%s', async (_what, line, location) => {
    const { ask } = await start({ port: 8443 });
    expect(await ask(line, 'Host: a.test')).toEqual({ status: 308, location });
  });

  test('port 443 is not written', async () => {
    const { ask } = await start({ port: 443 }, []);
    expect(await ask('GET /x HTTP/1.1', 'Host: a.test:80')).toEqual({ status: 308, location: 'https://a.test/x' });
  });

  test('a request without a Host gets 400', async () => {
    const { ask } = await start();
    expect((await ask('GET / HTTP/1.0')).status).toBe(400);
    expect((await ask('GET / HTTP/1.1', 'Host:')).status).toBe(400);
  });

  test('encrypted requests go on to their handlers', async () => {
    const { secure, served } = await start();
    expect(await get(secure)).toMatchObject({ status: 200, text: 'hello' });
    expect(served).toHaveBeenCalledOnce();
  });

  test('so do requests by a Unix socket: a proxy on this machine has done the TLS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-'));
    afterwards(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'a.sock');
    const { served } = await start({}, [SECURE(), { path }]);
    const [response] = (await once(http.get({ socketPath: path, path: '/' }), 'response')) as [http.IncomingMessage];
    response.resume();
    expect([response.statusCode, served.mock.calls.length]).toEqual([200, 1]);
  });

  test('without an encrypted listener, and without port, it is a 500: nothing is served in the clear', async () => {
    const { ask, served } = await start({}, []);
    expect((await ask('GET / HTTP/1.1', 'Host: a.test')).status).toBe(500);
    expect(served).not.toHaveBeenCalled();
  });

  test('pages that are not there, and handshakes of WebSockets, are redirected too', async () => {
    const { ask, secure } = await start();
    const upgrade = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'];
    for (const fields of [[], upgrade]) {
      const location = `https://a.test:${secure}/none`;
      expect(await ask('GET /none HTTP/1.1', 'Host: a.test', ...fields)).toEqual({ status: 308, location });
    }
  });

  test.each([0, 65_536, 1.5, '443', null, Number.NaN])('port must not be %j', port => {
    expect(() => redirectToHttps({ port } as never)).toThrow(invalid('port must be an integer from 1 to 65535'));
  });

  test('an option that is none is refused', () => {
    expect(() => redirectToHttps({ prt: 8443 } as never)).toThrow(invalid("redirectToHttps has no option 'prt'"));
  });

  test.each([null, 8443])('%j are no options', options => {
    expect(() => redirectToHttps(options as never)).toThrow(invalid('redirectToHttps takes an object'));
  });
});
