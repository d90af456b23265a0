/** Forms of clients that are not ours: undici's fetch, and curl where it is installed. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, FormData, fetch } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { formParts, readForm } from '../../src/web/form.js';
import { pattern, serve } from './support.js';

/** What each part is, and a digest of its content. */
type Shown = readonly [name: string, filename: string | null, type: string, digest: string];

async function showing(): Promise<HttpdServer> {
  return serve({
    'POST /': async req => {
      const shown: Shown[] = [];
      for await (const part of formParts(req)) {
        shown.push([part.name, part.filename ?? null, part.type, digest(await part.bytes())]);
      }
      await req.respSend(JSON.stringify(shown));
    },
    'POST /fields': async req => req.respSend(JSON.stringify([...(await readForm(req))])),
  });
}

const digest = (content: string | Buffer) => createHash('sha1').update(content).digest('hex');

describe("undici's fetch", () => {
  let agent: Agent;
  beforeAll(() => {
    agent = new Agent();
  });
  afterEach(() =>
    agent
      .close()
      .then(() => (agent = new Agent()))
      .then(() => {}),
  );

  const post = async (server: HttpdServer, path: string, body: FormData | URLSearchParams): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', body, dispatcher: agent })).json();

  test('FormData: names, file names, types and contents of all kinds', async () => {
    const bytes = pattern(100_000);
    const data = new FormData();
    data.append('plain', 'wörld\r\n');
    data.append('a"b\r\nc;=%22\\d', '');
    data.append('file', new Blob([bytes], { type: 'image/PNG' }), 'bild "ü".png');
    data.append('file', new Blob([]), 'empty');
    data.append('__proto__', new Blob(['x'], { type: 'text/plain;charset=utf-8' }), '../../etc/passwd');
    expect(await post(await showing(), '/', data)).toEqual([
      ['plain', null, 'text/plain', digest('wörld\r\n')],
      ['a"b\r\nc;="\\d', null, 'text/plain', digest('')],
      ['file', 'bild "ü".png', 'image/png', digest(bytes)],
      ['file', 'empty', 'application/octet-stream', digest('')],
      ['__proto__', 'passwd', 'text/plain', digest('x')],
    ]);
  });

  test('FormData of fields, and URLSearchParams, mean the same', async () => {
    const fields: [string, string][] = [
      ['a', '1'],
      ['b', 'ü &=+%\n'],
      ['a', ''],
    ];
    const server = await showing();
    const data = new FormData();
    for (const [name, value] of fields) data.append(name, value);
    const sent = await post(server, '/fields', new URLSearchParams(fields));
    expect(sent).toEqual(fields);
    // a form's line endings are CRLF (HTML standard, constructing the entry list)
    expect(await post(server, '/fields', data)).toEqual([
      ['a', '1'],
      ['b', 'ü &=+%\r\n'],
      ['a', ''],
    ]);
  });
});

describe.skipIf(spawnSync('curl', ['--version']).error !== undefined)('curl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'form-'));
  const bytes = pattern(100_000);
  beforeAll(() => writeFileSync(join(folder, 'up.bin'), bytes));
  afterAll(() => rmSync(folder, { recursive: true }));

  const curl = async (server: HttpdServer, path: string, ...args: string[]): Promise<unknown> => {
    const { stdout } = await promisify(execFile)('curl', [
      '-s',
      '-m',
      '10',
      ...args,
      `http://127.0.0.1:${server.port}${path}`,
    ]);
    return JSON.parse(stdout);
  };

  test.each([
    ['with a length', []],
    ['in chunks', ['-H', 'Transfer-Encoding: chunked']],
    ['behind a 100', ['-H', 'Expect: 100-continue']],
  ])('-F %s', async (_how, args) => {
    const fields = [
      '-F',
      'a=grüße',
      '-F',
      `f=@${join(folder, 'up.bin')};type=a/b;filename=x"y.bin`,
      '-F',
      'j={};type=application/json',
    ];
    expect(await curl(await showing(), '/', ...args, ...fields)).toEqual([
      ['a', null, 'text/plain', digest('grüße')],
      ['f', 'x"y.bin', 'a/b', digest(bytes)],
      ['j', null, 'application/json', digest('{}')],
    ]);
  });

  test('--data-urlencode', async () => {
    const fields = ['--data-urlencode', 'a=1 & 2', '--data-urlencode', 'b=ü+'];
    expect(await curl(await showing(), '/fields', ...fields)).toEqual([
      ['a', '1 & 2'],
      ['b', 'ü+'],
    ]);
  });
});
