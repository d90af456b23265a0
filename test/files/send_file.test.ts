import { appendFileSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loopShare } from '../../src/files/loop_share.js';
import { sendFile } from '../../src/files/send_file.js';
import type { SendFileOptions } from '../../src/files/send_options.js';
import { openPaths } from '../support/open_fds.js';
import { FakeRequest, pattern, testFolder, unprivileged } from './support.js';

const LINUX = process.platform === 'linux';

const HEAD = 2;
const POST = 3;

/** When the files of these tests were modified. */
const MODIFIED = 1_700_000_000;
const SAME = 'Tue, 14 Nov 2023 22:13:20 GMT';
const BEFORE = 'Tue, 14 Nov 2023 22:13:19 GMT';

/** A folder with these files; the extension of a coding may be among them. */
function filesOf(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = testFolder();
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content);
    utimesSync(join(folder, name), MODIFIED, MODIFIED);
  }
  return folder;
}

type Fields = Readonly<Record<string, string>>;

/** Sends a file to a request with these fields, and looks for descriptors that stay open. */
async function send(path: string, fields: Fields = {}, options?: SendFileOptions, method = 1): Promise<FakeRequest> {
  const req = new FakeRequest(fields, method);
  const before = openPaths();
  try {
    await sendFile(req, path, options);
  } finally {
    await expect.poll(() => openPaths(), { interval: 2 }).toBeLessThanOrEqual(before);
  }
  return req;
}

describe('a whole file', () => {
  test('its headers and bytes', async () => {
    const folder = filesOf({ 'a.txt': 'hello' });
    const req = await send(join(folder, 'a.txt'));
    expect(req).toMatchObject({ status: '200 OK', type: 'text/plain; charset=utf-8', contentLen: 5 });
    expect(req.headers).toEqual({
      Vary: 'Accept-Encoding',
      ETag: expect.stringMatching(/^"[0-9a-f-]+"$/),
      'Last-Modified': SAME,
      'Accept-Ranges': 'bytes',
    });
    expect(req.body.toString()).toBe('hello');
  });

  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000])('of %i bytes, twice', async size => {
    const content = pattern(size);
    const path = join(filesOf({ 'a.bin': content }), 'a.bin');
    for (let i = 0; i < 2; i++) {
      const req = await send(path);
      expect(req.contentLen).toBe(size);
      expect(req.body.equals(content)).toBe(true);
    }
  });

  test('up to 64 KiB it leaves in one piece with its head', async () => {
    const req = await send(join(filesOf({ 'a.bin': pattern(65_536) }), 'a.bin'));
    expect(req.pieces.map(piece => piece.length)).toEqual([65_536]);
  });

  /** Sends take this long then, in ms. */
  function sendsTake(ms: number): void {
    const run = vi.spyOn(loopShare, 'run').mockImplementation(send => {
      send();
      return Promise.resolve(ms);
    });
    onTestFinished(() => run.mockRestore());
  }

  test('pieces stay small while the kernel takes them slowly', async () => {
    sendsTake(1);
    const req = new FakeRequest();
    await sendFile(req, join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin'));
    expect(req.pieces.map(piece => piece.length)).toEqual([65_536, 65_536, 65_536, 200_000 - 3 * 65_536]);
  });

  test('pieces double from 64 KiB to 512 KiB while the reader keeps up, and are small again when it does not', async () => {
    sendsTake(0);
    const path = join(filesOf({ 'a.bin': pattern(3_000_000) }), 'a.bin');
    const req = new FakeRequest();
    req.onPart = () => (req.pieces.length === 5 ? new Promise(resolve => setImmediate(resolve)) : Promise.resolve());
    await sendFile(req, path);
    expect(req.pieces.map(piece => piece.length / 1024)).toEqual([
      64,
      128,
      256,
      512,
      512,
      64,
      128,
      256,
      512,
      expect.closeTo(497.7, 1),
    ]);
    expect(req.body.equals(pattern(3_000_000))).toBe(true);
  });

  test('a symbolic link is followed, and the name that was asked for gives the type', async () => {
    const folder = filesOf({ data: '<p>' });
    symlinkSync('data', join(folder, 'page.html'));
    expect(await send(join(folder, 'page.html'))).toMatchObject({ type: 'text/html; charset=utf-8', contentLen: 3 });
  });

  test('a file that has grown since it was opened is sent as long as it was', async () => {
    const path = join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin');
    const req = new FakeRequest();
    req.onPart = async () => appendFileSync(path, 'more');
    await sendFile(req, path);
    expect([req.contentLen, req.body.length]).toEqual([200_000, 200_000]);
  });

  test('one from the future was last modified now', async () => {
    const path = join(filesOf({ a: 'x' }), 'a');
    utimesSync(path, 4_000_000_000, 4_000_000_000);
    const { headers } = await send(path);
    expect(Date.parse(headers['Last-Modified'] ?? '')).toBeLessThanOrEqual(Date.now());
  });

  test('HEAD: the same head, and no body', async () => {
    for (const size of [0, 5, 200_000]) {
      const path = join(filesOf({ 'a.txt': pattern(size) }), 'a.txt');
      const [get, head] = [await send(path), await send(path, {}, {}, HEAD)];
      expect(head.headers).toEqual(get.headers);
      expect([head.status, head.type, head.contentLen]).toEqual([get.status, get.type, get.contentLen]);
      expect(head.pieces).toEqual([]);
    }
  });
});

