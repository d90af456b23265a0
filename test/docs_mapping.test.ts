/** docs/websocket_mapping.md: its rows are complete, and its examples compile and do what they say. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APPWEB_API_CHECKS, DIRECTIVE_CHECKS } from './docs_mapping/appweb_checks.js';
import { type Examples, makeFolder, moduleOf, typeErrors } from './docs_mapping/compile.js';
import { LWS_API_CHECKS } from './docs_mapping/lws_api_checks.js';
import { CALLBACK_CHECKS, CLIENT_REASONS, SERVER_REASONS } from './docs_mapping/lws_checks.js';
import { readPage } from './docs_mapping/page.js';
import { type Check, inHandler, runExample } from './docs_mapping/rig.js';

const root = new URL('..', import.meta.url);
const page = readPage(fileURLToPath(new URL('docs/websocket_mapping.md', root)));
const { rows, shared, examples } = page;
const CHECKS: Readonly<Record<string, Check>> = {
  ...CALLBACK_CHECKS,
  ...LWS_API_CHECKS,
  ...DIRECTIVE_CHECKS,
  ...APPWEB_API_CHECKS,
};
const NO_CLIENT = 'belongs to the WebSocket client, which is not there yet';

/** Names of the documents that the page is for; the first of each row has an example. */
const LWS_NAMES = [
  'lws_create_context',
  'info.port',
  'info.protocols',
  'info.mounts',
  'lws_service',
  'lws_write',
  'LWS_WRITE_TEXT',
  'LWS_WRITE_HTTP',
  'LWS_WRITE_HTTP_HEADERS',
  'lws_callback_on_writable',
  'lws_protocols.name',
  'lws_protocols.callback',
  'lws_protocols.per_session_data_size',
  'lws_protocols.rx_buffer_size',
  'lws_protocols.id',
  'lws_protocols.user',
  'lws_protocols.tx_packet_size',
  'lws_callback_http_dummy',
  'lws_protocol_vh_priv_zalloc',
  'lws_protocol_vh_priv_get',
  'lws_get_vhost',
  'lws_get_protocol',
  'lws_start_foreach_llp',
  'lws_get_peer_write_allowance',
  'lws_add_http_header_status',
  'lws_add_http_header_by_name',
  'lws_add_http_header_by_token',
  'lws_finalize_http_header',
  'lws_client_connect_info',
  'lws_client_connect_via_info',
  'lwsl_err',
  'lwsl_user',
];
const APPWEB_NAMES = [
  'Route',
  'AddFilter',
  'AddHandler',
  'Source',
  'Target',
  'IgnoreEncodingErrors',
  'InactivityTimeout',
  'RequestTimeout',
  'LimitWebSockets',
  'LimitWebSocketsFrame',
  'LimitWebSocketsMessage',
  'LimitWebSocketsPacket',
  'WebSocketsProtocol',
  'WebSocketsPing',
  'httpGetReadCount',
  'httpGetWebSocketCloseReason',
  'httpGetWebSocketProtocol',
  'httpGetPacket',
  'httpRead',
  'httpSend',
  'httpSendBlock',
  'httpSendClose',
  'httpSetConnNotifier',
  'HTTP_EVENT_READABLE',
  'HTTP_EVENT_APP_CLOSE',
  'HTTP_EVENT_ERROR',
  'httpSetWebSocketProtocols',
  'httpWebSocketOrderlyClosed',
  'dontAutoFinalize',
  'espDefineAction',
  'X-Inactivity-Timeout',
  'X-Request-Timeout',
];

describe('the page', () => {
  test('has every callback reason with its number, in their order', () => {
    const reasons = rows.filter(({ name }) => name.startsWith('LWS_CALLBACK_'));
    const expected = Object.entries({ ...CLIENT_REASONS, ...SERVER_REASONS }).sort(([, a], [, b]) => a - b);
    expect(reasons.map(({ name, number }) => [name, number])).toEqual(expected);
  });

  test('says of what belongs to a client that there is none, and of nothing else', () => {
    const without = rows.filter(row => !row.linked);
    expect(without.map(({ name }) => name).sort()).toEqual(
      [...Object.keys(CLIENT_REASONS), 'httpSetWebSocketProtocols'].sort(),
    );
    for (const { name, here } of without) expect(here, name).toBe(NO_CLIENT);
    for (const { name, here } of rows) if (here === NO_CLIENT) expect(without.map(row => row.name)).toContain(name);
  });

  const text = readFileSync(new URL('docs/websocket_mapping.md', root), 'utf8');

  test.each([...LWS_NAMES, ...APPWEB_NAMES])('names %s', name => {
    expect(text).toContain(`\`${name}\``);
  });

  test('has one example for each other row, in the same order', () => {
    expect(examples.map(({ name }) => name)).toEqual(rows.filter(row => row.linked).map(({ name }) => name));
  });

  test('has a check for each example, and no other', () => {
    expect(examples.map(({ name }) => name).sort()).toEqual(Object.keys(CHECKS).sort());
  });

  const blocks = [shared, ...examples].map(({ name, code }) => [name, code] as const);

  test.each(blocks)('%s: its example has three lines', (_name, code) => {
    const lines = code.split('\n');
    expect(lines.filter(line => line.trim() !== '')).toHaveLength(3);
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(120);
  });

  test('has every name that README gives for an option', () => {
    const readme = readFileSync(new URL('README.md', root), 'utf8');
    const table = /^\| name \| unit \| default \| elsewhere [\s\S]*?\n\n/m.exec(readme)?.[0] ?? '';
    const cells = table.split('\n').map(line => line.split('|')[4] ?? '');
    const names = cells.flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(match => match[1] as string));
    expect(names).toContain('rx_buffer_size');
    for (const name of names) expect(text.search(new RegExp(`[\`.]${name}\``)), name).toBeGreaterThan(0);
  });

  test('uses every option of WebSockets in some example', () => {
    const options = readFileSync(new URL('src/httpd_ws/options.ts', root), 'utf8');
    const declared = /export interface WsOptions \{([\s\S]*?)\n\}/.exec(options)?.[1] ?? '';
    const names = [...declared.matchAll(/^ {2}(\w+)\?:/gm)].map(match => match[1] as string);
    expect(names).toContain('wsCloseCb');
    const code = examples.map(example => example.code).join('\n');
    for (const name of names) expect(code).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

describe('the examples', () => {
  const stands = (name: string) => CHECKS[name] !== undefined && inHandler(CHECKS[name]);
  const module = makeFolder(moduleOf(page, stands));
  let loaded: Examples;

  beforeAll(async () => {
    loaded = await module.load();
  });

  afterAll(() => module.remove());

  test('compile', async () => {
    expect(await typeErrors(module.folder)).toBe('');
  });

  test.each(examples.filter(({ name }) => stands(name)))(
    '$name: who reads it sees that it is a handler',
    ({ code }) => {
      expect(code).toMatch(/\breq\.|\bfd\b/);
    },
  );

  test.each(Object.entries(CHECKS))('%s does what its row says', async (name, check) => {
    await runExample(name, check, loaded);
  });
});
