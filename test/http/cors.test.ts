import { describe, expect, test } from 'vitest';
import { ESP_FAIL, ESP_OK } from '../../src/err.js';
import { HTTPD_404_NOT_FOUND } from '../../src/httpd/http_err.js';
import { HTTP_ANY, HTTP_GET, HTTP_POST } from '../../src/httpd/methods.js';
import type { UriHandler } from '../../src/httpd/route.js';
import { basicAuth } from '../../src/web/basic_auth.js';
import { type CorsOptions, cors } from '../../src/web/cors.js';
import { errorOf, exchange, ok, request, serve } from './support.js';

const SITE = 'https://example.com';

async function served(options: CorsOptions) {
  const server = await serve({
    'GET /api': ok,
    'GET /fails': () => {
      throw new Error('in the handler');
    },
  });
  server.before('/', cors(options));
  return server;
}

/** Vary and the Access-Control-… fields of a response, without that beginning. */
function fieldsOf({ headers }: { headers: Readonly<Record<string, string>> }): Record<string, string> {
  const wanted = Object.entries(headers).filter(([name]) => /^(vary|access-control-.*)$/.test(name));
  return Object.fromEntries(wanted.map(([name, value]) => [name.replace('access-control-', ''), value]));
}

const preflight = (origin: string, ...more: string[]) =>
  request('OPTIONS /api', `Origin: ${origin}`, 'Access-Control-Request-Method: PUT', ...more);

describe('a response', () => {
  test.each<[what: string, options: CorsOptions, origin: string | undefined, fields: Record<string, string>]>([
    ['to anybody', { origins: '*' }, SITE, { 'allow-origin': '*' }],
    ['to anybody, without an Origin', { origins: '*' }, undefined, { 'allow-origin': '*' }],
    ['to one of the list', { origins: ['http://a.test', SITE] }, SITE, { vary: 'Origin', 'allow-origin': SITE }],
    [
      'to one that is written otherwise',
      { origins: [SITE] },
      'HTTPS://Example.com:443',
      { vary: 'Origin', 'allow-origin': 'HTTPS://Example.com:443' },
    ],
    [
      'to an IPv6 address',
      { origins: ['http://[::1]'] },
      'http://[0:0::1]:80',
      { vary: 'Origin', 'allow-origin': 'http://[0:0::1]:80' },
    ],
    ['to another', { origins: [SITE] }, 'https://evil.test', { vary: 'Origin' }],
    ['to one that only begins so', { origins: [SITE] }, `${SITE}.evil.test`, { vary: 'Origin' }],
    ['to one that only ends so', { origins: [SITE] }, 'https://notexample.com', { vary: 'Origin' }],
    ['to another scheme', { origins: [SITE] }, 'http://example.com', { vary: 'Origin' }],
    ['to another port', { origins: [SITE] }, `${SITE}:8443`, { vary: 'Origin' }],
    ['without an Origin', { origins: [SITE] }, undefined, { vary: 'Origin' }],
    ['to null, which is not in the list', { origins: [SITE] }, 'null', { vary: 'Origin' }],
    ['to null, which is in the list', { origins: ['null'] }, 'null', { vary: 'Origin', 'allow-origin': 'null' }],
    ['by a function', { origins: origin => origin === SITE }, SITE, { vary: 'Origin', 'allow-origin': SITE }],
    ['by a function, to another', { origins: origin => origin === SITE }, 'https://x.test', { vary: 'Origin' }],
    ['by a function that is only truthy', { origins: () => 1 as unknown as boolean }, SITE, { vary: 'Origin' }],
    [
      'with credentials and headers to expose',
      { origins: [SITE], credentials: true, exposedHeaders: ['X-A', 'ETag'], methods: [HTTP_GET], maxAge: 5 },
      SITE,
      { vary: 'Origin', 'allow-origin': SITE, 'allow-credentials': 'true', 'expose-headers': 'X-A, ETag' },
    ],
    [
      'with credentials, to another',
      { origins: [SITE], credentials: true, exposedHeaders: ['X-A'] },
      'https://x.test',
      { vary: 'Origin' },
    ],
  ])('%s', async (_what, options, origin, fields) => {
    const server = await served(options);
    const response = await exchange(
      server,
      request('GET /api', ...(origin === undefined ? [] : [`Origin: ${origin}`])),
    );
    expect([response.status, response.text, fieldsOf(response)]).toEqual([200, 'ok', fields]);
  });

  test.each([
    ['GET /nothing', 404],
    ['POST /api', 405],
    ['GET /fails', 500],
    ['OPTIONS /nothing', 404],
  ])('to %s is an error page that a page of the other origin can read too', async (line, status) => {
    const server = await served({ origins: [SITE], credentials: true });
    const response = await exchange(server, request(line, `Origin: ${SITE}`, 'Content-Length: 0'));
    expect([response.status, fieldsOf(response)]).toEqual([
      status,
      { vary: 'Origin', 'allow-origin': SITE, 'allow-credentials': 'true' },
    ]);
  });

  test('by an error handler has them too', async () => {
    const server = await served({ origins: '*' });
    server.registerErrHandler(HTTPD_404_NOT_FOUND, req => req.respSendCustomErr('404 Not Found', 'mine'));
    const response = await exchange(server, request('GET /nothing', `Origin: ${SITE}`));
    expect([response.text, fieldsOf(response)]).toEqual(['mine', { 'allow-origin': '*' }]);
  });

  test('to an Origin that a function allows repeats it byte by byte', async () => {
    const server = await served({ origins: () => true });
    const response = await exchange(server, request('GET /api', 'Origin: https://\xfc.test'));
    expect(fieldsOf(response)['allow-origin']).toBe('https://\xfc.test');
  });
});

