/**
 * The names that ESP-IDF's headers and Kconfig files declare, of 5.x and 6.x together, and the values that they state: facts
 * that `docs/from-c.md` is held against. Those of the three headers are in the lists of `c_names/`, each of one commit and
 * made by `c_names/make.ts`; a name counts if any of them has it. What the three use of others is chosen here.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { NameList } from './c_names/make.js';
import type { HeaderNames } from './c_names/read_headers.js';

/** What one header declares. Of a constant without a value the header states none, or it differs between versions. */
export interface CNames extends Omit<HeaderNames, 'constants'> {
  readonly constants: Readonly<Record<string, number | string | undefined>>;
}

const LISTS = new URL('c_names/', import.meta.url);

/** Every list, by the name of its file. */
export const NAME_LISTS: ReadonlyMap<string, NameList> = new Map(
  readdirSync(LISTS)
    .filter(file => file.endsWith('.json'))
    .map(file => [file, JSON.parse(readFileSync(new URL(file, LISTS), 'utf8')) as NameList]),
);

/** What any list has of a header. */
function declared(header: string): CNames {
  const parts = [...NAME_LISTS.values()].flatMap(({ headers }) => headers[header] ?? []);
  const all = (kind: 'functions' | 'callbacks' | 'types' | 'kconfig') => [
    ...new Set(parts.flatMap(part => part[kind] ?? [])),
  ];
  return {
    functions: all('functions'),
    callbacks: all('callbacks'),
    types: all('types'),
    kconfig: all('kconfig'),
    fields: joinFields(parts),
    constants: joinConstants(parts),
  };
}

function joinFields(parts: readonly Partial<HeaderNames>[]): Record<string, string[]> {
  const joined: Record<string, string[]> = {};
  for (const [struct, fields] of parts.flatMap(part => Object.entries(part.fields ?? {}))) {
    joined[struct] = [...new Set([...(joined[struct] ?? []), ...fields])];
  }
  return joined;
}

function joinConstants(parts: readonly Partial<HeaderNames>[]): Record<string, number | string | undefined> {
  const joined: Record<string, number | string | undefined> = {};
  for (const [name, value] of parts.flatMap(part => Object.entries(part.constants ?? {}))) {
    joined[name] = name in joined && joined[name] !== value ? undefined : (value ?? undefined);
  }
  return joined;
}

/** Names separated by blanks and line ends. */
const words = (text: string): string[] => text.split(/\s+/);

/** Numbers from `first`, as an enum has them. */
function numbered(names: string, first = 0): Record<string, number> {
  return Object.fromEntries(words(names).map((name, i) => [name, first + i]));
}

/** `http_parser.h`, in the order of `enum http_method`. */
const METHODS = `HTTP_DELETE HTTP_GET HTTP_HEAD HTTP_POST HTTP_PUT HTTP_CONNECT HTTP_OPTIONS HTTP_TRACE HTTP_COPY HTTP_LOCK
HTTP_MKCOL HTTP_MOVE HTTP_PROPFIND HTTP_PROPPATCH HTTP_SEARCH HTTP_UNLOCK HTTP_BIND HTTP_REBIND HTTP_UNBIND HTTP_ACL
HTTP_REPORT HTTP_MKACTIVITY HTTP_CHECKOUT HTTP_MERGE HTTP_MSEARCH HTTP_NOTIFY HTTP_SUBSCRIBE HTTP_UNSUBSCRIBE HTTP_PATCH
HTTP_PURGE HTTP_MKCALENDAR HTTP_LINK HTTP_UNLINK`;

/** Of `esp_err.h`, `esp_log.h`, `esp_event.h`, `http_parser.h`, `esp_tls.h`, `esp_transport_ws.h` and POSIX: what goes with the three. */
const OTHER_HEADERS: CNames = {
  functions:
    words(`esp_err_to_name ESP_ERROR_CHECK ESP_LOGE ESP_LOGW ESP_LOGI ESP_LOGD ESP_LOGV esp_event_handler_register
    esp_event_handler_unregister getpeername memset`),
  constants: {
    ESP_OK: 0,
    ESP_FAIL: -1,
    ...numbered(
      `ESP_ERR_NO_MEM ESP_ERR_INVALID_ARG ESP_ERR_INVALID_STATE ESP_ERR_INVALID_SIZE ESP_ERR_NOT_FOUND
ESP_ERR_NOT_SUPPORTED ESP_ERR_TIMEOUT ESP_ERR_INVALID_RESPONSE`,
      0x101,
    ),
    ...numbered(METHODS),
    ...numbered('ESP_TLS_VER_ANY ESP_TLS_VER_TLS_1_2 ESP_TLS_VER_TLS_1_3'),
    WS_TRANSPORT_OPCODES_CONT: 0x0,
    WS_TRANSPORT_OPCODES_TEXT: 0x1,
    WS_TRANSPORT_OPCODES_BINARY: 0x2,
    WS_TRANSPORT_OPCODES_CLOSE: 0x8,
    WS_TRANSPORT_OPCODES_PING: 0x9,
    WS_TRANSPORT_OPCODES_PONG: 0xa,
    WS_TRANSPORT_OPCODES_FIN: 0x80,
    WS_TRANSPORT_OPCODES_NONE: 0x100,
  },
  fields: {},
  callbacks: ['esp_event_handler_t'],
  types: ['esp_err_t', 'ws_transport_opcodes_t'],
  kconfig: [],
};

/** By the heading of the page. */
export const C_NAMES: Readonly<Record<string, CNames>> = {
  'esp_http_server.h': declared('esp_http_server.h'),
  'esp_https_server.h': declared('esp_https_server.h'),
  'esp_websocket_client.h': declared('esp_websocket_client.h'),
  'Other headers': OTHER_HEADERS,
};

/** Names that no header has up to 10212290, by the heading of the page; it has a table of them too. */
export const IN_NO_HEADER = ['httpd_ws_close_session', 'httpd_ws_validate_utf8', 'ws_control_handler', 'HTTP_QUERY'];
