import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HttpdReq } from '../src/httpd/req.js';
import { HttpdServer } from '../src/httpd/server.js';
import { checkWsOptions } from '../src/httpd_ws/options.js';
import * as api from '../src/index.js';
import { checkFormOptions } from '../src/web/form_options.js';
import { certificates } from './support/certificates.js';
import { codeIn } from './support/declared.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', '.git']);

function* files(folder = ROOT): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const readme = read('README.md');

/** The cells of the rows of each table in `text` whose heading begins with these cells. */
function tables(text: string, ...heading: string[]): string[][] {
  const lines = text.split('\n').map(line => (line.startsWith('|') ? cells(line) : undefined));
  const rows: string[][] = [];
  lines.forEach((line, at) => {
    if (line === undefined || !heading.every((cell, i) => line[i] === cell)) return;
    for (let i = at + 2; lines[i] !== undefined; i++) rows.push(lines[i] as string[]);
  });
  expect(rows, `a table with the heading ${heading.join(' | ')}`).not.toEqual([]);
  return rows;
}

function cells(line: string): string[] {
  const inner = line.replace(/^\|/, '').replace(/\|\s*$/, '');
  return inner.split('|').map(cell => cell.trim());
}

/** The fields that an interface declares. */
function fieldsOf(file: string, name: string): (string | undefined)[] {
  const declared = new RegExp(`export interface ${name}[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(read(file))?.[1] ?? '';
  return [...declared.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(match => match[1]);
}

describe("README's program", () => {
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  let cleanUp = (): void => {};

  afterEach(() => cleanUp());

  test('has 20 lines', () => {
    expect(program.trimEnd().split('\n')).toHaveLength(20);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'answers, echoes, refuses a frame that is too long, and ends at %s',
    async signal => {
      const index = pathToFileURL(join(ROOT, 'src/index.ts')).href;
      const source = program
        .replace("'esp-httpd'", `'${index}'`)
        .replace('serverPort: 8080', "serverPort: 0, host: '127.0.0.1'");
      expect(source).toContain(index);
      expect(source).toContain('serverPort: 0');
      const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-readme-'));
      const file = join(folder, 'program.mts');
      writeFileSync(file, `${source}\nconsole.log(server.port);\n`);
      const child = spawn(process.execPath, ['--import', 'tsx', file], {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanUp = () => {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      };
      const exited = once(child, 'exit');
      const [port] = await once(createInterface({ input: child.stdout }), 'line');

      const answer = await fetch(`http://127.0.0.1:${port}/uptime`);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toMatch(/^up for [\d.]+ seconds\n$/);

      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      await once(socket, 'open');
      socket.send('hello');
      const [data, isBinary] = await once(socket, 'message');
      expect([String(data), isBinary]).toEqual(['hello', false]);
      const closed = once(socket, 'close');
      socket.send('x'.repeat(4097));
      expect((await closed)[0]).toBe(1009);

      child.kill(signal);
      expect(await exited).toEqual([0, null]);
    },
  );
});

