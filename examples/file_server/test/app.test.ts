/** The example on a server that somebody else has started. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { exchange, post, request } from '../../../test/http/support.js';
import { collectLog, startTestServer } from '../../../test/support/server.js';
import { TAG } from '../file_server.js';
import { newFolder } from './support.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('register needs no more than config, fits on a device, and its files outlive a server', async () => {
  const root = newFolder();
  vi.stubEnv('FILE_SERVER_ROOT', root);
  const { config, register } = await import('../app.js');
  const { maxOpenSockets, maxUriHandlers, maxRespHeaders } = httpdEsp32Config();
  const start = async () => {
    const { logger, lines } = collectLog();
    const server = await startTestServer({ maxOpenSockets, maxUriHandlers, maxRespHeaders, ...config });
    register(server, tag => espLog(tag, logger));
    expect(lines).toEqual([
      'I example: Starting example',
      `I ${TAG}: Files are in ${root}, up to 204800 bytes each`,
      `I ${TAG}: Starting HTTP Server on port: '${server.port}'`,
      'I example: File server started',
    ]);
    return server;
  };
  const first = await start();
  expect((await exchange(first, post('/upload/example.txt', 'Test data'))).status).toBe(303);
  expect(readFileSync(join(root, 'example.txt'), 'utf8')).toBe('Test data');
  await first.stop();
  expect((await exchange(await start(), request('GET /example.txt'))).text).toBe('Test data');
});
