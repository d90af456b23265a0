/** The classic deferred answer: the handler takes its fd or queues work, and a work answers with `socketSend`. */
import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { ESP_FAIL, ESP_OK } from '../../src/err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { ManualClock } from '../support/clock.js';
import { collectLog, connectTo } from '../support/server.js';
import { TEXT, WsRawClient } from '../support/ws_frames.js';
import { deferred, errorOf, exchange, isOpen, ok, post, request, serve, turns, until } from './support.js';

/** A whole response, as a firmware writes it. */
const raw = (body: string, ...headers: string[]) =>
  Buffer.from(['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...headers, '', body].join('\r\n'));

/** Notes the fd, queues the answer, returns: `generate_async_resp` of ESP-IDF's own test of the server. */
const classic =
  (...sent: readonly Buffer[]): UriHandler =>
  req => {
    const arg = { hd: req.handle, fd: req.toSockfd() };
    req.handle.queueWork(({ hd, fd }: { hd: HttpdServer; fd: number }) => {
      for (const bytes of sent) hd.socketSend(fd, bytes);
    }, arg);
    return ESP_OK;
  };

/** A server whose handler only takes its fd: the test answers. */
async function startTaking(config: Partial<HttpdConfig> = {}, more: Record<string, UriHandler> = {}) {
  const clock = new ManualClock();
  const { logger, lines } = collectLog('warn');
  const fds: number[] = [];
  const reqs: HttpdReq[] = [];
  const server = await serve(
    {
      'ANY /': req => {
        reqs.push(req);
        fds.push(req.toSockfd());
        return ESP_OK;
      },
      'GET /ok': ok,
      ...more,
    },
    { logger, handlerTimeout: 10, ...config },
    { clock },
  );
  const ask = async (bytes: string) => {
    const client = await connectTo(server);
    client.send(bytes);
    const n = fds.length;
    await until(() => expect(fds.length).toBeGreaterThan(n));
    return { client, fd: fds.at(-1) as number };
  };
  return { server, clock, lines, fds, reqs, ask };
}

describe('a handler that returns ESP_OK without an answer', () => {
  test('and has queued work: the work answers, and the connection goes on', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n';
    const { logger, lines } = collectLog('warn');
    const server = await serve(
      { 'GET /': classic(Buffer.from(head), Buffer.from('Hello '), Buffer.from('World')), 'GET /ok': ok },
      { logger },
    );
    const client = await connectTo(server);
    for (let i = 0; i < 3; i++) expect((await client.send(request('GET /')).readResponse()).text).toBe('Hello World');
    expect(await isOpen(client, '/ok')).toBe(true);
    expect(lines).toEqual([]);
    expect(server.getStats()).toMatchObject({ requests: { served: 4 }, handlerTime: { count: 4 } });
  });

  test('and has queued work without its fd: that may answer too', async () => {
    const server = await serve({
      'GET /': req => {
        req.handle.queueWork(() => {
          for (const fd of req.handle.getClientList()) req.handle.socketSend(fd, raw('to all'));
        });
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('to all');
  });

  test('and has taken its fd: bytes that come much later are the answer', async () => {
    const { server, ask, clock } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    clock.advance(9_000);
    await turns(5);
    expect(client.received).toHaveLength(0);
    server.socketSend(fd, raw('late'));
    expect((await client.readResponse()).text).toBe('late');
    expect(await isOpen(client, '/ok')).toBe(true);
  });

  test('and is asynchronous', async () => {
    const gate = deferred();
    let fd = 0;
    const server = await serve({
      'GET /': async req => {
        await gate.promise;
        fd = req.toSockfd();
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    gate.resolve();
    await until(() => expect(fd).toBeGreaterThan(0));
    await turns(5);
    server.socketSend(fd, raw('async'));
    expect((await client.readResponse()).text).toBe('async');
  });

  test.each<[string, UriHandler]>([
    ['just forgets to answer', () => ESP_OK],
    ['forgets asynchronously', async () => {}],
    ['only tells WebSockets', req => void errorOf(() => req.handle.wsSendDataAsync(1, wsFrame({ type: TEXT })))],
    [
      'has its fd, and returns an error',
      req => {
        req.toSockfd();
        return ESP_FAIL;
      },
    ],
    [
      'has its fd, and throws',
      req => {
        req.toSockfd();
        throw new Error('on purpose');
      },
    ],
  ])('no: one that %s gets its 500 at once', async (_name, handler) => {
    const server = await serve({ 'GET /': handler }, {}, { clock: new ManualClock() });
    expect((await exchange(server, request('GET /'))).status).toBe(500);
  });

  test('what a hook has asked for does not count for the handler behind it', async () => {
    const server = await serve({ 'GET /': () => ESP_OK }, {}, { clock: new ManualClock() });
    server.before('/', req => void req.toSockfd());
    expect((await exchange(server, request('GET /'))).status).toBe(500);
  });

  test('the handler of an error may do so as well', async () => {
    const server = await serve({ 'GET /ok': ok });
    server.registerErrHandler(6, classic(raw('not here')));
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('not here');
  });

  test('its request is over for it', async () => {
    const { server, ask, reqs } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    const [req] = reqs as [HttpdReq];
    expect(await errorOf(() => req.respSend('too late'))).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    expect(await errorOf(() => req.recv(Buffer.alloc(1)))).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    server.socketSend(fd, raw('ok'));
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('the context of its session is at hand meanwhile, and stays', async () => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    server.sessSetCtx(fd, 'mine');
    expect(server.sessGetCtx(fd)).toBe('mine');
    server.socketSend(fd, raw('ok'));
    await client.readResponse();
    expect(server.sessGetCtx(fd)).toBe('mine');
  });
});

describe('the next request', () => {
  test('waits for the end of the answer, however that is cut', async () => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(`${request('GET /')}${request('GET /ok')}`);
    const answer = raw('one two three');
    for (const byte of answer.subarray(0, -1)) {
      server.socketSend(fd, Buffer.of(byte));
      await turns(1);
    }
    expect(await client.readUntil(answer.length - 1)).toEqual(answer.subarray(0, -1));
    expect(client.received).toHaveLength(0);
    server.socketSend(fd, answer.subarray(-1));
    expect((await client.readUntil(1)).toString()).toBe('e');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('of a chunked answer too', async () => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(`${request('GET /')}${request('GET /ok')}`);
    server.socketSend(fd, Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n'));
    await turns(5);
    server.socketSend(fd, Buffer.from('0\r\n\r\n'));
    expect((await client.readResponse()).text).toBe('hi');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('comes behind the answer to a HEAD that has no content in any case', async () => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(`${request('HEAD /')}${request('GET /ok')}`);
    server.socketSend(fd, Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    await client.readResponse({ toHead: true });
    expect((await client.readResponse()).text).toBe('ok');
  });

  test.each([
    ['at once', [raw('HTTP/1.1 200 OK')]],
    ['by itself', [raw('x'.repeat(15)).subarray(0, -15), Buffer.from('HTTP/1.1 200 OK')]],
  ])('never comes behind a HEAD that is answered as a GET: content that is sent %s is not', async (_name, sent) => {
    const head = raw('x'.repeat(15)).subarray(0, -15);
    const { logger, lines } = collectLog('warn');
    const server = await serve({ 'GET /': classic(...sent), 'GET /ok': ok }, { logger });
    const client = await connectTo(server);
    client.send(`${request('HEAD /')}${request('GET /ok')}`);
    expect((await client.readAll()).toString()).toBe(head.toString());
    expect(lines).toEqual([]);
  });

  test('never comes behind more than the answer had room for, which is not sent', async () => {
    const { server, ask, lines } = await startTaking();
    const { client, fd } = await ask(`${request('GET /')}${request('GET /ok')}`);
    const answer = raw('caf');
    // a length in characters, and a response within the rest
    server.socketSend(fd, Buffer.concat([answer, Buffer.from('HTTP/1.1 200 OK\r\n\r\n')]));
    expect((await client.readAll()).equals(answer)).toBe(true);
    expect(lines).toEqual([expect.stringContaining('19 bytes behind the end of its response')]);
  });

  test('never comes behind a handler that sends two answers, of which one leaves', async () => {
    const { logger, lines } = collectLog('warn');
    const twice: UriHandler = req => {
      req.handle.socketSend(req.toSockfd(), raw('1'));
      req.handle.socketSend(req.toSockfd(), raw('2'));
    };
    const server = await serve({ 'GET /': twice, 'GET /ok': ok }, { logger });
    const client = await connectTo(server);
    client.send(`${request('GET /')}${request('GET /ok')}`);
    expect((await client.readAll()).equals(raw('1'))).toBe(true);
    expect(lines).toHaveLength(1);
  });

  test('comes behind a body that nobody has read', async () => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(`${post('/', 'x'.repeat(1_000))}${request('GET /ok')}`);
    server.socketSend(fd, raw('1'));
    expect((await client.readResponse()).text).toBe('1');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test.each([
    ['the client has asked for the end', request('GET /', 'Connection: close'), raw('1')],
    ['it is HTTP/1.0', request('GET / HTTP/1.0'), raw('1')],
    ['the answer says so', request('GET /'), raw('1', 'Connection: close')],
  ])('never comes if %s', async (_name, bytes, answer) => {
    const { server, ask } = await startTaking();
    const { client, fd } = await ask(`${bytes}${request('GET /ok')}`);
    server.socketSend(fd, answer);
    expect((await client.readAll()).equals(answer)).toBe(true);
  });
});

describe('handlerTimeout', () => {
  test('is the bound: then a 500', async () => {
    const { ask, clock, server, lines } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    await until(() => expect(clock.running).toBeGreaterThan(0));
    clock.advance(11_000);
    expect((await client.readResponse()).status).toBe(500);
    expect(await client.closed()).toBe('fin');
    expect(lines).toEqual([expect.stringContaining('handlerTimeout')]);
    expect(server.getStats().timeouts.handler).toBe(1);
    client.end();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(await errorOf(() => server.socketSend(fd, raw('late')))).toBe('ESP_ERR_NOT_FOUND');
  });

  test('begins anew with each part, and ends what never comes to its end', async () => {
    const { ask, clock, server } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    const answer = raw('123');
    for (const part of [answer.subarray(0, 20), answer.subarray(20, -1)]) {
      clock.advance(9_000);
      server.socketSend(fd, part);
      await turns(1);
    }
    expect(client.over).toBe(false);
    clock.advance(11_000);
    expect((await client.readAll()).equals(answer.subarray(0, -1))).toBe(true);
    client.end();
    await until(() => expect(server.getClientList()).toEqual([]));
  });

  test('ends an answer that only the end of the connection ends', async () => {
    const { ask, clock, server } = await startTaking();
    const { client, fd } = await ask(`${request('GET /')}${request('GET /ok')}`);
    const answer = Buffer.from('HTTP/1.1 200 OK\r\n\r\nsome text');
    server.socketSend(fd, answer);
    await turns(2);
    clock.advance(11_000);
    expect((await client.readAll()).equals(answer)).toBe(true);
  });
});

describe('the end of the session', () => {
  test('by its client frees its context, and a late answer is refused', async () => {
    const freed: unknown[] = [];
    const { ask, server } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    server.sessSetCtx(fd, 'ctx', ctx => void freed.push(ctx));
    client.reset();
    await until(() => expect(freed).toEqual(['ctx']));
    expect(await errorOf(() => server.socketSend(fd, raw('late')))).toBe('ESP_ERR_NOT_FOUND');
  });

  test('by sessTriggerClose does not wait for the answer', async () => {
    const { ask, server } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    server.sessTriggerClose(fd);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('by stop waits for it', async () => {
    const { ask, server } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    const stopped = server.stop();
    await turns(3);
    server.socketSend(fd, raw('bye'));
    expect((await client.readResponse()).text).toBe('bye');
    client.end();
    await stopped;
  });

  test('half, by the client, still lets the answer out', async () => {
    const { ask, server } = await startTaking();
    const { client, fd } = await ask(request('GET /'));
    client.end();
    await turns(5);
    server.socketSend(fd, raw('bye'));
    expect((await client.readResponse()).text).toBe('bye');
    await until(() => expect(server.getClientList()).toEqual([]));
  });
});

describe('socketSend inside of the handler', () => {
  test.each<[string, UriHandler]>([
    ['sends the whole answer', req => void req.handle.socketSend(req.toSockfd(), raw('all'))],
    [
      'sends its beginning, and a work the rest',
      req => {
        const fd = req.toSockfd();
        req.handle.socketSend(fd, raw('all').subarray(0, 20));
        req.handle.queueWork(() => req.handle.socketSend(fd, raw('all').subarray(20)));
      },
    ],
    [
      'sends an interim response before the answer',
      req => {
        req.handle.socketSend(req.toSockfd(), Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'));
        return req.respSend('all');
      },
    ],
  ])('%s', async (name, handler) => {
    const server = await serve({ 'GET /': handler, 'GET /ok': ok }, {}, { clock: new ManualClock() });
    const client = await connectTo(server);
    client.send(`${request('GET /')}${request('GET /ok')}`);
    if (name.includes('interim')) expect((await client.readResponse()).status).toBe(103);
    expect((await client.readResponse()).text).toBe('all');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('and respSend behind a whole answer is one too many', async () => {
    let name = '';
    const server = await serve({
      'GET /': async req => {
        req.handle.socketSend(req.toSockfd(), raw('1'));
        name = await errorOf(() => req.respSend('2'));
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('1');
    expect(name).toBe('ESP_ERR_INVALID_STATE');
    expect(await isOpen(client, '/ok')).toBe(true);
  });
});

test('a session that waits for its answer is busy: not purged for another', async () => {
  const { ask, server } = await startTaking({ maxOpenSockets: 1, lruPurgeEnable: true });
  const { client, fd } = await ask(request('GET /'));
  expect((await exchange(server, request('GET /ok'))).status).toBe(503);
  server.socketSend(fd, raw('1'));
  expect((await client.readResponse()).text).toBe('1');
});

test('WebSocket handlers may take their fd and return, as ever', async () => {
  const server = await serve({});
  server.registerUriHandler({
    uri: '/ws',
    method: 1,
    isWebsocket: true,
    handler: async req => {
      const fd = req.toSockfd();
      if (req.method !== 1)
        req.handle.queueWork(() => req.handle.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'hi' })));
    },
  });
  const ws = await WsRawClient.upgrade(await connectTo(server), { path: '/ws' });
  ws.send({ opcode: TEXT, payload: 'x' });
  expect((await ws.readFrame()).text).toBe('hi');
});
