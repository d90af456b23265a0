/** What can be asked of files, forms and the like. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { RawResponse } from '../../test/support/raw_client.js';
import { COMPRESSED, contentOf, FILES, type FileName } from '../folder.js';
import { fine, type Question, question } from './questions.js';
import type { Me } from './world.js';

const NAMES = Object.keys(FILES) as FileName[];

/** Entity tags of the files, as they were seen first. */
const etags = new Map<FileName, string>();

/** Is this the whole file? */
function whole(answer: RawResponse, id: string, name: FileName): boolean {
  const { etag = '' } = answer.headers;
  const known = etags.get(name) ?? etag;
  etags.set(name, known);
  return fine(answer, id) && etag === known && answer.body.equals(contentOf(name));
}

function file(me: Me): Question {
  const name = me.pick(NAMES);
  return question(me, 'file', `/files/${name}`, { expect: (answer, id) => whole(answer, id, name) });
}

function fileHead(me: Me): Question {
  const name = me.pick(NAMES);
  return question(me, 'file-head', `/files/${name}`, {
    method: 'HEAD',
    expect: (answer, id) => fine(answer, id) && answer.headers['content-length'] === String(FILES[name]),
  });
}

function unchanged(me: Me): Question {
  const name = me.pick(NAMES);
  const etag = etags.get(name);
  if (etag === undefined) return file(me);
  return question(me, 'unchanged', `/files/${name}`, {
    headers: [`If-None-Match: ${etag}`],
    expect: ({ status, headers }, id) => status === 304 && headers['x-id'] === id,
  });
}

function range(me: Me): Question {
  const name = me.pick<FileName>(['page.html', 'medium.bin', 'large.bin']);
  const from = me.int(0, FILES[name] - 1);
  const to = Math.min(FILES[name] - 1, from + me.int(0, 50_000));
  return question(me, 'range', `/files/${name}`, {
    headers: [`Range: bytes=${from}-${to}`],
    expect: ({ status, headers, body }, id) =>
      status === 206 && headers['x-id'] === id && body.equals(contentOf(name).subarray(from, to + 1)),
  });
}

function ranges(me: Me): Question {
  const content = contentOf('medium.bin');
  const at = me.int(100, content.length - 200);
  return question(me, 'ranges', '/files/medium.bin', {
    headers: [`Range: bytes=0-9, ${at}-${at + 99}`],
    expect: ({ status, headers, body }, id) =>
      status === 206 &&
      headers['x-id'] === id &&
      headers['content-type']?.startsWith('multipart/byteranges') === true &&
      body.includes(content.subarray(at, at + 100)),
  });
}

function gzipped(me: Me): Question {
  return question(me, 'gzip', `/files/${COMPRESSED}`, {
    headers: ['Accept-Encoding: gzip'],
    expect: (answer, id) =>
      fine(answer, id) &&
      answer.headers['content-encoding'] === 'gzip' &&
      gunzipSync(answer.body).equals(contentOf(COMPRESSED)),
  });
}

/** What must not be served, or not like this. */
const ODD: readonly (readonly [string, number])[] = [
  ['/files/nothing.txt', 404],
  ['/files/../secret.txt', 404],
  ['/files/..%2fsecret.txt', 404],
  ['/files/%2e%2e/secret.txt', 404],
  ['/files/sub', 301],
];

function oddPath(me: Me): Question {
  const [path, status] = me.pick(ODD);
  return question(me, 'odd-path', path, {
    expect: answer => (status === 301 ? [301, 302, 307, 308].includes(answer.status) : answer.status === status),
  });
}

function listing(me: Me): Question {
  return question(me, 'listing', '/files/', {
    expect: (answer, id) => fine(answer, id) && answer.text.includes('medium.bin'),
  });
}

function download(me: Me): Question {
  return question(me, 'download', '/download', {
    expect: (answer, id) => fine(answer, id) && answer.body.equals(contentOf('medium.bin')),
  });
}

/** A form with fields and files, and the hash of what is in it. */
function multipart(me: Me): Question {
  const hash = createHash('sha1');
  const boundary = `b${me.int(0, 1e9)}`;
  const parts: Buffer[] = [];
  for (let n = me.int(1, 5); n > 0; n--) {
    const content = me.bytes(me.pick([0, 10, 1_000, 50_000]));
    const filename = me.int(0, 1) === 0 ? undefined : `file${n}.bin`;
    const quoted = filename === undefined ? '' : `; filename="${filename}"`;
    const type = filename === undefined ? '' : '\r\nContent-Type: application/octet-stream';
    parts.push(
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="f${n}"${quoted}${type}\r\n\r\n`),
      content,
      Buffer.from('\r\n'),
    );
    hash.update(`f${n}=${filename ?? ''};`).update(content);
  }
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  const expected = hash.digest('hex');
  return question(me, 'form', '/form', {
    ...{ method: 'POST', body, chunked: me.int(0, 1) === 1 },
    headers: [`Content-Type: multipart/form-data; boundary=${boundary}`],
    expect: (answer, id) => fine(answer, id) && answer.text === expected,
  });
}

function login(me: Me): Question {
  const user = `user${me.int(0, 1e6)}`;
  return question(me, 'login', '/login', {
    method: 'POST',
    headers: ['Content-Type: application/x-www-form-urlencoded', `Cookie: a=b; user=${user}`],
    body: Buffer.from(`user=${encodeURIComponent(`${user} ü`)}&x=${me.int(0, 9)}`),
    expect: (answer, id) =>
      fine(answer, id) &&
      answer.text === `was ${user}` &&
      answer.headers['set-cookie']?.startsWith(`user=${user}%20%C3%BC;`) === true,
  });
}

function parameter(me: Me): Question {
  const led = `${me.int(0, 1e6)}`;
  return question(me, 'led', `/led/${led}/state`, {
    expect: (answer, id) => fine(answer, id) && answer.text === `led ${led}`,
  });
}

function withPassword(me: Me): Question {
  const credentials = Buffer.from('ada:lovelace').toString('base64');
  return question(me, 'private', '/private', {
    headers: [`Authorization: Basic ${credentials}`],
    expect: (answer, id) => fine(answer, id) && answer.text === 'private',
  });
}

function otherOrigin(me: Me): Question {
  return question(me, 'api', '/api', {
    headers: ['Origin: https://example.com'],
    expect: (answer, id) => fine(answer, id) && answer.headers['access-control-allow-origin'] === 'https://example.com',
  });
}

function metrics(me: Me): Question {
  return question(me, 'metrics', '/metrics', {
    expect: (answer, id) => fine(answer, id) && answer.text.includes('esp_httpd_sessions_opened_total '),
  });
}

export const WEB_KINDS: readonly ((me: Me) => Question)[] = [
  ...[file, fileHead, unchanged, range, ranges, gzipped, oddPath, listing, download],
  ...[multipart, login, parameter, withPassword, otherOrigin, metrics],
];