describe("README's tables", () => {
  const show = (value: unknown): string => {
    if (value === undefined) return 'none';
    if (typeof value === 'number') return value.toLocaleString('en-US');
    return typeof value === 'string' ? `'${value}'` : String(value);
  };

  test('the configuration lists every field, with the right defaults', () => {
    const ours = api.httpdDefaultConfig();
    const device = api.httpdEsp32Config();
    const rows = tables(readme, 'name', 'unit', 'default', "ESP-IDF's default").map(([name, , byDefault, esp]) => [
      codeIn(name)[0],
      byDefault,
      esp,
    ]);
    const names = rows.map(([name]) => name);
    expect([...names].sort()).toEqual(Object.keys(ours).sort());
    for (const [name, byDefault, esp] of rows) {
      const field = name as keyof api.HttpdConfig;
      expect(byDefault, `default of ${field}`).toBe(show(ours[field]));
      expect(esp?.replace(/^– \((.*)\)$/, '$1'), `ESP-IDF's default of ${field}`).toBe(show(device[field]));
    }
  });

  test('HttpdUri lists every field', () => {
    const fields = fieldsOf('src/httpd/route.ts', 'HttpdUri');
    expect(fields).toContain('uri');
    expect(tables(readme, 'name', 'default', 'meaning').map(([name]) => codeIn(name)[0])).toEqual(fields);
  });

  test('the options of WebSockets lists every one, with the right default', () => {
    const rows = tables(readme, 'name', 'unit', 'default', 'elsewhere');
    expect(rows.map(([name]) => codeIn(name)[0])).toEqual(fieldsOf('src/httpd_ws/options.ts', 'WsOptions'));
    const settings = checkWsOptions({}, '/');
    // what 0 stands for is in the settings
    const unlimited = (n: number) => (n === Number.MAX_SAFE_INTEGER ? 0 : n);
    const defaults = {
      wsMessageMode: settings.messageMode,
      wsMaxFrameLen: settings.maxFrameLen,
      wsMaxMessageLen: settings.maxMessageLen,
      wsMaxPacketLen: unlimited(settings.maxPacketLen),
      wsMaxSessions: unlimited(settings.maxSessions),
      wsFragmentLen: unlimited(settings.fragmentLen),
      wsPingInterval: settings.pingMs / 1000,
      wsPongTimeout: settings.pongMs / 1000,
      wsInactivityTimeout: settings.inactivityMs / 1000,
      wsRequestTimeout: settings.lifeMs / 1000,
      wsIgnoreEncodingErrors: !settings.checkUtf8,
      wsPerMessageDeflate: settings.deflate !== undefined,
      wsAllowedOrigins: settings.allowedOrigins,
      wsCloseCb: settings.closeCb,
    };
    expect(rows.map(([name, , byDefault]) => [codeIn(name)[0], byDefault])).toEqual(
      Object.entries(defaults).map(([name, value]) => [name, show(value)]),
    );
  });

  test('the options of permessage-deflate lists every one, with the right default', () => {
    const rows = tables(readme, 'name', 'unit', 'default', 'meaning').filter(([name]) => codeIn(name)[0] !== undefined);
    const { deflate } = checkWsOptions({ wsPerMessageDeflate: true }, '/');
    expect(rows.map(([name, , byDefault]) => [codeIn(name)[0], byDefault])).toEqual(
      Object.entries(deflate ?? {}).map(([name, value]) => [name, show(value)]),
    );
  });

  const index = read('src/index.ts');
  const twins = [...tables(readme, 'C', 'TypeScript'), ...tables(readme, 'added', 'TypeScript')];
  const listed = twins.flatMap(([, twin]) => codeIn(twin));

  test.each(listed)('%s exists', name => {
    const [, owner, member] = /^(?:(server|req)\.)?(\w+)/.exec(name) ?? [];
    // `in`: getters are not called
    if (owner === 'server') expect((member as string) in HttpdServer.prototype).toBe(true);
    else if (owner === 'req') expect((member as string) in HttpdReq.prototype).toBe(true);
    else if (name.includes('(') && !name.startsWith('for ')) expect(api).toHaveProperty(member as string);
    else if (/^[A-Z]/.test(name)) expect(index).toMatch(new RegExp(`\\b${member}\\b`));
    else expect(['for', 'await']).toContain(member);
  });

  test('every function that the package exports is in one of the tables of functions', () => {
    const functions = Object.entries(api).filter(([name, value]) => typeof value === 'function' && name !== 'EspError');
    const names = listed.map(name => /^\w+/.exec(name)?.[0]);
    for (const [name] of functions) expect(names).toContain(name);
  });
});

describe('docs/errors.md', () => {
  const errors = read('docs/errors.md');

  test('lists every code that EspError can have, with its number, or says that it is never thrown', () => {
    const rows = new Map(tables(errors, 'name', 'number').map(([name, number]) => [codeIn(name)[0], Number(number)]));
    const codes = Object.entries(api).filter(
      ([name]) => /^ESP_(OK|FAIL|ERR_)/.test(name) && name !== 'ESP_ERR_HTTPD_BASE',
    );
    const never = codeIn(/These have their numbers[\s\S]*?\n\n/.exec(errors)?.[0]);
    for (const [name, number] of codes) {
      if (never.includes(name)) expect(rows.has(name), name).toBe(false);
      else expect(rows.get(name), name).toBe(number);
    }
  });

  test('lists every error that a handler can be registered for', () => {
    const rows = tables(errors, 'status', 'code').flatMap(([, name]) => codeIn(name));
    const codes = Object.keys(api).filter(name => /^HTTPD_[45]\d\d_/.test(name));
    expect(rows.sort()).toEqual(codes.sort());
  });
});

