import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as device from '../src/device/index.js';
import { HttpdReq } from '../src/httpd/req.js';
import { HttpdServer } from '../src/httpd/server.js';
import * as api from '../src/index.js';
import * as client from '../src/ws_client/index.js';
import { startTestServer } from './support/server.js';

const exported = api as Record<string, unknown>;

/** Every constant, after `esp_err.h`, `esp_http_server.h`, `esp_https_server.h`, `esp_tls.h` and `http_parser.h`. */
const CONSTANTS: Readonly<Record<string, number>> = {
  ESP_OK: 0,
  ESP_FAIL: -1,
  ESP_ERR_NO_MEM: 0x101,
  ESP_ERR_INVALID_ARG: 0x102,
  ESP_ERR_INVALID_STATE: 0x103,
  ESP_ERR_INVALID_SIZE: 0x104,
  ESP_ERR_NOT_FOUND: 0x105,
  ESP_ERR_NOT_SUPPORTED: 0x106,
  ESP_ERR_TIMEOUT: 0x107,
  ESP_ERR_INVALID_RESPONSE: 0x108,
  ESP_ERR_HTTPD_BASE: 0xb000,
  ESP_ERR_HTTPD_HANDLERS_FULL: 0xb001,
  ESP_ERR_HTTPD_HANDLER_EXISTS: 0xb002,
  ESP_ERR_HTTPD_INVALID_REQ: 0xb003,
  ESP_ERR_HTTPD_RESULT_TRUNC: 0xb004,
  ESP_ERR_HTTPD_RESP_HDR: 0xb005,
  ESP_ERR_HTTPD_RESP_SEND: 0xb006,
  ESP_ERR_HTTPD_ALLOC_MEM: 0xb007,
  ESP_ERR_HTTPD_TASK: 0xb008,
  HTTPD_500_INTERNAL_SERVER_ERROR: 0,
  HTTPD_501_METHOD_NOT_IMPLEMENTED: 1,
  HTTPD_505_VERSION_NOT_SUPPORTED: 2,
  HTTPD_400_BAD_REQUEST: 3,
  HTTPD_401_UNAUTHORIZED: 4,
  HTTPD_403_FORBIDDEN: 5,
  HTTPD_404_NOT_FOUND: 6,
  HTTPD_405_METHOD_NOT_ALLOWED: 7,
  HTTPD_408_REQ_TIMEOUT: 8,
  HTTPD_411_LENGTH_REQUIRED: 9,
  HTTPD_413_CONTENT_TOO_LARGE: 10,
  HTTPD_414_URI_TOO_LONG: 11,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE: 12,
  HTTPD_ERR_CODE_MAX: 13,
  HTTPD_SOCK_ERR_FAIL: -1,
  HTTPD_SOCK_ERR_INVALID: -2,
  HTTPD_SOCK_ERR_TIMEOUT: -3,
  HTTPD_WS_TYPE_CONTINUE: 0,
  HTTPD_WS_TYPE_TEXT: 1,
  HTTPD_WS_TYPE_BINARY: 2,
  HTTPD_WS_TYPE_CLOSE: 8,
  HTTPD_WS_TYPE_PING: 9,
  HTTPD_WS_TYPE_PONG: 10,
  HTTPD_WS_CLIENT_INVALID: 0,
  HTTPD_WS_CLIENT_HTTP: 1,
  HTTPD_WS_CLIENT_WEBSOCKET: 2,
  HTTP_SERVER_EVENT_ERROR: 0,
  HTTP_SERVER_EVENT_START: 1,
  HTTP_SERVER_EVENT_ON_CONNECTED: 2,
  HTTP_SERVER_EVENT_ON_HEADER: 3,
  HTTP_SERVER_EVENT_HEADERS_SENT: 4,
  HTTP_SERVER_EVENT_ON_DATA: 5,
  HTTP_SERVER_EVENT_SENT_DATA: 6,
  HTTP_SERVER_EVENT_DISCONNECTED: 7,
  HTTP_SERVER_EVENT_STOP: 8,
  HTTP_ANY: 2_147_483_647,
  HTTPD_SSL_TRANSPORT_SECURE: 0,
  HTTPD_SSL_TRANSPORT_INSECURE: 1,
  HTTPD_SSL_USER_CB_SESS_CREATE: 0,
  HTTPD_SSL_USER_CB_SESS_CLOSE: 1,
  HTTPD_SSL_USER_CB_SESS_ERROR: 2,
  HTTPD_SSL_USER_CB_ERROR: 2,
  ESP_TLS_VER_ANY: 0,
  ESP_TLS_VER_TLS_1_2: 1,
  ESP_TLS_VER_TLS_1_3: 2,
};