describe('a preflight is answered with 204, and reaches no handler', () => {
  test.each<[what: string, options: CorsOptions, bytes: string, fields: Record<string, string>]>([
    [
      'by default',
      { origins: '*' },
      preflight(SITE),
      { 'allow-origin': '*', 'allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE', 'allow-headers': 'Content-Type' },
    ],
    [
      'with everything',
      {
        origins: [SITE],
        methods: [HTTP_GET, HTTP_POST],
        allowedHeaders: ['X-A', 'Authorization'],
        exposedHeaders: ['X-B'],
        credentials: true,
        maxAge: 600,
        privateNetwork: true,
      },
      preflight(SITE, 'Access-Control-Request-Headers: x-a', 'Access-Control-Request-Private-Network: true'),
      {
        vary: 'Origin',
        'allow-origin': SITE,
        'allow-credentials': 'true',
        'allow-methods': 'GET, POST',
        'allow-headers': 'X-A, Authorization',
        'max-age': '600',
        'allow-private-network': 'true',
      },
    ],
    [
      'with empty lists',
      { origins: '*', methods: [], allowedHeaders: [], maxAge: 0, privateNetwork: true },
      preflight(SITE),
      { 'allow-origin': '*', 'max-age': '0' },
    ],
    [
      'with a * for headers',
      { origins: '*', methods: [HTTP_GET], allowedHeaders: ['*'] },
      preflight(SITE),
      { 'allow-origin': '*', 'allow-methods': 'GET', 'allow-headers': '*' },
    ],
    [
      'of another origin',
      { origins: [SITE], privateNetwork: true },
      preflight('https://x.test', 'Access-Control-Request-Private-Network: true'),
      { vary: 'Origin' },
    ],
    [
      'that asks for the private network in vain',
      { origins: '*', methods: [], allowedHeaders: [] },
      preflight(SITE, 'Access-Control-Request-Private-Network: true'),
      { 'allow-origin': '*' },
    ],
  ])('%s', async (_what, options, bytes, fields) => {
    const response = await exchange(await served(options), bytes);
    expect([response.status, response.body.length, fieldsOf(response)]).toEqual([204, 0, fields]);
  });

  test.each([
    ['without an Origin', request('OPTIONS /api', 'Access-Control-Request-Method: PUT'), 405],
    ['without Access-Control-Request-Method', request('OPTIONS /api', `Origin: ${SITE}`), 405],
    ['a GET', request('GET /api', `Origin: ${SITE}`, 'Access-Control-Request-Method: PUT'), 200],
  ])('%s is none', async (_what, bytes, status) => {
    expect((await exchange(await served({ origins: '*' }), bytes)).status).toBe(status);
  });
});

describe.each([
  ['a guard that is registered first', ['guard', 'cors']],
  ['a guard that is registered last', ['cors', 'guard']],
  ['guards around it', ['guard', 'cors', 'guard']],
])('with %s', (_order, hooks) => {
  const GUARDS: Record<string, UriHandler> = {
    basicAuth: basicAuth({ realm: 'device', users: { admin: 'secret' } }),
    'a guard of its own': req => (req.getHdrValueStr('authorization') === undefined ? ESP_FAIL : ESP_OK),
  };
  const KEY = `Authorization: Basic ${Buffer.from('admin:secret').toString('base64')}`;
  const FIELDS = { vary: 'Origin', 'allow-origin': SITE, 'allow-credentials': 'true' };

  test.each([
    ['basicAuth', 401],
    ['a guard of its own', 403],
  ])('%s: a preflight needs no password, and a refusal can be read by the page', async (name, refusal) => {
    const guard = GUARDS[name] as UriHandler;
    const server = await serve({ 'GET /api': ok, 'OPTIONS /api': ok });
    const options: CorsOptions = { origins: [SITE], credentials: true, allowedHeaders: ['Authorization'] };
    for (const hook of hooks) {
      if (hook === 'cors') server.before('/', cors(options));
      else server.before('/api', guard);
    }
    const asked = await exchange(server, preflight(SITE));
    expect([asked.status, fieldsOf(asked)]).toEqual([
      204,
      { ...FIELDS, 'allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE', 'allow-headers': 'Authorization' },
    ]);
    expect((await exchange(server, preflight('https://evil.test'))).status).toBe(204);
    const refused = await exchange(server, request('GET /api', `Origin: ${SITE}`));
    expect([refused.status, fieldsOf(refused)]).toEqual([refusal, FIELDS]);
    expect(refused.headers['www-authenticate'] !== undefined).toBe(name === 'basicAuth');
    const served = await exchange(server, request('GET /api', `Origin: ${SITE}`, KEY));
    expect([served.status, served.text, fieldsOf(served)]).toEqual([200, 'ok', FIELDS]);
    // what only looks like a preflight is guarded
    expect((await exchange(server, request('OPTIONS /api', `Origin: ${SITE}`))).status).toBe(refusal);
  });
});

