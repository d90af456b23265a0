import { describe, expect, test } from 'vitest';
import { connectTo } from '../support/server.js';
import { request, serve } from './support.js';

const MIB = 1024 * 1024;
const PIECE = Buffer.alloc(MIB, 'x');

/** Sends `mib` MiB, reading nothing meanwhile, as simple clients do. */
async function pour(client: Awaited<ReturnType<typeof connectTo>>, mib: number): Promise<void> {
  client.pause();
  await client.sendPieces(Array.from({ length: mib }, () => PIECE));
  client.resume();
}

describe('an early error reaches a client that is still sending', () => {
  test.each([
    ['a body that is too long', 'POST /', [`Content-Length: ${32 * MIB}`], 413],
    ['nobody to serve it', 'POST /none', [`Content-Length: ${32 * MIB}`], 404],
    ['another method', 'PUT /', [`Content-Length: ${32 * MIB}`], 405],
    ['a handler that refuses', 'POST /no', [`Content-Length: ${16 * MIB}`], 403],
    ['a handler that throws', 'POST /throws', [`Content-Length: ${16 * MIB}`], 500],
    ['a head that is wrong', 'POST /', ['Content-Length: 1, 2'], 400],
    ['a broken chunk', 'POST /', ['Transfer-Encoding: chunked'], 400],
  ])('%s', async (_, line, fields, status) => {
    const server = await serve({
      'POST /': async req => void (await req.text()),
      'POST /no': req => void req.respSendCustomErr('403 Forbidden'),
      'POST /throws': () => {
        throw new Error('broken');
      },
    });
    const client = await connectTo(server);
    client.send(request(line, ...fields));
    await pour(client, 16);
    const text = (await client.readAll()).toString();
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toContain('Connection: close');
    expect(await client.closed()).toBe('fin');
  });

  test('one that sends without end is reset', async () => {
    const server = await serve({});
    const client = await connectTo(server);
    client.send(request('POST /none', `Content-Length: ${2 ** 40}`));
    const sent = pour(client, 400).catch(() => {});
    expect(await client.closed()).toBe('reset');
    client.destroy();
    await sent;
    await expect.poll(() => server.getClientList()).toEqual([]);
  });

  test('Content-Length above 4 GiB is not cut to 32 bits', async () => {
    const server = await serve(
      { 'POST /': req => void req.respSend(String(req.contentLen)) },
      { maxReqBodyLen: 2 ** 40 },
    );
    const client = await connectTo(server);
    client.send(request('POST /', `Content-Length: ${2 ** 32 + 5}`));
    // the five bytes that 32 bits would say, and what would then be another request
    client.send(`hello${request('GET /smuggled')}`);
    const text = (await client.readAll()).toString();
    expect(text).toMatch(/\r\n\r\n4294967301$/);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});
