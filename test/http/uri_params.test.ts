import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { UriHandler } from '../../src/httpd/route.js';
import { uriMatchParams } from '../../src/httpd/uri_params.js';
import { SCHEME } from '../support/raw_client.js';
import { errorOf, exchange, ok, request, serve } from './support.js';

const params = { uriMatchFn: uriMatchParams };

/** Answers with the template, and the parameters `id` and `name`. */
const show: UriHandler = req =>
  void req.respSend(`${req.uriTemplate} ${req.getUriParam('id')} ${req.getUriParam('name')}`);

describe('uriMatchParams as config.uriMatchFn', () => {
  test.each([
    ['/led/7', '/led/:id 7 undefined'],
    ['/led/7?id=8', '/led/:id 7 undefined'],
    ['/led/all', '/led/all undefined undefined'],
    ['/led/7/blink', '/led/:id/:name 7 blink'],
    ['/led/a%2Fb/%C3%BC', '/led/:id/:name a/b ü'],
    ['/files/sd/a/b', '/files/:id/* sd undefined'],
    [`${SCHEME}://localhost/led/7`, '/led/:id 7 undefined'],
  ])('%s: %s', async (target, expected) => {
    const server = await serve(
      { 'GET /led/all': show, 'GET /led/:id': show, 'GET /led/:id/:name': show, 'GET /files/:id/*': show },
      params,
    );
    expect((await exchange(server, request(`GET ${target}`))).text).toBe(expected);
  });

  test.each([
    ['GET /led', 404],
    ['GET /led/', 404],
    ['GET /led/7/', 404],
    ['DELETE /led/7', 405],
  ])('%s: %i', async (line, status) => {
    const server = await serve({ 'GET /led/:id': show }, params);
    expect((await exchange(server, request(line))).status).toBe(status);
  });

  test('a template that is not proper is refused when it is registered, and changes nothing', async () => {
    const server = await serve({ 'GET /': ok }, params);
    for (const uri of ['/led/:', '/:id/:id', '/led/:id?']) {
      const register = () => server.registerUriHandler({ uri, method: HTTP_GET, handler: ok });
      expect(await errorOf(register), uri).toBe('ESP_ERR_INVALID_ARG');
    }
    expect((await exchange(server, request('GET /led/7'))).status).toBe(404);
    expect((await exchange(server, request('GET /'))).status).toBe(200);
  });

  test('templates that differ in names only are the same, and a special one comes first', async () => {
    const server = await serve({ 'GET /led/:id': ok }, params);
    for (const uri of ['/led/:name', '/led/all']) {
      const register = () => server.registerUriHandler({ uri, method: HTTP_GET, handler: ok });
      expect(await errorOf(register), uri).toBe('ESP_ERR_HTTPD_HANDLER_EXISTS');
    }
  });

  test('a copy made by asyncHandlerBegin knows the parameters', async () => {
    const server = await serve(
      {
        'GET /led/:id': req => {
          const copy = req.asyncHandlerBegin();
          setImmediate(() => {
            void copy.respSend(copy.getUriParam('id'));
            copy.asyncHandlerComplete();
          });
        },
      },
      params,
    );
    expect((await exchange(server, request('GET /led/7'))).text).toBe('7');
  });
});
