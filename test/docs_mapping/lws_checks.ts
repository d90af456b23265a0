/** What happens when the examples for libwebsockets' callback reasons are run. */
import { expect } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { CLOSE, closeBody, TEXT } from '../support/ws_frames.js';
import { expectClosed, until } from '../ws/ws_server.js';
import { byHand, type Check, hear, leave, onFrame, onRequest, outside, say } from './rig.js';

export const CALLBACK_CHECKS: Readonly<Record<string, Check>> = {
  LWS_CALLBACK_ESTABLISHED: outside(async ({ openFd }) => {
    const { client, fd } = await openFd();
    await hear(client, `welcome, ${fd}`);
  }),

  LWS_CALLBACK_CLOSED: outside(async ({ openFd, lines }) => {
    const { client, fd } = await openFd();
    await leave(client, 1001, 'bye');
    await until(() => expect(lines).toEqual([`${fd} has left: 1001 bye`]));
    const other = await openFd();
    other.client.raw.reset();
    await until(() => expect(lines[1]).toMatch(new RegExp(`^${other.fd} has left: 1006 .`)));
  }),

  LWS_CALLBACK_CLOSED_HTTP: outside(async ({ connect, openFd, server, lines }) => {
    const raw = await connect();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd] = server.getClientList();
    raw.end();
    await until(() => expect(lines).toEqual([`${fd} has ended`]));
    server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => {} });
    const ws = await openFd();
    ws.client.raw.end();
    await until(() => expect(lines[1]).toBe(`${ws.fd} has ended`));
  }),

  LWS_CALLBACK_RECEIVE: onFrame(async ({ open, failures }) => {
    const client = await open();
    await say(client, 'x'.repeat(4096), 'x'.repeat(4096));
    client.send({ opcode: TEXT, payload: 'x'.repeat(4097) });
    await expectClosed(client, 1009);
    expect(failures.splice(0)).toEqual([expect.objectContaining({ name: 'ESP_ERR_INVALID_SIZE' })]);
  }),

  LWS_CALLBACK_SERVER_WRITEABLE: onFrame(async ({ open }) => {
    const client = await open();
    client.send({ opcode: TEXT });
    for (let line = 1; line <= 1000; line++) await hear(client, `line ${line}`);
  }),

  LWS_CALLBACK_HTTP: outside(async ({ request }) => {
    const answer = await request({ path: '/uptime' });
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/^up for [\d.]+ seconds$/);
  }),

  LWS_CALLBACK_HTTP_BODY: onRequest(async ({ request }) => {
    expect((await request({ body: 'x'.repeat(50_000) })).text).toBe('50000 bytes');
  }),

  LWS_CALLBACK_HTTP_BODY_COMPLETION: onRequest(async ({ request }) => {
    const answer = await request({ body: '{"UserName": "somebody"}' });
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.text)).toEqual({ status: 'success', body: { UserName: 'somebody' } });
  }),

  LWS_CALLBACK_HTTP_WRITEABLE: onRequest(async ({ request }) => {
    const answer = await request();
    expect(answer.headers['transfer-encoding']).toBe('chunked');
    expect(answer.text).toBe('first second');
  }),

  LWS_CALLBACK_FILTER_NETWORK_CONNECTION: outside(async ({ connect, server }) => {
    const client = await connect();
    await client.closed();
    expect(client.received).toHaveLength(0);
    expect(server.getClientList()).toEqual([]);
  }),

  LWS_CALLBACK_FILTER_HTTP_CONNECTION: onRequest(async ({ request }) => {
    expect((await request()).status).toBe(401);
    const answer = await request({ headers: 'Authorization: Bearer 1234\r\n' });
    expect([answer.status, answer.text]).toEqual([200, 'welcome']);
  }),

  LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED: outside(async ({ connect, server }) => {
    await connect();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd = -1] = server.getClientList();
    expect(server.sessGetCtx(fd)).toEqual({ name: `client ${fd}` });
  }),

  LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: outside(async ({ handshake }) => {
    const headers = { Origin: 'https://here.com', Cookie: 'id=7' };
    expect((await handshake({ headers })).status).toBe(101);
    expect((await handshake({ headers: { ...headers, Origin: 'https://there.com' } })).status).toBe(403);
    expect((await handshake({ headers: { ...headers, Cookie: undefined } })).status).toBe(403);
  }),

  LWS_CALLBACK_PROTOCOL_INIT: outside(async ({ server }) => {
    expect(server.getGlobalUserCtx()).toEqual({ messages: 0 });
  }),

  LWS_CALLBACK_WSI_CREATE: outside(async ({ connect, server }) => {
    await connect();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd = -1] = server.getClientList();
    expect(server.sessGetTransportCtx(fd)).toEqual({ opened: expect.any(Date) });
  }),

  LWS_CALLBACK_WSI_DESTROY: outside(async ({ connect, server, lines }) => {
    const raw = await connect();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    const [fd] = server.getClientList();
    raw.reset();
    await until(() => expect(lines).toEqual([`${fd} is gone`]));
  }),

  LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: onFrame(
    async ({ openFd, lines }) => {
      const { client, fd } = await openFd();
      client.send({ opcode: TEXT, payload: 'not yet' }, { opcode: CLOSE, payload: closeBody(1000) });
      await expectClosed(client, 1000);
      expect(lines).toEqual([`${fd} wants to leave`]);
    },
    { handleWsControlFrames: true },
  ),

  LWS_CALLBACK_HTTP_BIND_PROTOCOL: outside(async ({ request }) => {
    expect((await request({ path: '/api' })).text).toBe('version 1');
    expect((await request({ path: '/api', body: 'x' })).text).toBe('version 1');
  }),

  LWS_CALLBACK_HTTP_DROP_PROTOCOL: onRequest(async ({ request, lines }) => {
    expect((await request()).text).toBe('done');
    await until(() => expect(lines).toEqual([expect.stringMatching(/^\/at took [\d.e-]+ ms$/)]));
  }),

  LWS_CALLBACK_ADD_HEADERS: outside(async ({ open }) => {
    expect((await open()).response.headers['set-cookie']).toBe('seen=1');
  }),

  LWS_CALLBACK_EVENT_WAIT_CANCELLED: byHand(async ({ open, run }) => {
    const client = await open();
    await run();
    await hear(client, 'the sensor has news');
  }),

  LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL: outside(async ({ open, lines }) => {
    const client = await open();
    await say(client, 'here', 'here');
    expect(lines).toEqual([]);
    client.raw.reset();
    await until(() => expect(lines).toEqual(['freed: its data']));
  }),

  LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: outside(async ({ handshake }) => {
    const answer = await handshake();
    expect([answer.statusLine, answer.text]).toEqual(['HTTP/1.1 402 Payment Required', 'first the money']);
  }),
};

