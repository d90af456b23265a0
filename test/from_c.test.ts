/** docs/from-c.md: has every name of the headers, and names nothing that is not there; its program compiles and does what it shows. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HttpdReq } from '../src/httpd/req.js';
import { HttpdServer } from '../src/httpd/server.js';
import * as api from '../src/index.js';
import * as clientApi from '../src/ws_client/index.js';
import { C_NAMES, IN_NO_HEADER, NAME_LISTS } from './from_c_names.js';
import { codeIn, declaredFields, readText, tableRows } from './support/declared.js';

const { EspWebsocketClient } = clientApi;
const run = promisify(execFile);
const page = readText('docs/from-c.md');

interface NameRow {
  readonly header: string;
  /** Such as `Functions`, `Fields of httpd_uri_t`. */
  readonly kind: string;
  readonly name: string;
  readonly twins: readonly string[];
  readonly here: string;
  readonly why: string;
}

const rows: readonly NameRow[] = tableRows(page, 'C', 'here', 'differs, and why').map(row => {
  const [c = '', here = '', why = ''] = row.cells;
  const kind = row.section.split(':')[0]?.replaceAll('`', '') ?? '';
  return { header: row.chapter, kind, name: c.replaceAll('`', ''), twins: codeIn(here), here, why };
});

/** Every C name as `header, kind, name`. */
const expected = Object.entries(C_NAMES).flatMap(([header, names]) => {
  const of = (kind: string, list: readonly string[]) => list.map(name => [header, kind, name]);
  return [
    ...of('Functions', names.functions),
    ...Object.entries(names.fields).flatMap(([struct, fields]) => of(`Fields of ${struct}`, fields)),
    ...of('Constants', Object.keys(names.constants)),
    ...of('Callbacks', names.callbacks),
    ...of('Types', names.types),
    ...of('Kconfig', names.kconfig),
  ];
});

const exported: Readonly<Record<string, unknown>> = { ...clientApi, ...api };
const indexes = readText('src/index.ts') + readText('src/ws_client/index.ts');

const CONFIG = declaredFields('src/config.ts', 'HttpdConfig');
const URI = [
  ...declaredFields('src/httpd/route.ts', 'HttpdUri'),
  ...declaredFields('src/httpd_ws/options.ts', 'WsOptions'),
];
const REQ = [...declaredFields('src/httpd/req.ts', 'HttpdReq'), ...declaredFields('src/httpd/req_head.ts', 'ReqHead')];
const CLIENT_CONFIG = declaredFields('src/ws_client/config.ts', 'EspWebsocketClientConfig');

/** The fields that a name alone may stand for, by the kind of its row. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'Fields of httpd_config_t': CONFIG,
  'Fields of httpd_req_t': REQ,
  'Fields of httpd_uri_t': URI,
  'Fields of httpd_ws_frame_t': Object.keys(api.wsFrame()),
  'Fields of esp_http_server_event_data': declaredFields('src/httpd/events.ts', 'HttpdEventData'),
  'Fields of httpd_ssl_config_t': [
    ...declaredFields('src/httpd/ssl.ts', 'HttpdSslConfig'),
    ...declaredFields('src/tls/tls_config.ts', 'HttpdTlsConfig'),
    ...declaredFields('src/tls/credentials.ts', 'Credentials'),
  ],
  'Fields of esp_https_server_user_cb_arg_t': declaredFields('src/httpd/ssl.ts', 'HttpdSslUserCbArg'),
  'Fields of esp_websocket_client_config_t': CLIENT_CONFIG,
  'Fields of esp_websocket_event_data_t': [
    ...declaredFields('src/ws_client/events.ts', 'WsDataEvent'),
    ...declaredFields('src/ws_client/events.ts', 'WsEndEvent'),
  ],
  'Fields of esp_websocket_error_codes_t': declaredFields('src/ws_client/errors.ts', 'EspWebsocketErrorCodes'),
};

/** What a name with a point in it belongs to; `in` calls no getter. */
const MEMBERS: Readonly<Record<string, (member: string) => boolean>> = {
  server: member => member in HttpdServer.prototype,
  req: member => member in HttpdReq.prototype || REQ.includes(member),
  client: member => member in EspWebsocketClient.prototype,
  config: member => CONFIG.includes(member),
  uri: member => URI.includes(member),
  clientConfig: member => CLIENT_CONFIG.includes(member),
};