/** Strings of `esp_http_server.h`. */
const STRINGS: Readonly<Record<string, string>> = {
  HTTPD_200: '200 OK',
  HTTPD_204: '204 No Content',
  HTTPD_207: '207 Multi-Status',
  HTTPD_400: '400 Bad Request',
  HTTPD_404: '404 Not Found',
  HTTPD_408: '408 Request Timeout',
  HTTPD_500: '500 Internal Server Error',
  HTTPD_TYPE_JSON: 'application/json',
  HTTPD_TYPE_TEXT: 'text/html',
  HTTPD_TYPE_OCTET: 'application/octet-stream',
};

/** In the order of `enum http_method`. */
const METHODS =
  'DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE MSEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK'.split(
    ' ',
  );

const FUNCTIONS = [
  'httpdDefaultConfig',
  'httpdEsp32Config',
  'httpdStart',
  'httpdSslStart',
  'uriMatchWildcard',
  'uriMatchParams',
  'queryKeyValue',
  'staticUriHandler',
  'metricsUriHandler',
  'formParts',
  'readForm',
  'basicAuth',
  'basicAuthUser',
  'cors',
  'redirectToHttps',
  'wsFrame',
  'espErrToName',
  'espLog',
  'EspError',
];

/** The methods of a server and of a request, with how many parameters without a default they have. */
const SERVER: Readonly<Record<string, number>> = {
  stop: 0,
  registerUriHandler: 1,
  unregisterUriHandler: 2,
  unregisterUri: 1,
  registerErrHandler: 2,
  before: 2,
  queueWork: 2,
  sessTriggerClose: 1,
  sessUpdateLruCounter: 1,
  getClientList: 0,
  sessGetCtx: 1,
  sessSetCtx: 3,
  sessGetTransportCtx: 1,
  sessSetTransportCtx: 3,
  getGlobalUserCtx: 0,
  getGlobalTransportCtx: 0,
  sessSetRecvOverride: 2,
  sessSetSendOverride: 2,
  sessSetPendingOverride: 2,
  socketSend: 2,
  socketRecv: 2,
  on: 2,
  once: 2,
  off: 2,
  getServerState: 0,
  getStats: 0,
  sessGetPeer: 1,
  sessGetListener: 1,
  sessGetTls: 1,
  setCertificate: 2,
  sessGetTxPending: 1,
  wsSendFrameAsync: 2,
  wsSendData: 2,
  wsSendDataAsync: 4,
  wsGetFdInfo: 1,
  wsBroadcast: 2,
  wsClose: 1,
  wsGetSubprotocol: 1,
};

const REQUEST: Readonly<Record<string, number>> = {
  toSockfd: 0,
  recv: 1,
  getHdrValueLen: 1,
  getHdrValueStr: 1,
  getUrlQueryLen: 0,
  getUrlQueryStr: 0,
  getUriParam: 1,
  getCookieVal: 1,
  handleErr: 1,
  asyncHandlerBegin: 0,
  asyncHandlerComplete: 0,
  respSetStatus: 1,
  respSetType: 1,
  respSetHdr: 2,
  respSetCookie: 3,
  respSend: 0,
  respSendstr: 0,
  respSendChunk: 0,
  respSendstrChunk: 0,
  respSendHead: 1,
  respSendPart: 1,
  respSendFile: 2,
  respStartEvents: 1,
  respSendErr: 2,
  respSendCustomErr: 2,
  respSend404: 0,
  respSend408: 0,
  respSend500: 0,
  send: 1,
  getRawReqData: 0,
  text: 0,
  json: 0,
  wsRecvFrame: 2,
  wsRecvFramePart: 2,
  wsSendFrame: 1,
};

