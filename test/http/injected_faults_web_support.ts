/** Conversations about files and forms, for a port with faults. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { basicAuth } from '../../src/web/basic_auth.js';
import { cors } from '../../src/web/cors.js';
import { formParts, readForm } from '../../src/web/form.js';
import { staticUriHandler } from '../../src/web/static_files.js';
import type { Conversation } from '../support/fault_runs.js';
import { heldNow } from '../support/held.js';
import { chunked, pattern, post, request } from './support.js';

const MULTIPART = 'Content-Type: multipart/form-data; boundary=b';
const FORM = [
  '--b\r\nContent-Disposition: form-data; name="ssid"\r\n\r\nhome\r\n',
  `--b\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n${'file '.repeat(30)}\r\n`,
  '--b\r\nContent-Disposition: form-data; name="none"; filename=""\r\n\r\n\r\n--b--\r\n',
].join('');

/** What a run leaves open. */
function descriptors(): () => string[] {
  const before = heldNow().fds;
  return () => {
    const now = heldNow().fds;
    return now <= before ? [] : [`${before} descriptors before, ${now} after`];
  };
}

/** @param folder to put files into */
export function webConversations(folder: string): Conversation[] {
  writeFileSync(join(folder, 'small.txt'), pattern(700));
  writeFileSync(join(folder, 'large.bin'), pattern(150_000));
  writeFileSync(join(folder, 'page.html'), 'page '.repeat(100));
  writeFileSync(join(folder, 'page.html.gz'), gzipSync('page '.repeat(100)));
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub', 'index.html'), 'index');
  return [files(folder), largeFiles(folder), forms(), hooks()];
}

function files(folder: string): Conversation {
  const conversation: Conversation = {
    name: 'files, parts of files, a folder',
    config: { uriMatchFn: uriMatchWildcard },
    // the boundary of parts, or as much of it as came
    random: /(boundary=|--)[0-9a-f]{1,32}/g,
    scale: 4,
    serve: app => {
      app.route('GET /files/*', staticUriHandler({ root: folder, listing: true }));
      app.route('GET /small', req => req.respSendFile(join(folder, 'small.txt'), { download: true }));
      app.route('GET /nothing', req => req.respSendFile(join(folder, 'nothing')));
      conversation.leftovers = descriptors();
    },
    client: async client => {
      client.send(request('GET /small'), request('HEAD /files/small.txt'), request('GET /files/sub/'));
      client.send(request('GET /files/small.txt', 'Range: bytes=10-19, 30-39'), request('GET /files/sub'));
      client.send(request('GET /files/page.html', 'Accept-Encoding: gzip'), request('GET /files/'));
      client.send(request('GET /files/small.txt', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT'));
      client.send(request('GET /nothing'));
      await client.end();
    },
  };
  return conversation;
}

function largeFiles(folder: string): Conversation {
  const conversation: Conversation = {
    name: 'files that are longer than a buffer',
    scale: 1_500,
    serve: app => {
      app.route('GET /large', req => req.respSendFile(join(folder, 'large.bin')));
      conversation.leftovers = descriptors();
    },
    client: async client => {
      client.send(request('GET /large'), request('GET /large', 'Range: bytes=5-80000', 'Connection: close'));
      await client.end();
    },
  };
  return conversation;
}

function forms(): Conversation {
  return {
    name: 'forms',
    serve: app => {
      app.route('POST /form', async req => {
        let text = '';
        for await (const part of formParts(req)) {
          let n = 0;
          for await (const piece of part) n += piece.length;
          text += `${part.name}/${part.filename}: ${n};`;
        }
        await req.respSend(text);
      });
      app.route('POST /first', async req => {
        for await (const part of formParts(req)) return req.respSend(await part.text());
      });
      app.route('POST /login', async req => {
        const form = await readForm(req);
        req.respSetCookie('user', form.get('user') ?? '', { httpOnly: true });
        await req.respSend(`was ${req.getCookieVal('user')}`);
      });
    },
    client: async client => {
      client.send(post('/form', FORM, MULTIPART), post('/first', FORM, MULTIPART));
      await client.until('home');
      const login = 'user=ada&x=1';
      client.send(post('/login', login, 'Content-Type: application/x-www-form-urlencoded', 'Cookie: user=bob'));
      client.send(request('POST /form', MULTIPART, 'Transfer-Encoding: chunked'), chunked(Buffer.from(FORM), 50));
      client.send(post('/form', FORM.slice(0, 100), MULTIPART));
      await client.end();
    },
  };
}

function hooks(): Conversation {
  return {
    name: 'passwords and other origins',
    config: { uriMatchFn: uriMatchWildcard },
    serve: app => {
      app.server.before('/', cors({ origins: ['https://example.com'] }));
      app.server.before('/private', basicAuth({ realm: 'r', verify: async (user, password) => user === password }));
      app.route('GET /private', req => req.respSend('private'));
    },
    client: async client => {
      const authorization = (text: string) => `Authorization: Basic ${Buffer.from(text).toString('base64')}`;
      client.send(request('GET /private', authorization('a:b')), request('GET /private', authorization('a:a')));
      client.send(
        request('OPTIONS /private', 'Origin: https://example.com', 'Access-Control-Request-Method: GET'),
        request('GET /nowhere', 'Origin: https://example.com', 'Connection: close'),
      );
      await client.end();
    },
  };
}