describe('conditions', () => {
  async function etagOf(path: string): Promise<string> {
    return (await send(path)).headers.ETag ?? '';
  }

  test.each<[string, string, (etag: string) => Fields]>([
    ['If-None-Match', '304 Not Modified', etag => ({ 'if-none-match': `"x", ${etag}` })],
    ['If-None-Match of another state', '200 OK', () => ({ 'if-none-match': '"x"' })],
    ['If-Modified-Since', '304 Not Modified', () => ({ 'if-modified-since': SAME })],
    ['If-Modified-Since, earlier', '200 OK', () => ({ 'if-modified-since': BEFORE })],
    ['If-Match', '200 OK', etag => ({ 'if-match': etag })],
    ['If-Match of another state', '412 Precondition Failed', () => ({ 'if-match': '"x"' })],
    ['If-Unmodified-Since, earlier', '412 Precondition Failed', () => ({ 'if-unmodified-since': BEFORE })],
    ['If-None-Match before Range', '304 Not Modified', etag => ({ 'if-none-match': etag, range: 'bytes=0-0' })],
    ['If-Match and Range', '206 Partial Content', etag => ({ 'if-match': etag, range: 'bytes=0-0' })],
    ['If-Range', '206 Partial Content', etag => ({ 'if-range': etag, range: 'bytes=0-0' })],
    ['If-Range with the date', '206 Partial Content', () => ({ 'if-range': SAME, range: 'bytes=0-0' })],
    ['If-Range of another state', '200 OK', () => ({ 'if-range': '"x"', range: 'bytes=0-0' })],
    ['If-Range of another state, beyond the end', '200 OK', () => ({ 'if-range': '"x"', range: 'bytes=99-' })],
    ['If-Range without Range', '200 OK', () => ({ 'if-range': '"x"' })],
  ])('%s: %s', async (_name, status, fields) => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    const req = await send(path, fields(await etagOf(path)));
    expect(req.status).toBe(status);
  });

  test('a 304 has ETag, Last-Modified, Cache-Control and Vary, and no body', async () => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    const etag = await etagOf(path);
    for (const method of [1, HEAD]) {
      const req = await send(path, { 'if-none-match': etag }, { cacheControl: 'max-age=60', download: true }, method);
      expect(req.headers).toEqual({
        ETag: etag,
        'Last-Modified': SAME,
        'Cache-Control': 'max-age=60',
        Vary: 'Accept-Encoding',
      });
      expect(req.body.length).toBe(0);
    }
  });

  test('a 412 has neither body nor validators', async () => {
    const req = await send(join(filesOf({ 'a.txt': 'hello' }), 'a.txt'), { 'if-match': '"x"' });
    expect([req.headers, req.contentLen]).toEqual([{}, 0]);
  });

  test('other methods know neither conditions nor ranges', async () => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    const fields = { 'if-none-match': '*', 'if-match': '"x"', range: 'bytes=0-0' };
    expect(await send(path, fields, {}, POST)).toMatchObject({ status: '200 OK', contentLen: 5 });
  });

  test('HEAD knows conditions, and no ranges', async () => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    expect((await send(path, { 'if-none-match': '*' }, {}, HEAD)).status).toBe('304 Not Modified');
    expect(await send(path, { range: 'bytes=0-0' }, {}, HEAD)).toMatchObject({ status: '200 OK', contentLen: 5 });
    expect((await send(path, { range: 'bytes=9-' }, {}, HEAD)).status).toBe('200 OK');
  });
});

