/** The example on a server that somebody else has started. */
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { collectLog, startTestServer } from '../../../test/support/server.js';
import { config, register } from '../app.js';
import { TAG } from '../chat_room.js';

/** The first that a client is told. */
async function enter(port: number, name: string): Promise<unknown> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?name=${name}`, 'lws-minimal');
  onTestFinished(() => socket.terminate());
  const [hello] = (await once(socket, 'message')) as [Buffer];
  return JSON.parse(hello.toString());
}

test('register needs no more than config, fits on a device, and makes a room for each server', async () => {
  for (let i = 0; i < 2; i++) {
    const { logger, lines } = collectLog();
    const { maxOpenSockets, maxUriHandlers } = httpdEsp32Config();
    const server = await startTestServer({ maxOpenSockets, maxUriHandlers, ...config });
    register(server, espLog(TAG, logger));
    expect(lines).toEqual([`I ${TAG}: Starting server on port: '${server.port}'`]);
    expect(await enter(server.port, 'Ada')).toMatchObject({ type: 'hello', people: [] });
    expect(await enter(server.port, 'Bob')).toMatchObject({ type: 'hello', people: [{ name: 'Ada', said: 0 }] });
  }
});
