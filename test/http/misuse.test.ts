/** What is taken without an error, and is not what its author means: the log says so, once. */
import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { readForm } from '../../src/web/form.js';
import { collectLog } from '../support/server.js';
import { exchange, ok, post, serve } from './support.js';

/** The warnings while a server is started with one handler. */
async function warned(uri: string, config: Partial<HttpdConfig> = {}): Promise<string[]> {
  const { logger, lines } = collectLog('warn');
  await serve({ [`GET ${uri}`]: ok }, { logger, ...config });
  return lines;
}

describe('a handler that requests will not find', () => {
  test('has a wildcard, and config.uriMatchFn is not set', async () => {
    expect(await warned('/files/*')).toEqual([
      expect.stringMatching(/^W httpd_uri: httpd_register_uri_handler: '\/files\/\*' .*config\.uriMatchFn/),
    ]);
    expect(await warned('/files/*', { uriMatchFn: uriMatchWildcard })).toEqual([]);
  });

  test('has no slash in front', async () => {
    expect(await warned('hello')).toEqual([expect.stringContaining("write '/hello'")]);
    expect(await warned('/hello')).toEqual([]);
  });
});

test('readForm on a body without a type: one warning, and the client is told too', async () => {
  const { logger, lines } = collectLog('warn');
  const server = await serve({ 'POST /': async req => req.respSend(`${await readForm(req)}`) }, { logger });
  const { status } = await exchange(server, post('/', 'a=1'));
  expect(status).toBe(400);
  expect(lines).toEqual([expect.stringMatching(/^W httpd_uri: .*without a Content-Type/)]);
});