describe('ranges', () => {
  const content = pattern(300_000);

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=5-9', 5, 9],
    ['bytes=-1', 299_999, 299_999],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=1-', 1, 299_999],
    ['bytes=65535-131072', 65_535, 131_072],
    ['bytes=400000-,3-4', 3, 4],
  ])('%s: one part', async (range, first, last) => {
    const req = await send(join(filesOf({ 'a.bin': content }), 'a.bin'), { range });
    expect(req).toMatchObject({ status: '206 Partial Content', type: 'application/octet-stream' });
    expect(req.headers).toMatchObject({ 'Content-Range': `bytes ${first}-${last}/300000`, ETag: expect.any(String) });
    expect(req.contentLen).toBe(last - first + 1);
    expect(req.body.equals(content.subarray(first, last + 1))).toBe(true);
  });

  test('several parts', async () => {
    const req = await send(join(filesOf({ 'a.bin': content }), 'a.bin'), { range: 'bytes=0-1,100000-199999,-3' });
    expect(req.status).toBe('206 Partial Content');
    expect(req.headers['Content-Range']).toBeUndefined();
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(req.type)?.[1];
    const part = (range: string, bytes: Buffer) =>
      `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${range}/300000\r\n\r\n${bytes.toString('latin1')}\r\n`;
    const expected = [
      part('0-1', content.subarray(0, 2)),
      part('100000-199999', content.subarray(100_000, 200_000)),
      part('299997-299999', content.subarray(-3)),
      `--${boundary}--\r\n`,
    ].join('');
    expect(req.body.toString('latin1') === expected).toBe(true);
    expect(req.contentLen).toBe(expected.length);
  });

  test('boundaries differ', async () => {
    const path = join(filesOf({ 'a.bin': content }), 'a.bin');
    const types = [await send(path, { range: 'bytes=0-0,2-2' }), await send(path, { range: 'bytes=0-0,2-2' })];
    expect(types[0]?.type).not.toBe(types[1]?.type);
  });

  test.each(['bytes=300000-', 'bytes=-0', 'bytes=300000-,400000-'])('%s: 416', async range => {
    const req = await send(join(filesOf({ 'a.bin': content }), 'a.bin'), { range }, { cacheControl: 'max-age=60' });
    expect(req).toMatchObject({ status: '416 Range Not Satisfiable', contentLen: 0 });
    expect(req.headers).toEqual({ 'Content-Range': 'bytes */300000' });
  });

  test.each([
    'bytes=9-5',
    'lines=1-2',
    'bytes=0-,0-',
    `bytes=${Array.from({ length: 17 }, (_, i) => `${2 * i}-${2 * i}`)}`,
  ])('%s: ignored', async range => {
    const req = await send(join(filesOf({ 'a.bin': content }), 'a.bin'), { range });
    expect(req).toMatchObject({ status: '200 OK', contentLen: 300_000 });
  });

  test('an empty file', async () => {
    const path = join(filesOf({ a: '' }), 'a');
    expect((await send(path, { range: 'bytes=0-' })).status).toBe('416 Range Not Satisfiable');
    expect(await send(path, { range: 'bytes=-1' })).toMatchObject({ status: '200 OK', contentLen: 0 });
  });

  test('ranges: false', async () => {
    const req = await send(join(filesOf({ a: 'hello' }), 'a'), { range: 'bytes=0-0' }, { ranges: false });
    expect(req).toMatchObject({ status: '200 OK', contentLen: 5 });
    expect(req.headers['Accept-Ranges']).toBe('none');
  });
});