describe('docs/limits.md', () => {
  const rows = [
    'Connections and sessions',
    'Requests',
    'Handlers and responses',
    'Files and forms',
    'WebSocket',
    'TLS',
    'Overrides and the log',
  ];
  const limits = read('docs/limits.md');

  test.each(rows)('%s: each limit names the test that reaches it', heading => {
    const section = limits.split(/^## /m).find(part => part.startsWith(`${heading}\n`)) ?? '';
    for (const [limit, , , , tests] of tables(section, 'limit'))
      expect(tests, limit).toMatch(/\]\(\.\.\/\S+\.test\.ts\)/);
  });

  test('lists every field of the configuration that is a number, except the port', () => {
    const numbers = Object.entries(api.httpdDefaultConfig()).filter(([, value]) => typeof value === 'number');
    const first = tables(limits, 'limit').flatMap(([limit]) => codeIn(limit));
    for (const [name] of numbers) if (name !== 'serverPort') expect(first).toContain(name);
  });
});

describe('docs/security.md', () => {
  const security = read('docs/security.md');
  const rows = tables(security, 'flaw', 'what is done', 'test');

  test.each(rows)('%s: names a test that is there', (_flaw, done, tests) => {
    const links = [...(tests ?? '').matchAll(/\]\((\S+)\)/g)].map(match => match[1] as string);
    expect(done).not.toBe('');
    expect(links).not.toEqual([]);
    for (const link of links) {
      expect(link).toMatch(/^\.\.\/test\/\S+\.test\.ts$/);
      expect(existsSync(join(ROOT, 'docs', link)), link).toBe(true);
    }
  });

  test('no flaw is named twice', () => {
    const flaws = rows.map(([flaw]) => flaw);
    expect(new Set(flaws).size).toBe(flaws.length);
  });
});

describe('docs/http.md', () => {
  const page = read('docs/http.md');

  const OPTIONS: readonly (readonly [name: string, file: string])[] = [
    ['BasicAuthOptions', 'src/web/basic_auth.ts'],
    ['CorsOptions', 'src/web/cors.ts'],
    ['CookieOptions', 'src/httpd/cookie.ts'],
    ['FormOptions', 'src/web/form_options.ts'],
    ['SendFileOptions', 'src/files/send_options.ts'],
    ['EventStreamOptions', 'src/httpd/event_stream.ts'],
    ['StaticOptions', 'src/web/static_files.ts'],
  ];

  test.each(OPTIONS)('lists every field of %s', (name, file) => {
    const table = page.split(new RegExp(`^\`${name}\`[^\n]*\n\n`, 'm'))[1]?.split('\n\n')[0] ?? '';
    const fields = fieldsOf(file, name);
    expect(fields).not.toEqual([]);
    expect(tables(table, 'name').map(([cell]) => codeIn(cell)[0])).toEqual(fields);
  });

  test('the limits of forms have the right defaults', () => {
    const rows = tables(page, 'name', 'unit', 'default', 'meaning').map(([name, , byDefault]) => [
      codeIn(name)[0],
      byDefault,
    ]);
    for (const [name, value] of Object.entries(checkFormOptions({}))) {
      expect(rows).toContainEqual([name, value === Number.MAX_SAFE_INTEGER ? 'none' : value.toLocaleString('en-US')]);
    }
  });

  test('its examples are one program, which does what they say', async () => {
    const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]);
    const program = blocks
      .join('\n')
      .replace("'esp-httpd'", `'${pathToFileURL(join(ROOT, 'src/index.ts')).href}'`)
      .replace('serverPort: 8080', "serverPort: 0, host: '127.0.0.1'");
    expect(program).toContain('serverPort: 0');
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-http-'));
    const file = join(folder, 'program.mts');
    writeFileSync(file, `${program}\nexport { server };\n`);
    const module = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { server: HttpdServer };
    await using server = module.server;
    rmSync(folder, { recursive: true });

    const get = async (path: string, init?: RequestInit) => {
      const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { redirect: 'manual', ...init });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    };
    expect((await get('/led/7')).text).toBe('LED 7 is on\n');
    expect((await get('/admin/whoami')).status).toBe(401);
    const authorization = `Basic ${Buffer.from('admin:correct horse').toString('base64')}`;
    expect((await get('/admin/whoami', { headers: { authorization } })).text).toBe('admin\n');
    const preflight = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
    const { status, headers } = await get('/api/x', { method: 'OPTIONS', headers: preflight });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, 'https://app.example']);
    expect((await get('/visit', { headers: { cookie: 'visits=3' } })).headers.get('set-cookie')).toMatch(/^visits=4; /);
    const fields = new URLSearchParams({ ssid: 'home' });
    expect((await get('/wifi', { method: 'POST', body: fields })).text).toBe('joining home\n');
    const form = new FormData();
    form.append('firmware', new Blob(['x'.repeat(100_000)]), 'a.bin');
    expect((await get('/upload', { method: 'POST', body: form })).text).toBe('100000 bytes\n');
    expect((await get('/changes')).text).toBe(read('CHANGELOG.md'));
    expect((await get('/zeros')).text).toBe('\0'.repeat(1_000_000));
    expect((await get('/metrics')).text).toContain('esp_httpd_requests_total');
    expect((await get('/docs/http.md')).text).toBe(page);
    expect([(await get('/docs')).status, (await get('/docs/')).status, (await get('/nothing')).status]).toEqual([
      301, 200, 404,
    ]);
    const events = await fetch(`http://127.0.0.1:${server.port}/events`);
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    await events.body?.cancel();
  });
});