test('without cors a preflight gets past no guard', async () => {
  const server = await serve({ 'OPTIONS /api': ok });
  server.before('/', basicAuth({ realm: 'device', users: { admin: 'secret' } }));
  const remove = server.before('/', cors({ origins: '*' }));
  expect((await exchange(server, preflight(SITE))).status).toBe(204);
  remove();
  expect((await exchange(server, preflight(SITE))).status).toBe(401);
});

test('hooks of cors keep their order among each other, and so do the others behind them', async () => {
  const server = await serve({ 'GET /api': ok });
  const seen: string[] = [];
  const origins = (name: string) => () => seen.push(name) > 0;
  server.before('/', () => void seen.push('guard 1'));
  server.before('/', cors({ origins: origins('cors 1') }));
  server.before('/', () => void seen.push('guard 2'));
  server.before('/api', cors({ origins: origins('cors 2'), exposedHeaders: ['X-A'] }));
  await exchange(server, request('GET /api', `Origin: ${SITE}`));
  expect(seen).toEqual(['cors 1', 'cors 2', 'guard 1', 'guard 2']);
});

describe('options: ESP_ERR_INVALID_ARG', () => {
  test.each<[why: string, options: unknown]>([
    ['no object', undefined],
    ['no object', null],
    ['an unknown name', { origins: '*', origin: '*' }],
    ['no origins', {}],
    ['an empty list', { origins: [] }],
    ['one origin as text', { origins: SITE }],
    ['credentials for anybody', { origins: '*', credentials: true }],
    ['a * in a list', { origins: ['*'] }],
    ['an origin with a path', { origins: [`${SITE}/`] }],
    ['an origin in upper case', { origins: ['https://Example.com'] }],
    ['an origin without a scheme', { origins: ['example.com'] }],
    ["an origin with its scheme's own port", { origins: [`${SITE}:443`] }],
    ['an origin with a user', { origins: ['https://u@example.com'] }],
    ['an origin that is no URL', { origins: ['https://a b'] }],
    ['an origin that browsers write otherwise', { origins: ['https://grüße.test'] }],
    ['an origin that is no string', { origins: [1] }],
    ['a header that is no token', { origins: '*', allowedHeaders: ['X A'] }],
    ['a header with a line ending', { origins: '*', exposedHeaders: ['X\r\nY'] }],
    ['headers that are no list', { origins: '*', allowedHeaders: 'X' }],
    ['a * for headers with credentials', { origins: [SITE], credentials: true, allowedHeaders: ['*'] }],
    ['a * for headers with credentials', { origins: [SITE], credentials: true, exposedHeaders: ['*'] }],
    ['a method by name', { origins: '*', methods: ['GET'] }],
    ['HTTP_ANY', { origins: '*', methods: [HTTP_ANY] }],
    ['methods that are no list', { origins: '*', methods: HTTP_GET }],
    ['maxAge below 0', { origins: '*', maxAge: -1 }],
    ['maxAge as text', { origins: '*', maxAge: '1' }],
    ['a flag that is no boolean', { origins: [SITE], credentials: 'true' }],
    ['a flag that is no boolean', { origins: '*', privateNetwork: 1 }],
  ])('%s: %j', async (_why, options) => {
    expect(await errorOf(() => cors(options as CorsOptions))).toBe('ESP_ERR_INVALID_ARG');
  });

  test.each([
    SITE,
    'http://192.168.4.1',
    'http://[::1]:8080',
    'null',
    'chrome-extension://abcdef',
    'https://xn--gre-6ka8i.test',
  ])('the origin %s is fine', async origin => {
    expect(await errorOf(() => cors({ origins: [origin] }))).toBe('none');
  });

  test('a function that returns a promise is misuse, and its rejection ends nothing', async () => {
    const origins = () => Promise.reject(new Error('no database'));
    const server = await served({ origins: origins as never });
    expect((await exchange(server, request('GET /api', `Origin: ${SITE}`))).status).toBe(500);
    expect((await exchange(server, request('GET /api'))).status).toBe(200);
  });

  test('a list that is changed later has no effect', async () => {
    const origins = [SITE];
    const server = await served({ origins });
    origins[0] = 'https://evil.test';
    const response = await exchange(server, request('GET /api', 'Origin: https://evil.test'));
    expect(fieldsOf(response)).toEqual({ vary: 'Origin' });
  });
});
