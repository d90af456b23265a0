import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { testFolder } from '../files/support.js';
import { connectTo } from '../support/server.js';
import { errorOf, exchange, isOpen, ok, pattern, post, request, serve } from './support.js';

const LINUX = process.platform === 'linux';

/** The descriptors of this process that lead to a file. */
function openTo(path: string): number {
  if (!LINUX) return 0;
  return readdirSync('/proc/self/fd').filter(fd => readlinkOrNothing(`/proc/self/fd/${fd}`) === path).length;
}

function readlinkOrNothing(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** A file of `size` bytes that no disk has to hold. */
function sparseFile(size: number): string {
  const path = join(testFolder(), 'large.bin');
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

describe('respSendFile', () => {
  test.each([0, 5, 65_536, 1_000_000])('a file of %i bytes, by GET and HEAD, on one connection', async size => {
    const path = join(testFolder(), 'a.bin');
    writeFileSync(path, pattern(size));
    const server = await serve({ 'GET /': req => req.respSendFile(path) });
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) {
      const get = await client.send(request('GET /')).readResponse();
      expect(get.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': `${size}`,
        'accept-ranges': 'bytes',
        etag: expect.stringMatching(/^"[0-9a-f-]+"$/),
        'last-modified': expect.stringMatching(/ GMT$/),
      });
      expect(get.body.equals(pattern(size))).toBe(true);
      const head = await client.send(request('HEAD /')).readResponse({ toHead: true });
      expect(head.headers).toMatchObject({ 'content-length': `${size}`, etag: get.headers.etag });
    }
    expect(client.received).toHaveLength(0);
  });

  test('requests that come all at once are answered in their order', async () => {
    const folder = testFolder();
    for (let i = 0; i < 4; i++) writeFileSync(join(folder, `${i}`), pattern(i * 60_000));
    const server = await serve(
      { 'GET /': req => req.respSendFile(join(folder, req.getUrlQueryStr() ?? '')) },
      { uriMatchFn: undefined },
    );
    const client = await connectTo(server);
    const order = [3, 0, 2, 1, 3];
    client.send(order.map(i => request(`GET /?${i}`)).join(''));
    for (const i of order) expect((await client.readResponse()).body.length).toBe(i * 60_000);
  });

  test('304, 206, 416 and 412', async () => {
    const path = join(testFolder(), 'a.txt');
    writeFileSync(path, '0123456789');
    const server = await serve({ 'GET /': req => req.respSendFile(path, { cacheControl: 'no-cache' }) });
    const client = await connectTo(server);
    const { etag = '' } = (await client.send(request('GET /')).readResponse()).headers;
    const unchanged = await client.send(request('GET /', `If-None-Match: ${etag}`)).readResponse();
    expect(unchanged.status).toBe(304);
    expect(unchanged.headers).toMatchObject({ etag, 'cache-control': 'no-cache', vary: 'Accept-Encoding' });
    expect(unchanged.headers['content-length']).toBeUndefined();
    const part = await client.send(request('GET /', 'Range: bytes=2-4', `If-Range: ${etag}`)).readResponse();
    expect([part.status, part.headers['content-range'], part.text]).toEqual([206, 'bytes 2-4/10', '234']);
    const parts = await client.send(request('GET /', 'Range: bytes=0-0,-1')).readResponse();
    expect([parts.status, parts.headers['content-type']?.split(';')[0]]).toEqual([206, 'multipart/byteranges']);
    const beyond = await client.send(request('GET /', 'Range: bytes=10-')).readResponse();
    expect([beyond.status, beyond.headers['content-range'], beyond.text]).toEqual([416, 'bytes */10', '']);
    expect((await client.send(request('GET /', 'If-Match: "x"')).readResponse()).status).toBe(412);
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('HTTP/1.0: the same, and the connection ends', async () => {
    const path = join(testFolder(), 'a.bin');
    writeFileSync(path, pattern(200_000));
    const server = await serve({ 'GET /': req => req.respSendFile(path) });
    const client = await connectTo(server);
    const response = await client.send('GET / HTTP/1.0\r\n\r\n').readResponse();
    expect([response.headers['content-length'], response.body.length]).toEqual(['200000', 200_000]);
    expect(await client.closed()).toBe('fin');
  });

  test('what is not there is 404 if the handler lets it through, and can be caught', async () => {
    const folder = testFolder();
    const names: string[] = [];
    const server = await serve({
      'GET /through': req => req.respSendFile(join(folder, 'nothing')),
      'GET /caught': async req => {
        names.push(await errorOf(() => req.respSendFile(folder)));
        await req.respSend('none');
      },
    });
    expect((await exchange(server, request('GET /through'))).status).toBe(404);
    expect((await exchange(server, request('GET /caught'))).text).toBe('none');
    expect(names).toEqual(['ESP_ERR_NOT_FOUND']);
  });

  test('one that was caught has no effect on what comes after it', async () => {
    const missing = (req: HttpdReq) => errorOf(() => req.respSendFile('/nowhere'));
    const server = await serve({
      'POST /': async req => {
        expect(await missing(req)).toBe('ESP_ERR_NOT_FOUND');
        await req.respSend(await req.text());
      },
      'GET /fails': async req => {
        await missing(req);
        throw new Error('another');
      },
    });
    expect((await exchange(server, post('/', 'the body'))).text).toBe('the body');
    expect((await exchange(server, request('GET /fails'))).status).toBe(500);
  });

  test('fields that are lists may come in several lines; of two ranges none is served', async () => {
    const path = join(testFolder(), 'a.txt');
    writeFileSync(path, 'hello');
    writeFileSync(`${path}.br`, 'short');
    const server = await serve({ 'GET /': req => req.respSendFile(path) });
    const ask = (...fields: string[]) => exchange(server, request('GET /', ...fields));
    const { etag } = (await ask()).headers;
    expect((await ask('If-Match: "x"', `If-Match: ${etag}`)).status).toBe(200);
    expect((await ask('If-None-Match: "x"', `If-None-Match: ${etag}`)).status).toBe(304);
    expect((await ask('Accept-Encoding: gzip', 'Accept-Encoding: br')).headers['content-encoding']).toBe('br');
    expect((await ask('Range: bytes=0-0', 'Range: bytes=1-1')).status).toBe(200);
  });

  test('wrong options are ESP_ERR_INVALID_ARG, and the request can still be answered', async () => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        names.push(await errorOf(() => req.respSendFile('a', { typo: true } as object)));
        names.push(await errorOf(() => req.respSendFile('')));
        await req.respSend('fine');
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('fine');
    expect(names).toEqual(['ESP_ERR_INVALID_ARG', 'ESP_ERR_INVALID_ARG']);
  });

  test('a file that becomes shorter while it is sent: the connection ends short, and others are served', async () => {
    const path = sparseFile(64 * 1024 * 1024);
    const server = await serve({ 'GET /': req => req.respSendFile(path), 'GET /ok': ok });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await expect.poll(() => openTo(path), { interval: 2 }).toBe(LINUX ? 1 : 0);
    expect((await exchange(server, request('GET /ok'))).text).toBe('ok');
    truncateSync(path, 100_000);
    client.resume();
    expect((await client.readAll()).length).toBeLessThan(64 * 1024 * 1024);
    await expect.poll(() => openTo(path), { interval: 2 }).toBe(0);
  });

  test.each(['destroy', 'reset'] as const)('a client that leaves in the middle (%s): the file is closed', async how => {
    const path = sparseFile(64 * 1024 * 1024);
    const results: string[] = [];
    const server = await serve({
      'GET /': async req => {
        results.push(await errorOf(() => req.respSendFile(path)));
      },
    });
    const client = await connectTo(server);
    client.socket.on('error', () => {});
    client.send(request('GET /'));
    await client.readUntil(100_000);
    client[how]();
    await expect.poll(() => results, { interval: 2 }).toEqual(['ESP_ERR_HTTPD_RESP_SEND']);
    await expect.poll(() => openTo(path), { interval: 2 }).toBe(0);
  });

  test('a slow reader holds back the file: little is queued', async () => {
    const path = sparseFile(256 * 1024 * 1024);
    const server = await serve({ 'GET /': req => req.respSendFile(path) });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await expect.poll(() => openTo(path), { interval: 2 }).toBe(LINUX ? 1 : 0);
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
    const [fd = 0] = server.getClientList();
    expect(server.sessGetTxPending(fd)).toBeLessThanOrEqual(1024 * 1024);
  });
});