describe('docs/tls.md', () => {
  const page = read('docs/tls.md');

  const OPTIONS = [
    { name: 'HttpdSslConfig', heading: '`HttpdSslConfig`', files: ['src/httpd/ssl.ts'] },
    {
      name: 'HttpdTlsConfig',
      heading: '`HttpdTlsConfig`',
      files: ['src/tls/credentials.ts', 'src/tls/tls_config.ts'],
    },
    { name: 'HttpdListenerConfig', heading: 'gateway.registerUriHandler', files: ['src/config.ts'] },
    {
      name: 'RedirectToHttpsOptions',
      heading: '`RedirectToHttpsOptions`',
      files: ['src/web/redirect_to_https.ts'],
    },
    { name: 'TlsInfo', heading: '## What was agreed on', files: ['src/port/port.ts'] },
  ];

  test.each(OPTIONS)('lists every field of $name', ({ name, heading, files }) => {
    const fields = files.flatMap(file => fieldsOf(file, file.endsWith('credentials.ts') ? 'Credentials' : name));
    expect(fields).not.toEqual([]);
    const behind = page.split(heading)[1] ?? '';
    const table = /^\|[\s\S]*?\n\n/m.exec(behind)?.[0] ?? '';
    const [head = ''] = table.split('\n');
    expect(tables(table, ...cells(head).slice(0, 1)).map(([cell]) => codeIn(cell)[0])).toEqual(fields);
  });

  test('its examples are one program, which does what they say', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-tls-'));
    const path = (name: string) => join(folder, name);
    const { ca, client } = certificates();
    // signed by itself, as the command on the page makes it
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    writeFileSync(path('cert.pem'), cert);
    writeFileSync(path('key.pem'), key);
    writeFileSync(path('ca.pem'), ca.cert);
    const program = [...page.matchAll(/```ts\n([\s\S]*?)```/g)]
      .map(match => match[1])
      .join('\n')
      .replace("'esp-httpd'", `'${pathToFileURL(join(ROOT, 'src/index.ts')).href}'`)
      .replace('portSecure: 8443', "portSecure: 0, httpd: { host: '127.0.0.1' }")
      .replace('port: 8080', "port: 0, host: '127.0.0.1'")
      .replace("port: 8444, host: 'localhost'", "port: 0, host: '127.0.0.1'")
      .replace('/tmp/gateway.sock', path('gateway.sock'))
      .replace("cacertPem: 'cert.pem'", `cacertPem: '${path('ca.pem')}'`)
      .replaceAll("'cert.pem'", `'${path('cert.pem')}'`)
      .replaceAll("'key.pem'", `'${path('key.pem')}'`)
      .replace("process.on('SIGHUP'", 'void (()=>{})(process.pid')
      .replaceAll('8443', '0');
    expect(program).not.toMatch(/\b(8080|8444)\b/);
    const file = path('program.mts');
    writeFileSync(file, `${program}\nexport { server, gateway };\n`);
    const { server, gateway } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Record<
      'server' | 'gateway',
      HttpdServer
    >;
    await using _server = server;
    await using _gateway = gateway;

    const get = (port: number, uri: string, options: https.RequestOptions = {}) =>
      new Promise<[status: number, text: string]>((resolve, reject) => {
        const to = { host: '127.0.0.1', port, path: uri, agent: false, servername: 'localhost', ca: cert, ...options };
        https
          .get(to, answer => void buffer(answer).then(all => resolve([answer.statusCode ?? 0, `${all}`])))
          .on('error', reject);
      });
    expect(await get(server.port, '/')).toEqual([200, expect.stringMatching(/^TLSv1\.3, TLS_\w+\n$/)]);
    expect((await get(server.port, '/admin'))[0]).toBe(403);
    expect(await get(server.port, '/admin', { ...client })).toEqual([200, 'hello CN=a client\n']);
    const [plain, secure] = gateway.listeners.map(({ port }) => port) as [number, number];
    expect(await get(secure, '/who')).toEqual([200, `by ${secure}, encrypted: true\n`]);
    const sent = await fetch(`http://127.0.0.1:${plain}/who?x`, { redirect: 'manual' });
    expect([sent.status, sent.headers.get('location')]).toEqual([308, `https://127.0.0.1:${secure}/who?x`]);
    await Promise.all([server.stop({ grace: 0 }), gateway.stop({ grace: 0 })]);
    rmSync(folder, { recursive: true });
  });
});