describe('precompressed', () => {
  const BOTH = { 'a.js': 'plain', 'a.js.gz': 'GZIP', 'a.js.br': 'BROTLI' };
  const JS = 'text/javascript; charset=utf-8';

  test.each<[string, Readonly<Record<string, string>>, string | undefined, string, string | undefined]>([
    ['both are there, both are taken', BOTH, 'gzip, br', 'BROTLI', 'br'],
    ['both are there, gzip is taken', BOTH, 'gzip', 'GZIP', 'gzip'],
    ['both are there, gzip is preferred', BOTH, 'gzip, br;q=0.5', 'GZIP', 'gzip'],
    ['both are there, none is taken', BOTH, 'deflate', 'plain', undefined],
    ['both are there, none is wanted', BOTH, 'identity', 'plain', undefined],
    ['both are there, nothing is said', BOTH, undefined, 'plain', undefined],
    ['both are there, the file is preferred', BOTH, 'gzip;q=0.5, identity', 'plain', undefined],
    ['.gz is there, both are taken', { 'a.js': 'plain', 'a.js.gz': 'GZIP' }, 'br, gzip', 'GZIP', 'gzip'],
    ['.gz is there, br is taken', { 'a.js': 'plain', 'a.js.gz': 'GZIP' }, 'br', 'plain', undefined],
    ['none is there', { 'a.js': 'plain' }, 'br, gzip', 'plain', undefined],
    ['only .gz is there, it is taken', { 'a.js.gz': 'GZIP' }, 'gzip', 'GZIP', 'gzip'],
    ['only .gz is there, the file is preferred', { 'a.js.gz': 'GZIP' }, 'gzip;q=0.5, identity', 'GZIP', 'gzip'],
    ['only .gz is there, nothing is said', { 'a.js.gz': 'GZIP' }, undefined, 'GZIP', 'gzip'],
    ['only variants are there, nothing is said', { 'a.js.gz': 'GZIP', 'a.js.br': 'BR' }, undefined, 'BR', 'br'],
  ])('%s', async (_name, files, accepted, body, coding) => {
    const path = join(filesOf(files), 'a.js');
    const req = await send(path, accepted === undefined ? {} : { 'accept-encoding': accepted });
    expect([req.body.toString(), req.headers['Content-Encoding'], req.type]).toEqual([body, coding, JS]);
    // caches must keep them apart, whichever was sent
    expect(req.headers.Vary).toBe('Accept-Encoding');
  });

  test('only .gz is there, and it is not taken: ESP_ERR_NOT_FOUND', async () => {
    const path = join(filesOf({ 'a.js.gz': 'GZIP' }), 'a.js');
    for (const accepted of ['br', 'gzip;q=0', 'identity', '']) {
      await expect(send(path, { 'accept-encoding': accepted })).rejects.toMatchObject({ name: 'ESP_ERR_NOT_FOUND' });
    }
  });

  test('each variant has an ETag of its own, and conditions and ranges are about the variant', async () => {
    const path = join(filesOf(BOTH), 'a.js');
    const gzip = { 'accept-encoding': 'gzip' };
    const [plain, packed] = [await send(path), await send(path, gzip)];
    const etag = packed.headers.ETag as string;
    expect(etag).not.toBe(plain.headers.ETag);
    expect((await send(path, { 'if-none-match': etag })).status).toBe('200 OK');
    expect((await send(path, { 'if-none-match': etag, ...gzip })).status).toBe('304 Not Modified');
    const part = await send(path, { range: 'bytes=1-2', ...gzip });
    expect([part.body.toString(), part.headers['Content-Encoding']]).toEqual(['ZI', 'gzip']);
    expect(part.headers['Content-Range']).toBe('bytes 1-2/4');
  });

  test('an ETag names the coding: variants may have time and length in common', async () => {
    const folder = filesOf({ 'a.js': 'abcd', 'a.js.gz': 'GZIP', 'a.js.br': 'BROT' });
    const tags: unknown[] = [];
    for (const accepted of ['identity', 'gzip', 'br']) {
      tags.push((await send(join(folder, 'a.js'), { 'accept-encoding': accepted })).headers.ETag);
    }
    expect(new Set(tags).size).toBe(3);
  });

  test.each([
    ['older', MODIFIED - 1, 'plain', undefined],
    ['of the same second, as compressors leave it', MODIFIED, 'GZIP', 'gzip'],
    ['newer', MODIFIED + 1, 'GZIP', 'gzip'],
  ])('a variant that is %s', async (_when, time, body, coding) => {
    const folder = filesOf(BOTH);
    const path = join(folder, 'a.js');
    utimesSync(path, MODIFIED + 0.9, MODIFIED + 0.9);
    utimesSync(`${path}.gz`, time, time);
    utimesSync(`${path}.br`, 1, 1);
    const req = await send(path, { 'accept-encoding': 'br, gzip' });
    expect([req.body.toString(), req.headers['Content-Encoding']]).toEqual([body, coding]);
    expect(req.headers.Vary).toBe('Accept-Encoding');
  });

  test('where only a variant is there, its time does not matter', async () => {
    const path = join(filesOf({ 'a.js.gz': 'GZIP' }), 'a.js');
    utimesSync(`${path}.gz`, 1, 1);
    expect((await send(path, { 'accept-encoding': 'gzip' })).body.toString()).toBe('GZIP');
  });

  test('beside a type that is compressed as it is, none is looked for', async () => {
    const path = join(filesOf({ 'a.jpg': 'plain', 'a.jpg.gz': 'GZIP' }), 'a.jpg');
    const req = await send(path, { 'accept-encoding': 'gzip' });
    expect([req.body.toString(), req.headers.Vary]).toEqual(['plain', undefined]);
  });

  test('where only the variant is there, its type does not matter', async () => {
    const path = join(filesOf({ 'firmware.bin.gz': 'GZIP' }), 'firmware.bin');
    const req = await send(path, { 'accept-encoding': 'gzip' });
    expect(req.headers).toMatchObject({ 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
    expect(req.type).toBe('application/octet-stream');
  });

  test('a folder in the place of a variant is passed over, and one in the place of the file is none', async () => {
    const folder = filesOf({ 'a.js': 'plain', 'b.js.gz': 'GZIP' });
    mkdirSync(join(folder, 'a.js.gz'));
    mkdirSync(join(folder, 'b.js'));
    const gzip = { 'accept-encoding': 'br, gzip' };
    expect((await send(join(folder, 'a.js'), gzip)).body.toString()).toBe('plain');
    expect((await send(join(folder, 'b.js'), gzip)).body.toString()).toBe('GZIP');
    await expect(send(join(folder, 'b.js'), {})).rejects.toMatchObject({ name: 'ESP_ERR_NOT_FOUND' });
  });

  test('precompressed: false', async () => {
    const folder = filesOf({ ...BOTH, 'b.js.gz': 'GZIP' });
    const req = await send(join(folder, 'a.js'), { 'accept-encoding': 'br' }, { precompressed: false });
    expect([req.body.toString(), req.headers.Vary]).toEqual(['plain', undefined]);
    const gone = send(join(folder, 'b.js'), { 'accept-encoding': 'gzip' }, { precompressed: false });
    await expect(gone).rejects.toMatchObject({ name: 'ESP_ERR_NOT_FOUND' });
  });
});

describe('options', () => {
  test('type, cacheControl', async () => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    const req = await send(path, {}, { type: 'image/png', cacheControl: 'no-store' });
    expect([req.type, req.headers['Cache-Control'], req.headers.Vary]).toEqual(['image/png', 'no-store', undefined]);
  });

  test.each<[boolean | string, string | undefined]>([
    [false, undefined],
    [true, 'attachment; filename="a.txt"'],
    ['other.txt', 'attachment; filename="other.txt"'],
    ['naïve.txt', `attachment; filename="na_ve.txt"; filename*=UTF-8''na%C3%AFve.txt`],
  ])('download: %j', async (download, field) => {
    const req = await send(join(filesOf({ 'a.txt': 'hello' }), 'a.txt'), {}, { download });
    expect(req.headers['Content-Disposition']).toBe(field);
  });

  test.each<[unknown, unknown]>([
    ['', undefined],
    [undefined, undefined],
    [7, undefined],
    ['a', null],
    ['a', 'text/html'],
    ['a', { typo: 1 }],
    ['a', { type: '' }],
    ['a', { type: 'a\r\nb' }],
    ['a', { type: 7 }],
    ['a', { cacheControl: 'a\nb' }],
    ['a', { cacheControl: '' }],
    ['a', { cacheControl: 'max-age=1, ↵' }],
    ['a', { download: '' }],
    ['a', { download: 1 }],
    ['a', { precompressed: 'br' }],
    ['a', { ranges: 1 }],
  ])('ESP_ERR_INVALID_ARG: %j, %j', async (path, options) => {
    const req = new FakeRequest();
    const sent = sendFile(req, path as string, options as SendFileOptions);
    await expect(sent).rejects.toMatchObject({ name: 'ESP_ERR_INVALID_ARG' });
    expect(req.contentLen).toBeUndefined();
  });
});

describe('failures', () => {
  test.each<[string, (folder: string) => string]>([
    ['nothing there', folder => join(folder, 'nothing')],
    ['a folder', folder => folder],
    ['a file as a folder', folder => join(folder, 'a.txt', 'x')],
    ['a name that is too long', folder => join(folder, 'x'.repeat(300))],
    ['a NUL', folder => join(folder, 'a.txt\0')],
    ['a device', () => '/dev/null'],
  ])('ESP_ERR_NOT_FOUND: %s', async (_name, pathOf) => {
    const folder = filesOf({ 'a.txt': 'hello' });
    const req = new FakeRequest({ 'accept-encoding': 'br, gzip' });
    const before = openPaths();
    await expect(sendFile(req, pathOf(folder))).rejects.toMatchObject({ name: 'ESP_ERR_NOT_FOUND' });
    expect(openPaths()).toBeLessThanOrEqual(before);
    expect([req.headers, req.contentLen]).toEqual([{}, undefined]);
  });

  test.runIf(LINUX)('ESP_FAIL with its cause: a file that may not be read', async () => {
    const path = join(filesOf({ 'a.txt': 'hello' }), 'a.txt');
    await expect(unprivileged(() => sendFile(new FakeRequest(), path))).rejects.toMatchObject({
      name: 'ESP_FAIL',
      cause: { code: 'EACCES' },
    });
  });

  test('ESP_FAIL: a file that becomes shorter while it is sent', async () => {
    const path = join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin');
    const req = new FakeRequest();
    req.onPart = async () => truncateSync(path, 70_000);
    const before = openPaths();
    await expect(sendFile(req, path)).rejects.toMatchObject({ name: 'ESP_FAIL', message: /shorter/ });
    expect(req.body.length).toBe(70_000);
    await expect.poll(() => openPaths(), { interval: 2 }).toBeLessThanOrEqual(before);
  });

  test('a session that ends in the middle: the file is closed', async () => {
    const path = join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin');
    const req = new FakeRequest();
    req.onPart = () => Promise.reject(new Error('the session ended'));
    const before = openPaths();
    await expect(sendFile(req, path)).rejects.toThrow('the session ended');
    await expect.poll(() => openPaths(), { interval: 2 }).toBeLessThanOrEqual(before);
  });

  test.each(['respAddHdr', 'respSetType', 'respSend', 'respSendHead'] as const)(
    'a request that is over, in %s: the file is closed',
    async method => {
      const path = join(filesOf({ 'a.bin': pattern(100_000), b: 'x' }), method === 'respSend' ? 'b' : 'a.bin');
      const req = new FakeRequest();
      req[method] = () => {
        throw new Error('it is over');
      };
      const before = openPaths();
      await expect(sendFile(req, path)).rejects.toThrow('it is over');
      await expect.poll(() => openPaths(), { interval: 2 }).toBeLessThanOrEqual(before);
    },
  );

  test('buffers are given back, whatever happens: more downloads than there are buffers, half of them failing', async () => {
    const path = join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin');
    const one = async (i: number) => {
      const req = new FakeRequest();
      if (i % 2 === 0) req.onPart = () => Promise.reject(new Error('the session ended'));
      await sendFile(req, path);
      expect(req.body.equals(pattern(200_000))).toBe(true);
    };
    const results = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => one(i)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  });

  test('a slow reader holds no buffer', async () => {
    const path = join(filesOf({ 'a.bin': pattern(200_000) }), 'a.bin');
    let go = () => {};
    const held = new Promise<void>(resolve => {
      go = resolve;
    });
    const slow = Array.from({ length: 20 }, () => {
      const req = new FakeRequest();
      req.onPart = () => held;
      return sendFile(req, path);
    });
    const fast = new FakeRequest();
    await sendFile(fast, path);
    expect(fast.body.length).toBe(200_000);
    go();
    await Promise.all(slow);
  });
});
