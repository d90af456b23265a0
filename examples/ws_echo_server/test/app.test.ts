/** The example on a server that somebody else has started. */
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { collectLog, startTestServer } from '../../../test/support/server.js';
import { register } from '../app.js';
import { TAG } from '../echo_server.js';

test('register tells the log what the C example tells, and fits on a device', async () => {
  const { logger, lines } = collectLog();
  const { maxOpenSockets, maxUriHandlers } = httpdEsp32Config();
  const server = await startTestServer({ maxOpenSockets, maxUriHandlers });
  register(server, espLog(TAG, logger));
  expect(lines).toEqual([`I ${TAG}: Starting server on port: '${server.port}'`, `I ${TAG}: Registering URI handlers`]);
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send('Espressif');
  const [came] = (await once(socket, 'message')) as [Buffer];
  expect(came.toString()).toBe('Espressif');
});