describe('all documents', () => {
  const documents = [...files()].filter(path => path.endsWith('.md')).map(path => relative(ROOT, path));

  test.each(documents)('%s: its local links lead somewhere', document => {
    const text = read(document).replace(/^```[\s\S]*?^```/gm, '');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] as string);
    for (const target of targets.filter(link => !/^[a-z]+:/.test(link))) {
      const [path, anchor] = target.split('#');
      const file = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path as string);
      expect(existsSync(file), target).toBe(true);
      if (anchor !== undefined) expect(anchors(readFileSync(file, 'utf8')), target).toContain(anchor);
    }
  });

  test('README, LICENSE, CHANGELOG and CONTRIBUTING are there', () => {
    const names = readdirSync(ROOT);
    for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md']) expect(names).toContain(name);
    expect(read('LICENSE')).toContain('Apache License');
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(read('CHANGELOG.md')).toContain(`## [${version}]`);
  });

  test('.ci/run can be run, and runs the test command of README', () => {
    expect(statSync(join(ROOT, '.ci/run')).mode & 0o111).not.toBe(0);
    expect(readme).toContain('npm ci && npm test');
    // a line each: bash does not end where the first part of '&&' fails
    expect(read('.ci/run')).toMatch(/^set -euo pipefail$[\s\S]*^npm ci\nnpm test$/m);
  });
});

test('no file names the host of a package registry', () => {
  const hosts = [
    ['registry', 'npmjs', 'org'],
    ['registry', 'yarnpkg', 'com'],
    ['npm', 'pkg', 'github', 'com'],
  ];
  const names = hosts.map(parts => parts.join('.'));
  const found = [...files()].filter(path => {
    const text = readFileSync(path, 'latin1');
    return names.some(name => text.includes(name));
  });
  expect(found.map(path => basename(path))).toEqual([]);
});

/** The anchors that headings get: in lower case, without punctuation, with hyphens for spaces. */
function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(match =>
    (match[1] as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
