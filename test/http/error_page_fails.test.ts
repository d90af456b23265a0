import { expect, test } from 'vitest';
import { connectTo } from '../support/server.js';
import { ok, request, serve, stillServes } from './support.js';

test('a request whose error page has no room either ends its connection, and nothing else', async () => {
  const server = await serve(
    {
      'GET /': ok,
      'GET /full': req => {
        // more than there is room for, past the response
        for (let i = 0; i < 2_000; i++) req.handle.socketSend(req.toSockfd(), new Uint8Array(64 * 1024));
      },
    },
    { maxTxPending: 64 * 1024, txOverflow: 'error' },
  );
  const client = await connectTo(server);
  client.pause();
  const ended = new Promise<number>(resolve => server.once('disconnected', resolve));
  client.send(request('GET /full'));
  await expect.poll(() => server.getStats().sessions.now.closing).toBe(1);
  await stillServes(server, '/');
  client.reset();
  await ended;
});