describe('what the package exports', () => {
  test.each(Object.entries(CONSTANTS))('%s is %i', (name, value) => {
    expect(exported[name]).toBe(value);
  });

  test.each(Object.entries(STRINGS))("%s is '%s'", (name, value) => {
    expect(exported[name]).toBe(value);
  });

  test.each(METHODS.map((name, value) => [`HTTP_${name}`, value] as const))('%s is %i', (name, value) => {
    expect(exported[name]).toBe(value);
  });

  test('HTTPD_WS_FRAME is none of the methods', () => {
    expect(typeof api.HTTPD_WS_FRAME).toBe('number');
    expect(METHODS[api.HTTPD_WS_FRAME]).toBeUndefined();
    expect(api.HTTPD_WS_FRAME).not.toBe(api.HTTP_ANY);
  });

  test.each(FUNCTIONS)('%s is a function', name => {
    expect(exported[name]).toBeTypeOf('function');
  });

  test('nothing else', () => {
    const promised = [
      ...Object.keys(CONSTANTS),
      ...METHODS.map(name => `HTTP_${name}`),
      ...Object.keys(STRINGS),
      ...FUNCTIONS,
      'HTTPD_WS_FRAME',
    ];
    expect(Object.keys(api).filter(name => !promised.includes(name))).toEqual([]);
  });
});

describe('the methods of a server', () => {
  test.each(Object.entries(SERVER))('%s', (name, args) => {
    const method = Reflect.get(HttpdServer.prototype, name) as unknown;
    expect(method).toBeTypeOf('function');
    expect((method as (...args: unknown[]) => unknown).length).toBeLessThanOrEqual(args);
  });

  test('port and listeners are getters, and await using works', () => {
    for (const name of ['port', 'listeners']) {
      expect(Object.getOwnPropertyDescriptor(HttpdServer.prototype, name)?.get, name).toBeTypeOf('function');
    }
    expect(Reflect.get(HttpdServer.prototype, Symbol.asyncDispose)).toBeTypeOf('function');
  });
});

describe('the methods of a request', () => {
  test.each(Object.entries(REQUEST))('%s', (name, args) => {
    const method = Reflect.get(HttpdReq.prototype, name) as unknown;
    expect(method).toBeTypeOf('function');
    expect((method as (...args: unknown[]) => unknown).length).toBeLessThanOrEqual(args);
  });

  test('listener, encrypted and tls are getters', () => {
    for (const name of ['listener', 'encrypted', 'tls']) {
      expect(Object.getOwnPropertyDescriptor(HttpdReq.prototype, name)?.get, name).toBeTypeOf('function');
    }
  });

  test('for await works', () => {
    expect(Reflect.get(HttpdReq.prototype, Symbol.asyncIterator)).toBeTypeOf('function');
  });
});

