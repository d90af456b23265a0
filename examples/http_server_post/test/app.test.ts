/** The example on a server that somebody else has started. */
import { expect, test } from 'vitest';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { exchange, post } from '../../../test/http/support.js';
import { collectLog, startTestServer } from '../../../test/support/server.js';
import { config, register } from '../app.js';
import { RESPONSE_JSON, TAG } from '../post_server.js';

test('register needs no more than config, and fits on a device', async () => {
  const { logger, lines } = collectLog();
  const { maxOpenSockets, maxUriHandlers } = httpdEsp32Config();
  const server = await startTestServer({ maxOpenSockets, maxUriHandlers, ...config });
  register(server, espLog(TAG, logger));
  expect(lines).toEqual([`I ${TAG}: Starting server on port: '${server.port}'`]);
  expect((await exchange(server, post('/any/path', 'hello'))).text).toBe(RESPONSE_JSON);
  expect(lines).toContain(`I ${TAG}: recv body=hello`);
});
