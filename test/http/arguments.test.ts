import { describe, expect, test } from 'vitest';
import { queryKeyValue } from '../../src/httpd/headers.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { httpdStart } from '../../src/httpd/start.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { connectTo } from '../support/server.js';
import { errorOf, isOpen, ok, request, serve } from './support.js';

/** Any value, where a type asks for another. */
// biome-ignore lint/suspicious/noExplicitAny: these tests hand over what TypeScript would refuse
type Wrong = any;

const WRONG_TEXT: Wrong[] = [undefined, null, 5, {}, []];
const WRONG_BODY: Wrong[] = [null, 5, {}, [1, 2], new ArrayBuffer(4), new Uint16Array(2)];
const WRONG_CODE: Wrong[] = [undefined, null, -1, 13, 404, 1.5, '6', Number.NaN];
const WRONG_FN: Wrong[] = [null, 5, 'fn', {}];

/** Calls of a request with a wrong argument. */
const REQ_CALLS: Record<string, [Wrong[], (req: HttpdReq, wrong: Wrong) => unknown]> = {
  recv: [[undefined, null, 5, 'x', new Uint8Array(0), new ArrayBuffer(8)], (req, wrong) => req.recv(wrong)],
  getHdrValueStr: [WRONG_TEXT, (req, wrong) => req.getHdrValueStr(wrong)],
  getHdrValueLen: [WRONG_TEXT, (req, wrong) => req.getHdrValueLen(wrong)],
  getCookieVal: [WRONG_TEXT, (req, wrong) => req.getCookieVal(wrong)],
  handleErr: [WRONG_CODE, (req, wrong) => req.handleErr(wrong)],
  respSetStatus: [[...WRONG_TEXT, '', '99 Low', 'OK'], (req, wrong) => req.respSetStatus(wrong)],
  respSetType: [WRONG_TEXT, (req, wrong) => req.respSetType(wrong)],
  'respSetHdr, name': [[...WRONG_TEXT, ''], (req, wrong) => req.respSetHdr(wrong, 'value')],
  'respSetHdr, value': [WRONG_TEXT, (req, wrong) => req.respSetHdr('X-Name', wrong)],
  respSend: [WRONG_BODY, (req, wrong) => req.respSend(wrong)],
  respSendstr: [WRONG_BODY, (req, wrong) => req.respSendstr(wrong)],
  respSendChunk: [WRONG_BODY, (req, wrong) => req.respSendChunk(wrong)],
  respSendstrChunk: [WRONG_BODY, (req, wrong) => req.respSendstrChunk(wrong)],
  'respSendErr, code': [WRONG_CODE, (req, wrong) => req.respSendErr(wrong)],
  'respSendErr, message': [[null, 5, {}, []], (req, wrong) => req.respSendErr(6, wrong)],
  'respSendCustomErr, status': [WRONG_TEXT, (req, wrong) => req.respSendCustomErr(wrong)],
  'respSendCustomErr, message': [[null, 5, {}, []], (req, wrong) => req.respSendCustomErr('499 Mine', wrong)],
  send: [[...WRONG_BODY, undefined], (req, wrong) => req.send(wrong)],
};

describe('wrong arguments to a request give ESP_ERR_INVALID_ARG, and the response is as if they had never been', () => {
  test.each(Object.entries(REQ_CALLS))('%s', async (_name, [values, call]) => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        for (const wrong of values) names.push(await errorOf(() => call(req, wrong)));
        await req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    const response = await client.send(request('GET /')).readResponse();
    expect(names.slice(0, values.length)).toEqual(values.map(() => 'ESP_ERR_INVALID_ARG'));
    expect([response.statusLine, response.text]).toEqual(['HTTP/1.1 200 OK', 'ok']);
    expect(Object.keys(response.headers).sort()).toEqual(['content-length', 'content-type', 'date']);
    expect(await isOpen(client, '/')).toBe(true);
  });
});

