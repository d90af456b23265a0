import { describe, expect, test, vi } from 'vitest';
import { ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_SIZE, ESP_ERR_INVALID_STATE } from '../../src/err.js';
import type { EventStream, EventStreamOptions } from '../../src/httpd/event_stream.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { exchange, post, request, serve } from './support.js';

/** A server whose /events hands its streams to the test. */
async function events(options?: EventStreamOptions, clock = new ManualClock()) {
  const streams: EventStream[] = [];
  const server = await serve(
    {
      'GET /events': req => void streams.push(req.respStartEvents(options)),
      'GET /async': async req => void streams.push(req.respStartEvents(options)),
    },
    { idleTimeout: 60 },
    { clock },
  );
  const client = await connectTo(server);
  const open = async (...headers: string[]) => {
    client.send(request('GET /events', ...headers));
    const head = (await client.readUntil('\r\n\r\n')).toString();
    return { head, stream: streams[streams.length - 1] as EventStream };
  };
  return { server, client, open, clock, streams };
}

const refused = (code: number) => expect.objectContaining({ code });
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

describe('a stream of events', () => {
  test('sends what the handler sends after it has returned, and ends when it says so', async () => {
    const { client, open } = await events({ retry: 500 });
    const { head, stream } = await open('Last-Event-ID: \u00c3\u00a97');
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).toContain('Content-Type: text/event-stream\r\n');
    expect(head).toContain('Cache-Control: no-store\r\n');
    // or nginx would hold events back
    expect(head).toContain('X-Accel-Buffering: no\r\n');
    expect(stream.lastEventId).toBe('é7');
    await stream.send({ data: 'one' });
    await stream.send({ event: 'led', id: '8', retry: 9, data: 'a\nb\r\nc\rd' });
    await stream.comment('still\nhere');
    expect(stream.open).toBe(true);
    stream.end();
    await stream.closed;
    expect(stream.open).toBe(false);
    const text = (await client.readUntil('0\r\n\r\n')).toString();
    expect(text).toBe(
      chunk('retry: 500\n\n') +
        chunk('data: one\n\n') +
        chunk('event: led\nid: 8\nretry: 9\ndata: a\ndata: b\ndata: c\ndata: d\n\n') +
        chunk(': still\n: here\n\n') +
        '0\r\n\r\n',
    );
    await expect(stream.send({ data: 'late' })).rejects.toThrow(refused(ESP_ERR_INVALID_STATE));
    stream.end();
    // the connection is used again
    client.send(request('GET /none'));
    expect((await client.readResponse()).status).toBe(404);
  });

  test('shows every keepAlive seconds that it lives', async () => {
    const { client, open, clock, server } = await events({ keepAlive: 10 });
    await open();
    await client.readUntil(chunk(':\n\n'));
    for (let i = 0; i < 3; i++) {
      clock.advance(12_000);
      await client.readUntil(chunk(':\n\n'));
    }
    expect(server.getClientList()).toHaveLength(1);
  });

  test('shows the same if the handler is asynchronous, and is idle behind a HEAD request', async () => {
    const { client, clock, server } = await events({ keepAlive: 10 });
    client.send(request('GET /async'));
    await client.readUntil(chunk(':\n\n'));
    for (let i = 0; i < 3; i++) {
      clock.advance(12_000);
      await client.readUntil(chunk(':\n\n'));
    }
    client.destroy();
    const other = await connectTo(server);
    await other.send(request('HEAD /async')).readResponse({ toHead: true });
    await expect.poll(() => server.getClientList().length).toBe(1);
    clock.advance(62_000);
    expect(await other.closed()).toBe('fin');
  });

  test('without keepAlive it is quiet, and no deadline ends it', async () => {
    const { open, clock, server } = await events({ keepAlive: 0 });
    const { stream } = await open();
    clock.advance(3_600_000);
    expect(server.getClientList()).toHaveLength(1);
    expect(stream.open).toBe(true);
  });

  test.each(['end', 'reset', 'destroy'] as const)('ends when the client goes (%s)', async how => {
    const { client, open, server } = await events();
    const { stream } = await open();
    client[how]();
    await stream.closed;
    expect(stream.open).toBe(false);
    client.destroy();
    await expect(stream.send({ data: 'late' })).rejects.toThrow(refused(ESP_ERR_INVALID_STATE));
    await expect.poll(() => server.getClientList()).toEqual([]);
  });

  test('ends when the client goes, whatever waits behind its request', async () => {
    const { client, server, streams } = await events({ keepAlive: 0 });
    client.send(`${request('GET /events')}GET`);
    await client.readUntil(':\n\n');
    client.end();
    await streams[0]?.closed;
    await client.readAll();
    await expect.poll(() => server.getClientList()).toEqual([]);
  });

  test('of a client that has gone before it begins ends at once', async () => {
    let stream: EventStream | undefined;
    const server = await serve({
      'GET /events': async req => {
        await new Promise(resolve => server.once('data', resolve));
        stream = req.respStartEvents({ keepAlive: 0 });
      },
      'POST /go': async req => void (await req.text().then(() => req.respSend())),
    });
    const client = await connectTo(server);
    client.send(request('GET /events')).end();
    await exchange(server, post('/go', 'now'));
    await client.readAll();
    await stream?.closed;
    expect(stream?.open).toBe(false);
  });

  test('ends when the server stops, and does not hold it up', async () => {
    const { client, open, server } = await events();
    const { stream } = await open();
    const stopped = server.stop();
    await stream.closed;
    expect((await client.readAll()).toString()).toMatch(/0\r\n\r\n$/);
    client.destroy();
    await stopped;
  });

  test('ends with sessTriggerClose', async () => {
    const { client, open, server, streams } = await events();
    await open();
    server.sessTriggerClose(server.getClientList()[0] as number);
    expect((await client.readAll()).toString()).toMatch(/0\r\n\r\n$/);
    await streams[0]?.closed;
  });

  test('is not purged to make room', async () => {
    const server = await serve(
      { 'GET /events': req => void req.respStartEvents() },
      { maxOpenSockets: 1, lruPurgeEnable: true },
    );
    const client = await connectTo(server);
    client.send(request('GET /events'));
    await client.readUntil(':\n\n');
    expect((await exchange(server, request('GET /events'))).status).toBe(503);
  });

  test('without keepAlive it ends too when its client leaves behind more than is read', async () => {
    const { client, clock, open } = await events({ keepAlive: 0 });
    const { stream } = await open();
    client.send('x'.repeat(70_000));
    await vi.waitFor(() => expect(clock.running).toBeGreaterThan(0));
    client.destroy();
    await vi.waitFor(() => {
      clock.advance(16_000);
      expect(stream.open).toBe(false);
    });
    await stream.closed;
  });

  test('for HEAD there is the head only', async () => {
    const { client, server, streams } = await events();
    client.send(request('HEAD /events'));
    const { headers } = await client.readResponse({ toHead: true });
    expect(headers['content-type']).toBe('text/event-stream');
    await streams[0]?.closed;
    expect((await exchange(server, request('GET /none'))).status).toBe(404);
  });

  test('to HTTP/1.0 it goes on until the connection closes', async () => {
    const { client, streams } = await events();
    client.send('GET /events HTTP/1.0\r\n\r\n');
    expect((await client.readUntil(':\n\n')).toString()).not.toContain('chunked');
    void streams[0]?.send({ data: 'x' });
    streams[0]?.end();
    expect((await client.readAll()).toString()).toBe('data: x\n\n');
  });

  test('a handler that fails behind its start ends it', async () => {
    let stream: EventStream | undefined;
    const server = await serve({
      'GET /events': req => {
        stream = req.respStartEvents();
        throw new Error('broken');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /events'));
    await client.readAll();
    await stream?.closed;
    expect(stream?.open).toBe(false);
  });

  test.each([
    [{ retry: -1 }],
    [{ retry: 1.5 }],
    [{ keepAlive: -1 }],
    [{ keepAlive: Number.NaN }],
    [{ keepalive: 1 } as never],
    [null as never],
  ])('the options %j are refused, and the request can still be answered', async options => {
    const server = await serve({
      'GET /events': req => {
        expect(() => req.respStartEvents(options)).toThrow(refused(ESP_ERR_INVALID_ARG));
        void req.respSend('ok');
      },
    });
    expect((await exchange(server, request('GET /events'))).body.toString()).toBe('ok');
  });

  test.each([
    [{ data: 7 }],
    [{ data: 'x', id: 'a\nb' }],
    [{ data: 'x', id: 'a\0b' }],
    [{ data: 'x', event: 'a\rb' }],
    [{ data: 'x', event: 7 }],
    [{ data: 'x', retry: -1 }],
  ])('the event %j is refused, and nothing of it is sent', async event => {
    const { client, open } = await events();
    const { stream } = await open();
    await expect(stream.send(event as never)).rejects.toThrow(refused(ESP_ERR_INVALID_ARG));
    await expect(stream.comment(7 as never)).rejects.toThrow(refused(ESP_ERR_INVALID_ARG));
    stream.end();
    expect((await client.readUntil('0\r\n\r\n')).toString()).toBe(`${chunk(':\n\n')}0\r\n\r\n`);
  });
});

describe('respSendHead and respSendPart', () => {
  test('send a body of known length piece by piece', async () => {
    const server = await serve({
      'GET /': async req => {
        req.respSetType('text/plain');
        req.respSendHead(6);
        await req.respSendPart(Buffer.from('abc'));
        await expect(req.respSendPart(Buffer.from('defg'))).rejects.toThrow(
          expect.objectContaining({
            code: ESP_ERR_INVALID_SIZE,
            message: expect.stringContaining('3 are left') as string,
          }),
        );
        await expect(req.respSendChunk('x')).rejects.toThrow(refused(ESP_ERR_INVALID_STATE));
        await expect(req.send('x')).rejects.toThrow(refused(ESP_ERR_INVALID_STATE));
        await req.respSendPart(Buffer.from('def'));
        await req.respSendPart(Buffer.alloc(0));
        await expect(req.respSendPart(Buffer.from('g'))).rejects.toThrow(refused(ESP_ERR_INVALID_SIZE));
      },
    });
    const client = await connectTo(server);
    for (const line of ['GET /', 'GET /']) {
      const { headers, body } = await client.send(request(line)).readResponse();
      expect([headers['content-length'], body.toString()]).toEqual(['6', 'abcdef']);
    }
  });

  test('send no body to HEAD, and none with 204, 205 and 304', async () => {
    const server = await serve({
      'GET /': async req => {
        const status = req.getUrlQueryStr();
        if (status !== undefined) req.respSetStatus(status);
        req.respSendHead(3);
        await req.respSendPart(Buffer.from('abc'));
      },
    });
    const client = await connectTo(server);
    client.send(
      request('HEAD /') + request('GET /?204') + request('GET /?205') + request('GET /?304') + request('GET /'),
    );
    const text = (await client.readUntil('abc')).toString();
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1])).toEqual(['200', '204', '205', '304', '200']);
    expect(text.match(/abc/g)).toHaveLength(1);
    expect(text).toMatch(/205 \r\nContent-Length: 0\r\n/);
  });

  test('a handler that sends less than it has announced: the connection is closed', async () => {
    const server = await serve({
      'GET /': async req => {
        req.respSendHead(3);
        await req.respSendPart(Buffer.from('ab'));
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readAll()).toString()).toMatch(
      /Content-Length: 3\r\n[\s\S]*\r\n\r\nab$/,
    );
  });

  test.each([-1, 1.5, '3', Number.NaN, undefined])('respSendHead(%j) is refused', async len => {
    const server = await serve({
      'GET /': req => {
        expect(() => req.respSendHead(len as number)).toThrow(refused(ESP_ERR_INVALID_ARG));
        void req.respSend('ok');
      },
    });
    expect((await exchange(server, request('GET /'))).body.toString()).toBe('ok');
  });
});