const EVENTS: Readonly<Record<string, readonly string[]>> = {
  server: declaredFields('src/httpd/events.ts', 'HttpdEvents'),
  client: declaredFields('src/ws_client/events.ts', 'EspWebsocketEvents'),
};

function exists(twin: string, kind: string): boolean {
  const [, owner, name = '', call] = /^(?:(\w+)\.)?(\w+)(\(.*\))?$/.exec(twin) ?? [];
  if (owner !== undefined) {
    const event = /^\('(\w+)'/.exec(call ?? '')?.[1];
    if (event !== undefined && !EVENTS[owner]?.includes(event)) return false;
    return MEMBERS[owner]?.(name) === true;
  }
  if (call !== undefined) return typeof exported[name] === 'function';
  if (FIELDS[kind]?.includes(name)) return true;
  return Object.hasOwn(exported, name) || (/^[A-Z][a-z]/.test(name) && new RegExp(`\\b${name}\\b`).test(indexes));
}

describe('the tables', () => {
  const told = rows.map(({ header, kind, name }) => [header, kind, name].join(', '));

  test('have every name of the headers, each where it belongs, and no other', () => {
    expect([...told].sort()).toEqual(expected.map(name => name.join(', ')).sort());
  });

  test('names that are in no header have a table of their own, and say what stands for them', () => {
    const others = tableRows(page, 'in no header', 'here', 'what it is');
    expect(others.map(({ cells }) => cells[0])).toEqual(IN_NO_HEADER.map(name => `\`${name}\``));
    const listed = new Set(expected.map(([, , name]) => name));
    expect(IN_NO_HEADER.filter(name => listed.has(name))).toEqual([]);
    for (const twin of others.flatMap(({ cells }) => codeIn(cells[1]))) expect(exists(twin, ''), twin).toBe(true);
  });

  test('the page names the commit of each list', () => {
    expect(NAME_LISTS.size).toBeGreaterThan(3);
    for (const { commit } of NAME_LISTS.values()) {
      expect(page, commit).toContain(/^[0-9a-f]{8,}$/.test(commit) ? commit.slice(0, 8) : commit);
    }
  });

  test('have no name twice', () => {
    expect(new Set(told).size).toBe(told.length);
    expect(new Set(expected.map(String)).size).toBe(expected.length);
  });

  test.each(Object.keys(C_NAMES))('%s: each twin exists', header => {
    const ours = rows.filter(row => row.header === header);
    const missing = ours.flatMap(({ name, kind, twins }) =>
      twins.filter(twin => !exists(twin, kind)).map(twin => `${name}: ${twin}`),
    );
    expect(missing).toEqual([]);
  });

  test('say why where there is no twin, and have nothing but twins in that column', () => {
    const without = rows.filter(({ twins }) => twins.length === 0);
    expect(without.filter(({ here, why }) => here !== '–' || why === '')).toEqual([]);
    for (const { name, twins, here } of rows) {
      if (twins.length > 0) expect(here, name).toBe(twins.map(twin => `\`${twin}\``).join(', '));
    }
  });

  test('constants have the values that C states', () => {
    for (const { constants } of Object.values(C_NAMES)) {
      for (const [name, value] of Object.entries(constants)) {
        const row = rows.find(other => other.kind === 'Constants' && other.name === name);
        if (value !== undefined && row?.twins.includes(name)) expect(exported[name], name).toBe(value);
      }
    }
  });
});

describe('what is exported', () => {
  const twins = new Set(rows.flatMap(row => row.twins.map(twin => twin.replace(/\(.*/, ''))));

  /** Look like names of ESP-IDF and are ours; their doc comments say so. */
  const OURS = [
    'HTTPD_WS_FRAME',
    'HTTPD_SSL_USER_CB_ERROR',
    'WEBSOCKET_ERROR_TYPE_PROTOCOL',
    'WEBSOCKET_ERROR_TYPE_PROXY',
  ];

  test('each constant is in a table under its own name, but for those of our own', () => {
    const constants = Object.keys(exported).filter(name => /^[A-Z][A-Z0-9_]+$/.test(name));
    expect(constants.length).toBeGreaterThan(100);
    const listed = rows.filter(row => row.kind === 'Constants').map(({ name }) => name);
    expect(constants.filter(name => !listed.includes(name))).toEqual(expect.arrayContaining(OURS));
    expect(constants.filter(name => !listed.includes(name) && !OURS.includes(name))).toEqual([]);
    for (const name of listed) if (name in exported) expect(twins, name).toContain(name);
  });

  /** README and docs/client.md list what C has not. */
  const added = new Set(
    [
      ...tableRows(readText('README.md'), 'added', 'TypeScript'),
      ...tableRows(readText('docs/client.md'), 'C', 'TypeScript'),
    ]
      .flatMap(({ cells }) => codeIn(cells[1]))
      .map(name => name.replace(/\(.*/, '')),
  );
  /** Stands for `for await`, or is the same as `on`. */
  const known = new Set(['constructor', 'server.once', 'client.once', 'client.on', 'client.off']);

  /** Members that applications may use: those that are marked as internal are left out. */
  const members = (owner: string, ...files: readonly (readonly [file: string, prototype: object])[]) =>
    files.flatMap(([file, prototype]) => {
      const hidden = [
        ...readText(file).matchAll(
          /(?:@internal[^\n]*\n| private (?:async )?| protected (?:async )?)\s*(?:async )?(\w+)/g,
        ),
      ];
      return Object.getOwnPropertyNames(prototype)
        .filter(name => !hidden.some(match => match[1] === name))
        .map(name => (name === 'constructor' ? name : `${owner}.${name}`));
    });

  test('each function and each method is the twin of something, or listed as added', () => {
    const functions = Object.entries(exported).filter(
      ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name),
    );
    const names = [
      ...functions.map(([name]) => name),
      ...members('server', ['src/httpd/server.ts', HttpdServer.prototype]),
      ...members('server', ['src/httpd/server_sess.ts', Object.getPrototypeOf(HttpdServer.prototype) as object]),
      ...members('req', ['src/httpd/req.ts', HttpdReq.prototype]),
      ...members('req', ['src/httpd/req_head.ts', Object.getPrototypeOf(HttpdReq.prototype) as object]),
      ...members('client', ['src/ws_client/client.ts', EspWebsocketClient.prototype]),
    ];
    expect(names.length).toBeGreaterThan(120);
    expect(names.filter(name => !twins.has(name) && !added.has(name) && !known.has(name))).toEqual([]);
  });

  test('a name that is one of C in camelCase is the twin of that', () => {
    const camel = (name: string) => name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const functions = rows.filter(({ kind }) => kind === 'Functions');
    for (const { name, twins: here } of functions) {
      const ours = [
        camel(name),
        ...['server', 'req'].map(owner => `${owner}.${camel(name.replace(/^httpd_(req_)?/, ''))}`),
      ];
      for (const our of ours) {
        if (!exists(our.includes('.') ? our : `${our}()`, '')) continue;
        expect(
          here.map(twin => twin.replace(/\(.*/, '')),
          name,
        ).toContain(our);
      }
    }
  });

  test("each field of a configuration that is a C field's name in camelCase is its twin", () => {
    const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    for (const { name, kind, twins: here } of rows.filter(row => row.kind.startsWith('Fields of'))) {
      if (FIELDS[kind]?.includes(camel(name))) expect(here, `${kind}: ${name}`).toContain(camel(name));
    }
  });

  test('no name of C is in README and not here', () => {
    const listed = new Set(expected.map(([, , name]) => name));
    const cells = tableRows(readText('README.md'), 'C', 'TypeScript').flatMap(row => codeIn(row.cells[0]));
    const names = cells
      .map(name => name.replace(/\(\)$/, ''))
      .filter(name => /^(httpd_|esp_http|HTTPD_)\w+$/.test(name));
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter(name => !listed.has(name))).toEqual([]);
  });
});

const HEADING =
  '/** The program of docs/from-c.md, as from_c.test.ts demands: here the compiler sees it. Nothing imports it: it listens. */\n';
const program = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]).join('\n');
const noCurl = spawnSync('curl', ['--version']).status !== 0;