/** Reasons of clients, which have no example: there is no client yet. */
export const CLIENT_REASONS: Readonly<Record<string, number>> = {
  LWS_CALLBACK_CLIENT_CONNECTION_ERROR: 1,
  LWS_CALLBACK_CLIENT_ESTABLISHED: 3,
  LWS_CALLBACK_CLIENT_RECEIVE: 8,
  LWS_CALLBACK_CLIENT_WRITEABLE: 10,
  LWS_CALLBACK_CLIENT_CLOSED: 75,
};

/** The others, with their numbers in lws-callbacks.h. */
export const SERVER_REASONS: Readonly<Record<string, number>> = {
  LWS_CALLBACK_ESTABLISHED: 0,
  LWS_CALLBACK_CLOSED: 4,
  LWS_CALLBACK_CLOSED_HTTP: 5,
  LWS_CALLBACK_RECEIVE: 6,
  LWS_CALLBACK_SERVER_WRITEABLE: 11,
  LWS_CALLBACK_HTTP: 12,
  LWS_CALLBACK_HTTP_BODY: 13,
  LWS_CALLBACK_HTTP_BODY_COMPLETION: 14,
  LWS_CALLBACK_HTTP_WRITEABLE: 16,
  LWS_CALLBACK_FILTER_NETWORK_CONNECTION: 17,
  LWS_CALLBACK_FILTER_HTTP_CONNECTION: 18,
  LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED: 19,
  LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: 20,
  LWS_CALLBACK_PROTOCOL_INIT: 27,
  LWS_CALLBACK_WSI_CREATE: 29,
  LWS_CALLBACK_WSI_DESTROY: 30,
  LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: 38,
  LWS_CALLBACK_HTTP_BIND_PROTOCOL: 49,
  LWS_CALLBACK_HTTP_DROP_PROTOCOL: 50,
  LWS_CALLBACK_ADD_HEADERS: 53,
  LWS_CALLBACK_EVENT_WAIT_CANCELLED: 71,
  LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL: 78,
  LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: 86,
};
