/** What the log tells of requests that no handler gets, in the words and at the levels of ESP-IDF. */
import { expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { collectLog, startTestServer } from '../support/server.js';
import { exchange, request } from './support.js';

test.each([
  ['GET /y?token=secret', ["W httpd_uri: httpd_uri: URI '/y' not found"]],
  ['DELETE /x', ["W httpd_uri: httpd_uri: Method '0' not allowed for URI '/x'"]],
  ['OPTIONS *', []],
  ['GET /x', []],
])('%s tells %j', async (line, told) => {
  const { logger, lines } = collectLog('info');
  const server = await startTestServer({ logger });
  server.registerUriHandler({ uri: '/x', method: HTTP_GET, handler: req => req.respSend('') });
  lines.length = 0;
  await exchange(server, request(line));
  expect(lines).toEqual(told);
});
