import { describe, expect, test } from 'vitest';
import {
  HTTP_SERVER_EVENT_DISCONNECTED,
  HTTP_SERVER_EVENT_ERROR,
  HTTP_SERVER_EVENT_HEADERS_SENT,
  HTTP_SERVER_EVENT_ON_CONNECTED,
  HTTP_SERVER_EVENT_ON_DATA,
  HTTP_SERVER_EVENT_ON_HEADER,
  HTTP_SERVER_EVENT_SENT_DATA,
  HTTP_SERVER_EVENT_START,
  HTTP_SERVER_EVENT_STOP,
  type HttpdEvents,
} from '../../src/httpd/events.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { connectTo } from '../support/server.js';
import { isOpen, ok, post, request, serve, until } from './support.js';

const NAMES: readonly (keyof HttpdEvents)[] = [
  'error',
  'start',
  'connected',
  'header',
  'headersSent',
  'data',
  'sentData',
  'disconnected',
  'stop',
];

/** Every event of a server from now on, as `[name, payload]`. */
function record(server: HttpdServer): [string, unknown][] {
  const events: [string, unknown][] = [];
  for (const name of NAMES) server.on(name, (...[payload]: unknown[]) => events.push([name, payload]));
  return events;
}

test('a whole connection: each event in its order with its payload', async () => {
  const server = await serve({
    'POST /': async req => req.respSend(`got ${await req.text()}`),
    'GET /chunks': async req => {
      await req.respSendChunk('abc');
      await req.respSendChunk();
    },
  });
  const events = record(server);
  const client = await connectTo(server);
  await client.send(post('/', 'body!')).readResponse();
  const [fd] = server.getClientList();
  await client.send(request('GET /chunks')).readResponse();
  await client.send(request('GET /nowhere')).readResponse();
  client.end();
  await until(() => expect(server.getClientList()).toEqual([]));
  await server.stop();
  const errorPage = events.find(([name], i) => name === 'sentData' && events[i - 1]?.[0] === 'headersSent' && i > 10);
  expect(events).toEqual([
    ['connected', fd],
    ['header', fd],
    ['data', { fd, dataLen: 5 }],
    ['headersSent', fd],
    ['sentData', { fd, dataLen: 9 }],
    ['header', fd],
    ['headersSent', fd],
    ['sentData', { fd, dataLen: 3 }],
    ['sentData', { fd, dataLen: 0 }],
    ['header', fd],
    ['headersSent', fd],
    ['sentData', errorPage?.[1]],
    ['error', 6],
    ['disconnected', fd],
    ['stop', undefined],
  ]);
  expect(errorPage?.[1]).toMatchObject({ fd, dataLen: expect.any(Number) });
});

test('getServerState is the last event', async () => {
  const states: number[] = [];
  const server = await serve({
    'POST /': async req => {
      states.push(server.getServerState());
      await req.text();
      states.push(server.getServerState());
      await req.respSend();
      states.push(server.getServerState());
    },
  });
  expect(server.getServerState()).toBe(HTTP_SERVER_EVENT_START);
  const client = await connectTo(server);
  await until(() => expect(server.getServerState()).toBe(HTTP_SERVER_EVENT_ON_CONNECTED));
  await client.send(post('/', 'x')).readResponse();
  expect(states).toEqual([HTTP_SERVER_EVENT_ON_HEADER, HTTP_SERVER_EVENT_ON_DATA, HTTP_SERVER_EVENT_SENT_DATA]);
  client.end();
  await until(() => expect(server.getServerState()).toBe(HTTP_SERVER_EVENT_DISCONNECTED));
});

test("the numbers are ESP-IDF's", () => {
  expect([
    HTTP_SERVER_EVENT_ERROR,
    HTTP_SERVER_EVENT_START,
    HTTP_SERVER_EVENT_ON_CONNECTED,
    HTTP_SERVER_EVENT_ON_HEADER,
    HTTP_SERVER_EVENT_HEADERS_SENT,
    HTTP_SERVER_EVENT_ON_DATA,
    HTTP_SERVER_EVENT_SENT_DATA,
    HTTP_SERVER_EVENT_DISCONNECTED,
    HTTP_SERVER_EVENT_STOP,
  ]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

describe('listeners', () => {
  test.each(NAMES.filter(name => name !== 'start'))(
    'one for %s that throws takes the event from no other',
    async name => {
      const server = await serve({ 'GET /': ok, 'POST /': async req => req.respSend(await req.text()) });
      let reached = 0;
      server.on(name, () => {
        throw new Error('on purpose');
      });
      server.on(name, () => {
        reached += 1;
      });
      const client = await connectTo(server);
      expect((await client.send(post('/', 'body')).readResponse()).text).toBe('body');
      expect(await isOpen(client, '/')).toBe(true);
      expect((await client.send(request('GET /nowhere')).readResponse()).status).toBe(404);
      client.end();
      await until(() => expect(server.getClientList()).toEqual([]));
      await server.stop();
      expect(reached).toBeGreaterThan(0);
    },
  );

  test('once is called once, off takes one away, also while an event is delivered', async () => {
    const calls: string[] = [];
    const server = await serve({ 'GET /': ok });
    const kept = () => calls.push('kept');
    const removed = () => calls.push('removed');
    const selfRemoving = () => {
      calls.push('self-removing');
      server.off('header', selfRemoving);
    };
    server.once('header', () => calls.push('once'));
    server.on('header', removed).on('header', selfRemoving).on('header', kept).off('header', removed);
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) expect(await isOpen(client, '/')).toBe(true);
    expect(calls).toEqual(['once', 'self-removing', 'kept', 'kept']);
  });

  test('one for connected may end the session', async () => {
    const server = await serve({ 'GET /': ok });
    server.once('connected', fd => server.sessTriggerClose(fd));
    const client = await connectTo(server);
    expect((await client.readAll()).toString()).toBe('');
    expect(await isOpen(await connectTo(server), '/')).toBe(true);
  });
});