/** Calls of a server with a wrong argument; `fd` is an open session. */
const SERVER_CALLS: Record<string, [Wrong[], (server: HttpdServer, wrong: Wrong, fd: number) => unknown]> = {
  registerUriHandler: [
    [
      ...[undefined, null, 5, 'x'],
      { uri: '/x', method: 1 },
      { uri: '/x', handler: ok },
      { uri: 5, method: 1, handler: ok },
      { uri: '/x', method: 'GET', handler: ok },
      { uri: '/x', method: 33, handler: ok },
      { uri: '/x', method: -1, handler: ok },
      { uri: '/x', method: 1, handler: 'ok' },
      { uri: '/x', method: 1, handler: ok, isWebsocket: 'yes' },
      { uri: '/x', method: 3, handler: ok, isWebsocket: true },
      { uri: '/x', method: 1, handler: ok, supportedSubprotocol: 5 },
      { uri: '/x', method: 1, handler: ok, supportedSubprotocol: ['a b'] },
      { uri: '/x', method: 1, handler: ok, wsPreHandshakeCb: true },
      { uri: '/x', method: 1, handler: ok, hander: ok },
    ],
    (server, wrong) => server.registerUriHandler(wrong),
  ],
  'unregisterUriHandler, uri': [WRONG_TEXT, (server, wrong) => server.unregisterUriHandler(wrong, 1)],
  'unregisterUriHandler, method': [['GET', undefined, -1], (server, wrong) => server.unregisterUriHandler('/', wrong)],
  unregisterUri: [WRONG_TEXT, (server, wrong) => server.unregisterUri(wrong)],
  'registerErrHandler, code': [WRONG_CODE, (server, wrong) => server.registerErrHandler(wrong, ok)],
  'registerErrHandler, handler': [WRONG_FN.slice(1), (server, wrong) => server.registerErrHandler(6, wrong)],
  queueWork: [[undefined, ...WRONG_FN], (server, wrong) => server.queueWork(wrong)],
  'sessSetCtx, freeFn': [WRONG_FN, (server, wrong, fd) => server.sessSetCtx(fd, { a: 1 }, wrong)],
  'sessSetTransportCtx, freeFn': [WRONG_FN, (server, wrong, fd) => server.sessSetTransportCtx(fd, { a: 1 }, wrong)],
  sessSetRecvOverride: [WRONG_FN, (server, wrong, fd) => server.sessSetRecvOverride(fd, wrong)],
  sessSetSendOverride: [WRONG_FN, (server, wrong, fd) => server.sessSetSendOverride(fd, wrong)],
  sessSetPendingOverride: [WRONG_FN, (server, wrong, fd) => server.sessSetPendingOverride(fd, wrong)],
  socketSend: [[...WRONG_BODY, undefined, 'text'], (server, wrong, fd) => server.socketSend(fd, wrong)],
  socketRecv: [[...WRONG_BODY, undefined, 'text'], (server, wrong, fd) => server.socketRecv(fd, wrong)],
  'stop, grace': [[-1, 'x', null, Number.NaN], (server, wrong) => server.stop({ grace: wrong })],
  'stop, options': [[5, 'now'], (server, wrong) => server.stop(wrong)],
  'on, name': [[undefined, 5, 'nonsense', 'toString'], (server, wrong) => server.on(wrong, () => {})],
  'on, listener': [[undefined, ...WRONG_FN], (server, wrong) => server.on('connected', wrong)],
  'once, listener': [[undefined, ...WRONG_FN], (server, wrong) => server.once('connected', wrong)],
};

describe('wrong arguments to a server give ESP_ERR_INVALID_ARG, and it serves on', () => {
  test.each(Object.entries(SERVER_CALLS))('%s', async (_name, [values, call]) => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    expect(await isOpen(client, '/')).toBe(true);
    const fd = server.getClientList()[0] as number;
    const names: string[] = [];
    for (const wrong of values) names.push(await errorOf(() => call(server, wrong, fd)));
    expect(names).toEqual(values.map(() => 'ESP_ERR_INVALID_ARG'));
    expect(await isOpen(client, '/')).toBe(true);
    expect(await isOpen(await connectTo(server), '/')).toBe(true);
    expect(server.sessGetCtx(fd)).toBeUndefined();
  });
});