describe('fields', () => {
  test('of a request', async () => {
    const server = await startTestServer();
    const seen = new Promise<Record<string, unknown>>(resolve => {
      server.registerUriHandler({
        uri: '/',
        method: api.HTTP_GET,
        userCtx: 'mine',
        handler: req => {
          const { handle, method, uri, uriTemplate, contentLen, userCtx, sessCtx, freeCtx, ignoreSessCtxChanges } = req;
          resolve({ handle, method, uri, uriTemplate, contentLen, userCtx, sessCtx, freeCtx, ignoreSessCtxChanges });
          void req.respSend();
        },
      });
    });
    await (await fetch(`http://127.0.0.1:${server.port}/?q`)).text();
    expect(await seen).toEqual({
      handle: server,
      method: api.HTTP_GET,
      uri: '/?q',
      uriTemplate: '/',
      contentLen: 0,
      userCtx: 'mine',
      sessCtx: undefined,
      freeCtx: undefined,
      ignoreSessCtxChanges: false,
    });
  });

  test('of the configuration', () => {
    const names =
      'serverPort host backlogConn maxOpenSockets maxUriHandlers maxRespHeaders maxReqHdrLen maxUriLen lruPurgeEnable ' +
      'recvWaitTimeout sendWaitTimeout keepAliveEnable keepAliveIdle keepAliveInterval keepAliveCount enableSoLinger ' +
      'lingerTimeout globalUserCtx globalUserCtxFreeFn globalTransportCtx globalTransportCtxFreeFn openFn closeFn uriMatchFn ' +
      'idleTimeout maxWorkQueue maxReqBodyLen maxTxPending txOverflow logger lenientLineEndings closeOnNotFound port ' +
      'maxSessPerIp minBodyRate listeners';
    expect(Object.keys(api.httpdDefaultConfig())).toEqual(expect.arrayContaining(names.split(' ')));
  });

  test('of a frame', () => {
    expect(Object.keys(api.wsFrame()).sort()).toEqual(['final', 'fragmented', 'leftLen', 'len', 'payload', 'type']);
  });

  test('of a URI handler: each is taken', async () => {
    const server = await startTestServer();
    const full: Required<api.HttpdUri> = {
      uri: '/ws',
      method: api.HTTP_GET,
      handler: () => api.ESP_OK,
      userCtx: {},
      isWebsocket: true,
      handleWsControlFrames: true,
      handleWsHandshake: false,
      supportedSubprotocol: ['chat'],
      wsPreHandshakeCb: () => api.ESP_OK,
      wsPostHandshakeCb: () => api.ESP_OK,
      wsMessageMode: true,
      wsMaxFrameLen: 1,
      wsMaxMessageLen: 1,
      wsMaxPacketLen: 1,
      wsMaxSessions: 1,
      wsFragmentLen: 16,
      wsPingInterval: 1,
      wsPongTimeout: 1,
      wsInactivityTimeout: 1,
      wsRequestTimeout: 1,
      wsIgnoreEncodingErrors: true,
      wsPerMessageDeflate: { threshold: 0 },
      wsAllowedOrigins: 'same-origin',
      wsCloseCb: () => {},
    };
    expect(() => server.registerUriHandler(full)).not.toThrow();
  });
});

interface EntryPoint {
  readonly types: string;
  readonly default: string;
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly import: EntryPoint; readonly default: EntryPoint }>>;
  readonly main: string;
  readonly types: string;
  readonly typesVersions: { readonly '*': Readonly<Record<string, string[]>> };
}

describe('the entries beside the main one', () => {
  test('esp-httpd/client', () => {
    const names = Object.keys(client).filter(name => !/^[A-Z0-9_]+$/.test(name));
    expect(names.sort()).toEqual([
      'EspError',
      'EspWebsocketClient',
      'EspWebsocketError',
      'WsMessage',
      'espErrToName',
      'espWebsocketClientInit',
    ]);
  });

  test('esp-httpd/device', () => {
    expect(Object.keys(device).sort()).toEqual([
      'ControlLog',
      'Device',
      'checkScenario',
      'controlStart',
      'deviceProfile',
      'deviceStart',
    ]);
  });

  test('are all in package.json, and each has its types', () => {
    const { exports, main, types, typesVersions } = JSON.parse(
      readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
    ) as Manifest;
    expect(Object.keys(exports)).toEqual(['.', './client', './device', './package.json']);
    for (const [entry, found] of Object.entries(exports)) {
      if (typeof found === 'string') continue;
      const base = found.import.default.replace(/\.js$/, '');
      expect(found).toEqual({
        import: { types: `${base}.d.ts`, default: `${base}.js` },
        default: { types: `${base}.d.cts`, default: `${base}.cjs` },
      });
      for (const ending of ['.ts', '.cts']) {
        const source = new URL(`../${base.replace('dist/', 'src/')}${ending}`, import.meta.url);
        expect(existsSync(source), `${entry}${ending}`).toBe(true);
      }
      // what compilers look at that know no 'exports'
      const old = entry === '.' ? types : typesVersions['*'][entry.replace('./', '')]?.[0];
      expect(old).toBe(found.default.types);
      if (entry === '.') expect(main).toBe(found.default.default);
    }
  });
});
