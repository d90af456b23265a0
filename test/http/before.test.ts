import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG, ESP_FAIL, ESP_OK } from '../../src/err.js';
import { HTTPD_404_NOT_FOUND } from '../../src/httpd/http_err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { SCHEME } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { handshakeRequest } from '../support/ws_frames.js';
import { exchange, ok, request, serve } from './support.js';

describe('before', () => {
  test.each([
    ['/admin', true],
    ['/admin/', true],
    ['/admin/users?x=1', true],
    ['/adm%69n/users', true],
    ['/public/../admin/x', true],
    ['/public/%2e%2e/admin', true],
    ['/public%2f..%2fadmin', true],
    ['//admin', true],
    ['/./admin/x', true],
    ['/x\\..\\admin'.replaceAll('\\', '%5c'), true],
    [`${SCHEME}://localhost/admin`, true],
    ['/%61dmin/..', true],
    ['/%61dmin/%2e%2e', true],
    ['/%61dmin/z/../..', true],
    ['/x/../%61dmin/../y', true],
    ['/admin/../../..', true],
    ['/x/admin/../../y', false],
    ['/administrator', false],
    ['/Admin', false],
    ['/', false],
    ['/x/admin', false],
  ])('of /admin: %s is guarded: %s', async (path, guarded) => {
    const server = await serve({ 'GET /*': ok }, { uriMatchFn: uriMatchWildcard });
    server.before('/admin', req => void req.respSendCustomErr('401 Unauthorized'));
    expect((await exchange(server, request(`GET ${path}`))).status).toBe(guarded ? 401 : 200);
  });

  test.each(['/b%C3%BCro/x', '/b%c3%bcro', '/./b%C3%BCro'])('of /büro: %s is guarded', async path => {
    const server = await serve({ 'GET /*': ok }, { uriMatchFn: uriMatchWildcard });
    server.before('/büro', req => void req.respSendCustomErr('401 Unauthorized'));
    expect((await exchange(server, request(`GET ${path}`))).status).toBe(401);
    expect((await exchange(server, request('GET /b%FCro'))).status).toBe(200);
  });

  test('headers of a hook are on the answer to a later hook that fails', async () => {
    const server = await serve({ 'GET /*': ok }, { uriMatchFn: uriMatchWildcard });
    server.before('/', req => req.respSetHdr('X-Kept', 'yes'));
    server.before('/refuses', () => ESP_FAIL);
    server.before('/throws', () => {
      throw new Error('broken');
    });
    for (const [path, status] of [
      ['/refuses', 403],
      ['/throws', 500],
    ]) {
      const response = await exchange(server, request(`GET ${path}`));
      expect([response.status, response.headers['x-kept']], String(path)).toEqual([status, 'yes']);
    }
  });

  test('a 405 has its Allow, though hooks have set all headers that there may be', async () => {
    const server = await serve({ 'GET /': ok }, { maxRespHeaders: 1 });
    server.before('/', req => req.respSetHdr('X-Kept', 'yes'));
    const { status, headers } = await exchange(server, request('PUT /'));
    expect([status, headers.allow, headers['x-kept']]).toEqual([405, 'GET, HEAD', 'yes']);
  });

  test('runs before 404, 405 and a handshake, and lets go on what it does not answer', async () => {
    const server = await serve({ 'GET /': ok });
    server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => {} });
    const seen: string[] = [];
    server.before('/', req => {
      seen.push(`${req.uri} '${req.uriTemplate}'`);
    });
    expect((await exchange(server, request('GET /nowhere'))).status).toBe(404);
    expect((await exchange(server, request('DELETE /'))).status).toBe(405);
    const client = await connectTo(server);
    expect((await client.send(handshakeRequest({ path: '/ws' })).readUntil('\r\n\r\n')).toString()).toMatch(/ 101 /);
    expect(seen).toEqual(["/nowhere ''", "/ ''", "/ws ''"]);
  });

  test('a captive portal: a hook on / answers for paths that nobody has registered', async () => {
    const server = await serve({ 'GET /': ok });
    server.before('/', req => {
      if (req.uri === '/') return;
      req.respSetStatus('302 Found');
      req.respSetHdr('Location', '/');
      void req.respSend();
    });
    const { status, headers } = await exchange(server, request('GET /generate_204'));
    expect([status, headers.location]).toEqual([302, '/']);
    expect((await exchange(server, request('GET /'))).status).toBe(200);
  });

  test('hooks run in their order, may wait, and can be taken away', async () => {
    const server = await serve({ 'GET /': ok });
    const seen: string[] = [];
    server.before('/', async () => {
      await new Promise(setImmediate);
      seen.push('first');
      return ESP_OK;
    });
    const remove = server.before('/', () => void seen.push('second'));
    expect((await exchange(server, request('GET /'))).body.toString()).toBe('ok');
    remove();
    remove();
    expect((await exchange(server, request('GET /'))).body.toString()).toBe('ok');
    expect(seen).toEqual(['first', 'second', 'first']);
  });

  test('one may go asynchronous: the request goes on when its copy is complete', async () => {
    const server = await serve({ 'GET /': ok });
    server.before('/', req => {
      const copy = req.asyncHandlerBegin();
      setImmediate(() => copy.asyncHandlerComplete());
    });
    expect((await exchange(server, request('GET /'))).body.toString()).toBe('ok');
  });

  test.each([
    ['returns ESP_FAIL', () => ESP_FAIL, 403],
    ['rejects with a number', () => Promise.resolve(ESP_FAIL), 403],
    [
      'throws',
      () => {
        throw new Error('broken');
      },
      500,
    ],
  ])('one that %s', async (_, hook, status) => {
    const server = await serve({ 'GET /': ok });
    server.before('/', hook);
    expect((await exchange(server, request('GET /'))).status).toBe(status);
  });

  test('headers of hooks are on what the handler answers, on error pages, and on a 500; those of a failed handler are not', async () => {
    const server = await serve({
      'GET /': ok,
      'GET /throws': req => {
        req.respSetHdr('X-Lost', 'yes');
        throw new Error('broken');
      },
    });
    server.registerErrHandler(HTTPD_404_NOT_FOUND, req => void req.respSend('not here'));
    server.before('/', req => req.respSetHdr('X-Kept', 'yes'));
    for (const [line, status] of [
      ['GET /', 200],
      ['GET /throws', 500],
      ['GET /none', 200],
      ['PUT /', 405],
    ] as const) {
      const { headers, ...rest } = await exchange(server, request(line));
      expect([rest.status, headers['x-kept'], headers['x-lost']], line).toEqual([status, 'yes', undefined]);
    }
    const client = await connectTo(server);
    client.send(request('GET /throws') + request('GET /'));
    expect((await client.readResponse()).headers['x-kept']).toBe('yes');
  });

  test('status and type that a hook has set are those of its own answer only', async () => {
    const server = await serve({ 'GET /': ok });
    server.before('/', req => {
      req.respSetStatus('201 Created');
      req.respSetType('text/x-hook');
      req.respSetHdr('X-Kept', 'yes');
    });
    const { status, headers } = await exchange(server, request('GET /'));
    expect([status, headers['content-type'], headers['x-kept']]).toEqual([200, 'text/html', 'yes']);
  });

  test('headers of hooks do not stay for the next request', async () => {
    const server = await serve({ 'GET /': ok, 'GET /a': ok });
    server.before('/a', req => req.respSetHdr('X-Kept', 'yes'));
    const client = await connectTo(server);
    client.send(request('GET /a') + request('GET /'));
    expect((await client.readResponse()).headers['x-kept']).toBe('yes');
    expect((await client.readResponse()).headers['x-kept']).toBeUndefined();
  });

  test.each([
    ['/admin/*', '/admin'],
    ['/admin/?*', '/admin'],
    ['/admin*', '/admin'],
    ['/admin/**/x', '/admin'],
    ['/admin/:id', '/admin'],
    ['/admin/:id/edit', '/admin'],
    ['/:id', '/'],
    ['*', '/'],
    ['/*', '/'],
    ['/admin/(.*)', '/admin'],
    ['/admin/(a|b)', '/admin'],
    ['/admin/{id}', '/admin'],
    ['/admin{/*rest}', '/admin'],
    ['/admin?', '/admin'],
    ['/admin?x=1', '/admin'],
    ['/admin#x', '/admin'],
    ['admin', '/admin'],
    ['', '/'],
    [`${SCHEME}://localhost/admin`, '/admin'],
    ['/a//b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a\\b', '/a/b'],
    ['/%61', '/a'],
    ['/b%C3%BCro/*', '/büro'],
    ['/admin\0', '/admin'],
  ])('%j is no prefix, and would guard nothing: write %s', async (prefix, fitting) => {
    const server = await serve({});
    expect(() => server.before(prefix, () => {})).toThrow(
      expect.objectContaining({
        code: ESP_ERR_INVALID_ARG,
        message: expect.stringContaining(`a prefix: write ${fitting}, `),
      }),
    );
    // and that is taken
    server.before(fitting, () => {});
  });

  test.each(['/admin/', '/a:b', '/a(1)', '/my files', '/a[1]|b', '/a+b', '/$x'])(
    'takes the prefix %j',
    async prefix => {
      const server = await serve({ 'GET /*': ok }, { uriMatchFn: uriMatchWildcard });
      server.before(prefix, req => void req.respSendCustomErr('401 Unauthorized'));
      expect((await exchange(server, request(`GET ${encodeURI(prefix)}`))).status).toBe(401);
      expect((await exchange(server, request('GET /other'))).status).toBe(200);
    },
  );

  test('a prefix that is no string, and a hook that is no function, are refused', async () => {
    const server = await serve({});
    const invalidArg = expect.objectContaining({ code: ESP_ERR_INVALID_ARG });
    expect(() => server.before(/^\/admin/ as never, () => {})).toThrow(invalidArg);
    expect(() => server.before('/', undefined as never)).toThrow(invalidArg);
  });
});