describe('an fd that is none gives ESP_ERR_NOT_FOUND', () => {
  const calls: Record<string, (server: HttpdServer, fd: Wrong) => unknown> = {
    sessTriggerClose: (server, fd) => server.sessTriggerClose(fd),
    sessUpdateLruCounter: (server, fd) => server.sessUpdateLruCounter(fd),
    sessGetCtx: (server, fd) => server.sessGetCtx(fd),
    sessSetCtx: (server, fd) => server.sessSetCtx(fd, 1),
    sessGetTransportCtx: (server, fd) => server.sessGetTransportCtx(fd),
    sessSetTransportCtx: (server, fd) => server.sessSetTransportCtx(fd, 1),
    sessSetRecvOverride: (server, fd) => server.sessSetRecvOverride(fd, () => 0),
    sessSetSendOverride: (server, fd) => server.sessSetSendOverride(fd, () => 0),
    sessSetPendingOverride: (server, fd) => server.sessSetPendingOverride(fd, () => 0),
    socketSend: (server, fd) => server.socketSend(fd, new Uint8Array(1)),
    socketRecv: (server, fd) => server.socketRecv(fd, new Uint8Array(1)),
  };
  test.each(Object.entries(calls))('%s', async (_name, call) => {
    const server = await serve({ 'GET /': ok });
    for (const fd of [0, -1, 3, 9_999, '4', undefined, null, Number.NaN]) {
      expect(await errorOf(() => call(server, fd)), String(fd)).toBe('ESP_ERR_NOT_FOUND');
    }
  });
});

describe('wrong configurations are refused by name', () => {
  test.each([
    ['null', null, 'object'],
    ['an array', [], 'object'],
    ['a text', 'x', 'object'],
    ['an unknown field', { serverport: 0 }, 'serverport'],
    ['a prototype name as field', JSON.parse('{"__proto__": 1}'), '__proto__'],
    ['serverPort', { serverPort: '80' }, 'serverPort'],
    ['serverPort', { serverPort: 65_536 }, 'serverPort'],
    ['serverPort', { serverPort: -1 }, 'serverPort'],
    ['host', { host: '' }, 'host'],
    ['backlogConn', { backlogConn: 0 }, 'backlogConn'],
    ['maxOpenSockets', { maxOpenSockets: 0 }, 'maxOpenSockets'],
    ['maxUriHandlers', { maxUriHandlers: 1.5 }, 'maxUriHandlers'],
    ['maxRespHeaders', { maxRespHeaders: -1 }, 'maxRespHeaders'],
    ['maxReqHdrLen', { maxReqHdrLen: 65_537 }, 'maxReqHdrLen'],
    ['maxUriLen', { maxUriLen: 0 }, 'maxUriLen'],
    ['maxReqBodyLen', { maxReqBodyLen: Number.NaN }, 'maxReqBodyLen'],
    ['lruPurgeEnable', { lruPurgeEnable: 1 }, 'lruPurgeEnable'],
    ['recvWaitTimeout', { recvWaitTimeout: 0 }, 'recvWaitTimeout'],
    ['sendWaitTimeout', { sendWaitTimeout: Number.POSITIVE_INFINITY }, 'sendWaitTimeout'],
    ['idleTimeout', { idleTimeout: -1 }, 'idleTimeout'],
    ['handlerTimeout', { handlerTimeout: '1' }, 'handlerTimeout'],
    ['openFn', { openFn: true }, 'openFn'],
    ['closeFn', { closeFn: {} }, 'closeFn'],
    ['uriMatchFn', { uriMatchFn: 'wildcard' }, 'uriMatchFn'],
    ['globalUserCtxFreeFn', { globalUserCtxFreeFn: 1 }, 'globalUserCtxFreeFn'],
    ['maxWorkQueue', { maxWorkQueue: 0 }, 'maxWorkQueue'],
    ['maxTxPending', { maxTxPending: 1_023 }, 'maxTxPending'],
    ['txOverflow', { txOverflow: 'wait' }, 'txOverflow'],
    ['lenientLineEndings', { lenientLineEndings: null }, 'lenientLineEndings'],
    ['logger', { logger: console }, 'logger'],
    ['port', { port: 'tcp' }, 'port'],
  ])('%s: %j', async (_name, config: Wrong, mentioned) => {
    const starting = httpdStart(config);
    await expect(starting).rejects.toMatchObject({ name: 'ESP_ERR_INVALID_ARG', code: 0x102 });
    await expect(starting).rejects.toThrow(mentioned);
  });
});

test.each([
  ['queueKeyValue, query', (wrong: Wrong) => queryKeyValue(wrong, 'a')],
  ['queueKeyValue, key', (wrong: Wrong) => queryKeyValue('a=1', wrong)],
  ['uriMatchWildcard, template', (wrong: Wrong) => uriMatchWildcard(wrong, '/a')],
  ['uriMatchWildcard, uri', (wrong: Wrong) => uriMatchWildcard('/a', wrong)],
])('wrong arguments to %s give ESP_ERR_INVALID_ARG', async (_name, call) => {
  for (const wrong of WRONG_TEXT) expect(await errorOf(() => call(wrong)), String(wrong)).toBe('ESP_ERR_INVALID_ARG');
});