describe('the walk', () => {
  let server: HttpdServer;

  beforeAll(async () => {
    const source = program
      .replace("'esp-httpd'", `'${new URL('../src/index.ts', import.meta.url).href}'`)
      .replace('serverPort: 8080', "serverPort: 0, host: '127.0.0.1'");
    expect(source).toContain('serverPort: 0');
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-from-c-'));
    const file = join(folder, 'program.mts');
    writeFileSync(file, `${source}\nexport { server };\n`);
    ({ server } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { server: HttpdServer });
    rmSync(folder, { recursive: true });
  });

  afterAll(() => server.stop({ grace: 0 }));

  test('its program is the one that the compiler checks', () => {
    const checked = readText('test/from_c_program.ts');
    expect(checked).toBe(HEADING + program.replace("'esp-httpd'", "'../src/index.js'"));
  });

  const put = async (path: string, body: string | ReadableStream, init: object = {}) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'PUT', body, ...init });
    return [answer.status, await answer.text()];
  };

  test('a handler leaves its answer to a work', async () => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/later`);
    expect(await answer.text()).toBe('later');
  });

  test('both handlers take a temperature, and refuse what is none, or too long', async () => {
    const json = expect.stringMatching(/^\{"target":21\.5\}\n$/);
    expect(await put('/target', 'celsius=21.5')).toEqual([200, json]);
    expect(await put('/target', 'x'.repeat(129))).toEqual([413, expect.stringContaining('413')]);
    expect(await put('/target', new Blob(['celsius=1']).stream(), { duplex: 'half' })).toEqual([
      413,
      expect.anything(),
    ]);
    expect(await put('/target', 'kelvin=294')).toEqual([400, 'celsius is missing']);
    const form = new URLSearchParams({ celsius: '21.5' });
    expect(
      await put('/room/target', `${form}`, { headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    ).toEqual([200, json]);
  });

  test('watchers are told', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
    const message = new Promise(resolve => socket.once('message', (data, isBinary) => resolve([`${data}`, isBinary])));
    await new Promise(resolve => socket.once('open', resolve));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await put('/room/target', 'celsius=18', { headers }))[0]).toBe(200);
    expect(await message).toEqual(['18', false]);
    const closed = new Promise(resolve => socket.once('close', resolve));
    socket.close();
    await closed;
    expect((await put('/room/target', 'celsius=19', { headers }))[0]).toBe(200);
  });

  /** Commands of the page with what they have printed. */
  const shown = [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(match =>
    (match[1] as string).split(/^\$ /m).slice(1),
  );

  test.skipIf(noCurl)('curl prints what the page shows (skipped where it is not installed)', async () => {
    expect(shown.length).toBeGreaterThanOrEqual(5);
    const undated = (text: string) =>
      text
        .replaceAll('\r', '')
        .replace(/^Date: .*$/m, 'Date:')
        .trimEnd();
    for (const command of shown) {
      const [line = '', ...printed] = command.split('\n');
      const [curl, ...args] = line.replace('http://localhost:8080', `http://127.0.0.1:${server.port}`).split(' ');
      expect(curl).toBe('curl');
      const child = await run('curl', ['--silent', '--show-error', '--noproxy', '*', '--max-time', '15', ...args]);
      expect(undated(child.stdout), line).toBe(undated(printed.join('\n')));
    }
  });
});
