import { describe, expect, test } from 'vitest';
import { ESP_FAIL, ESP_OK } from '../../src/err.js';
import { HTTPD_401_UNAUTHORIZED } from '../../src/httpd/http_err.js';
import { HTTP_GET, HTTPD_WS_FRAME } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { HTTPD_WS_CLIENT_HTTP, HTTPD_WS_CLIENT_WEBSOCKET, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { collectLog, connectTo } from '../support/server.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, closeBody, handshakeRequest, TEXT } from '../support/ws_frames.js';
import { deferred, echo, errorOf, expectClosed, onFrame, recvAll, startWs, until } from './ws_server.js';

const NEXT = 'GET /next HTTP/1.1\r\nHost: x\r\n\r\n';

/** Shakes hands with a server whose `/ws` is made of `uri`, and returns the answer. */
async function shake(uri: Partial<HttpdUri>, spec = {}) {
  const { server } = await startWs(uri);
  server.registerUriHandler({ uri: '/next', method: HTTP_GET, handler: req => req.respSend('next') });
  const client = await connectTo(server);
  client.send(handshakeRequest(spec));
  return { response: await client.readResponse(), client, server };
}

function unauthorized(req: HttpdReq, result: number): number {
  void req.respSendErr(HTTPD_401_UNAUTHORIZED);
  return result;
}

function later<T>(value: T): Promise<T> {
  return new Promise(resolve => setImmediate(resolve, value));
}

/** The two places that may refuse: as `wsPreHandshakeCb`, and as the handler's call for the handshake. */
const PLACES = [
  ['wsPreHandshakeCb', (code: HttpdUri['handler']): Partial<HttpdUri> => ({ wsPreHandshakeCb: code })],
  ['the GET call of the handler', (code: HttpdUri['handler']): Partial<HttpdUri> => ({ handler: code })],
] as const;

describe.each(PLACES)('%s', (name, place) => {
  const isPre = name === 'wsPreHandshakeCb';

  test('sees the request before the 101 is on the wire', async () => {
    const gate = deferred();
    const seen: unknown[] = [];
    const { server } = await startWs(
      place(async req => {
        if (req.method !== HTTP_GET) return;
        seen.push(req.uri, req.getHdrValueStr('x-token'), req.getCookieVal('sid'), req.getUrlQueryStr());
        seen.push(req.handle.wsGetFdInfo(req.toSockfd()));
        await gate.promise;
      }),
    );
    const client = await connectTo(server);
    client.send(handshakeRequest({ path: '/ws?a=1', headers: { 'X-Token': 't', Cookie: 'a=b; sid=7' } }));
    await until(() => expect(seen).toEqual(['/ws?a=1', 't', '7', 'a=1', HTTPD_WS_CLIENT_HTTP]));
    expect(client.received).toHaveLength(0);
    gate.resolve();
    expect((await client.readResponse()).status).toBe(101);
  });

  test('adds headers to the 101, behind those of the handshake', async () => {
    const { response } = await shake(
      place(req => {
        if (req.method === HTTP_GET) {
          req.respSetHdr('Set-Cookie', 'sid=1');
          req.respSetHdr('X-More', 'yes');
        }
      }),
    );
    expect(response.status).toBe(101);
    expect(response.headerLines).toEqual([
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'Set-Cookie: sid=1',
      'X-More: yes',
    ]);
  });

  test.each([
    ['and returns ESP_OK', (req: HttpdReq) => unauthorized(req, ESP_OK)],
    ['and returns ESP_FAIL', (req: HttpdReq) => unauthorized(req, ESP_FAIL)],
    ['after a while', async (req: HttpdReq) => unauthorized(req, await later(ESP_OK))],
  ])('refuses with 401 %s', async (_name, code) => {
    const { response, client } = await shake(place(code));
    expect(response.status).toBe(401);
    client.send(buildFrame({ opcode: TEXT, payload: 'x' })).end();
    // nothing of a WebSocket follows
    expect((await client.readAll()).toString('latin1')).not.toContain('\x81');
  });

  test('refuses with its own answer, and the connection serves further requests', async () => {
    const { response, client } = await shake(
      place(async req => {
        req.respSetStatus('403 Forbidden');
        req.respSetHdr('X-Why', 'no token');
        await req.respSend('go away');
      }),
    );
    expect([response.status, response.headers['x-why'], response.text]).toEqual([403, 'no token', 'go away']);
    client.send(NEXT);
    expect((await client.readResponse()).text).toBe('next');
  });

  const silent = isPre ? 403 : 500;
  test.each<[string, number, HttpdUri['handler']]>([
    ['returning ESP_FAIL', silent, () => ESP_FAIL],
    ['resolving to ESP_FAIL', silent, async () => ESP_FAIL],
    ['returning another number', silent, () => 0x105],
    [
      'throwing',
      500,
      () => {
        throw new Error('no');
      },
    ],
    ['rejecting', 500, () => Promise.reject(new Error('no'))],
    ['rejecting after a while', 500, () => new Promise((_, reject) => setImmediate(reject, new Error('no')))],
  ])('%s without an answer refuses with %i', async (_name, status, code) => {
    const { response, client } = await shake(place(code));
    expect(response.status).toBe(status);
    expect(response.headers['content-type']).toBe('text/html');
    expect(await client.closed()).toBe('fin');
  });

  test('keeps the frames that the client sends during an asynchronous check', async () => {
    const gate = deferred();
    const texts: string[] = [];
    const { server } = await startWs({
      handler: onFrame(async req => {
        texts.push(Buffer.from((await recvAll(req)).payload).toString());
      }),
      ...place(async req => {
        if (req.method === HTTP_GET) await gate.promise;
        else texts.push(Buffer.from((await recvAll(req)).payload).toString());
      }),
    });
    const client = await connectTo(server);
    client.send(Buffer.concat([Buffer.from(handshakeRequest()), buildFrame({ opcode: TEXT, payload: '0' })]));
    for (let i = 1; i < 50; i++) client.send(buildFrame({ opcode: TEXT, payload: String(i) }));
    // far more than the server holds for a session
    client.send(buildFrame({ opcode: TEXT, payload: 'x'.repeat(200_000) }));
    client.send(buildFrame({ opcode: TEXT, payload: 'last' }));
    await new Promise(resolve => setImmediate(resolve));
    expect(texts).toEqual([]);
    gate.resolve();
    expect((await client.readResponse()).status).toBe(101);
    await until(() => expect(texts.at(-1)).toBe('last'));
    expect(texts.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect(texts[50]).toBe('x'.repeat(200_000));
  });

  test('frames that it sends leave right behind the 101, in their order', async () => {
    const { server } = await startWs(
      place(req => {
        if (req.method !== HTTP_GET) return;
        void req.wsSendFrame(wsFrame({ type: TEXT, payload: 'hello' }));
        void req.wsSendFrame(wsFrame({ type: TEXT, payload: 'again' }));
      }),
    );
    const client = await connectTo(server);
    client.send(handshakeRequest());
    expect((await client.readResponse()).status).toBe(101);
    expect((await client.readUntil(14)).toString('latin1')).toBe('\x81\x05hello\x81\x05again');
  });

  test('large frames that it sends after a wait stay together, in front of all else', async () => {
    const big = Buffer.alloc(300 * 1024, 0x41);
    const reply = (req: HttpdReq) => req.wsSendFrame(wsFrame({ type: TEXT, payload: 'reply' }));
    const { open } = await startWs({
      handler: onFrame(reply),
      ...place(async req => {
        if (req.method !== HTTP_GET) return reply(req);
        await new Promise(resolve => setImmediate(resolve));
        await req.wsSendFrame(wsFrame({ type: BINARY, fragmented: true, payload: big }));
        await req.wsSendFrame(wsFrame({ type: CONTINUE, fragmented: true, final: true, payload: 'end' }));
        return undefined;
      }),
    });
    const ws = await open({}, buildFrame({ opcode: TEXT, payload: '' }));
    const frames = [await ws.readFrame(), await ws.readFrame(), await ws.readFrame()];
    expect(frames.map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
      [BINARY, big.length],
      [CONTINUE, 3],
      [TEXT, 5],
    ]);
  });

  test('frames that it sends are dropped if it then refuses', async () => {
    const { response, client } = await shake(
      place(async req => {
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'hello' }));
        await req.respSend('no');
      }),
    );
    expect([response.status, response.text]).toEqual([200, 'no']);
    client.send(NEXT);
    expect((await client.readResponse()).text).toBe('next');
  });

  test('there is no frame to receive in it', async () => {
    const errors: string[] = [];
    const { response } = await shake(
      place(async req => {
        if (req.method !== HTTP_GET) return;
        errors.push(await errorOf(() => req.wsRecvFrame(wsFrame(), 0)));
        errors.push(await errorOf(() => req.wsRecvFramePart(wsFrame(), 10)));
      }),
    );
    expect(response.status).toBe(101);
    expect(errors).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
  });

  test('frames without bound that it sends are refused, not kept', async () => {
    const errors: string[] = [];
    const { server } = await startWs(
      place(async req => {
        if (req.method !== HTTP_GET) return;
        const half = wsFrame({ type: TEXT, payload: 'x'.repeat(600) });
        errors.push(await errorOf(() => req.wsSendFrame(half)), await errorOf(() => req.wsSendFrame(half)));
      }),
      { maxTxPending: 1_024 },
    );
    const client = await connectTo(server);
    client.send(handshakeRequest());
    expect((await client.readResponse()).status).toBe(101);
    expect(errors).toEqual(['none', 'ESP_ERR_NO_MEM']);
    expect((await client.readUntil(604)).subarray(0, 4).toString('hex')).toBe('817e0258');
    expect(client.received).toHaveLength(0);
  });

  test('a Close that it sends is the last frame, and the closing handshake goes on', async () => {
    const errors: string[] = [];
    const { server, open } = await startWs(
      place(async req => {
        if (req.method !== HTTP_GET) return;
        await req.wsSendFrame(wsFrame({ type: CLOSE, payload: closeBody(4001) }));
        errors.push(await errorOf(() => req.wsSendFrame(wsFrame({ type: TEXT, payload: 'late' }))));
      }),
    );
    const ws = await open();
    expect((await ws.readFrame()).code).toBe(4001);
    expect(errors).toEqual(['ESP_ERR_INVALID_STATE']);
    const [fd = 0] = server.getClientList();
    expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_HTTP);
    ws.send({ opcode: CLOSE, payload: closeBody(4001) });
    expect(await ws.closed()).toBe('fin');
    expect(ws.raw.received).toHaveLength(0);
  });

  test('a client that leaves during an asynchronous check ends the session once', async () => {
    const gate = deferred();
    const closed: number[] = [];
    const entered = deferred();
    const { server } = await startWs(
      place(async () => {
        entered.resolve();
        await gate.promise;
      }),
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const client = await connectTo(server);
    client.send(handshakeRequest());
    await entered.promise;
    client.reset();
    await until(() => expect(closed).toHaveLength(1));
    gate.resolve();
    await new Promise(resolve => setImmediate(resolve));
    expect(closed).toHaveLength(1);
    expect(server.getClientList()).toEqual([]);
  });
});

describe('the order of the callbacks', () => {
  test('is wsPreHandshakeCb, the GET call, the 101, wsPostHandshakeCb, frames', async () => {
    const order: string[] = [];
    const note = (what: string) => (req: HttpdReq) => {
      order.push(`${what} ${req.method === HTTPD_WS_FRAME ? 'frame' : req.method === HTTP_GET ? 'GET' : req.method}`);
      order.push(`${req.handle.wsGetFdInfo(req.toSockfd()) === HTTPD_WS_CLIENT_WEBSOCKET}`);
    };
    const { open } = await startWs({
      wsPreHandshakeCb: note('pre'),
      handler: note('handler'),
      wsPostHandshakeCb: note('post'),
    });
    const ws = await open({}, buildFrame({ opcode: TEXT, payload: 'x' }));
    ws.destroy();
    await until(() => expect(order).toHaveLength(8));
    expect(order).toEqual(['pre GET', 'false', 'handler GET', 'false', 'post frame', 'true', 'handler frame', 'true']);
  });

  test('leaves the GET call out with handleWsHandshake: false', async () => {
    const methods: number[] = [];
    const { open } = await startWs({
      handleWsHandshake: false,
      handler: async req => {
        methods.push(req.method);
        await echo(req);
      },
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'x' });
    expect((await ws.readFrame()).text).toBe('x');
    expect(methods).toEqual([HTTPD_WS_FRAME]);
  });

  test('lets wsPreHandshakeCb refuse with handleWsHandshake: false too', async () => {
    const { response } = await shake({ handleWsHandshake: false, wsPreHandshakeCb: () => ESP_FAIL });
    expect(response.status).toBe(403);
  });

  test('calls neither wsPreHandshakeCb nor the handler for a handshake that is wrong', async () => {
    const called: string[] = [];
    const { response } = await shake(
      { wsPreHandshakeCb: () => void called.push('pre'), handler: () => void called.push('handler') },
      { key: 'wrong' },
    );
    expect(response.status).toBe(400);
    expect(called).toEqual([]);
  });

  test('after a refusal by wsPreHandshakeCb neither the handler nor wsPostHandshakeCb is called', async () => {
    const called: string[] = [];
    await shake({
      wsPreHandshakeCb: () => ESP_FAIL,
      handler: () => void called.push('handler'),
      wsPostHandshakeCb: () => void called.push('post'),
    });
    expect(called).toEqual([]);
  });
});

describe('wsPostHandshakeCb', () => {
  test('greets, behind the frames of the GET call', async () => {
    const { open } = await startWs({
      handler: req => req.wsSendFrame(wsFrame({ type: TEXT, payload: 'first' })),
      wsPostHandshakeCb: req => req.wsSendFrame(wsFrame({ type: TEXT, payload: 'welcome' })),
    });
    const ws = await open();
    expect([(await ws.readFrame()).text, (await ws.readFrame()).text]).toEqual(['first', 'welcome']);
  });

  test('may take its time: frames wait for its end', async () => {
    const gate = deferred();
    const { open } = await startWs({
      wsPostHandshakeCb: async req => {
        await gate.promise;
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'welcome' }));
      },
    });
    const ws = await open({}, buildFrame({ opcode: TEXT, payload: 'early' }));
    ws.send({ opcode: TEXT, payload: 'later' });
    await new Promise(resolve => setImmediate(resolve));
    expect(ws.raw.received).toHaveLength(0);
    gate.resolve();
    const texts = [(await ws.readFrame()).text, (await ws.readFrame()).text, (await ws.readFrame()).text];
    expect(texts).toEqual(['welcome', 'early', 'later']);
  });

  test.each<[string, HttpdUri['handler']]>([
    ['returns ESP_FAIL', () => ESP_FAIL],
    ['resolves to ESP_FAIL', async () => ESP_FAIL],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('that %s ends the WebSocket with 1011', async (_name, wsPostHandshakeCb) => {
    const { open } = await startWs({ wsPostHandshakeCb });
    const ws = await open();
    await expectClosed(ws, 1011);
  });

  test('has no HTTP response to change any more', async () => {
    const errors: string[] = [];
    const { open } = await startWs({
      wsPostHandshakeCb: async req => {
        errors.push(await errorOf(() => req.respSetHdr('X-Late', '1')));
        errors.push(await errorOf(() => req.respSend('late')));
      },
    });
    const ws = await open({}, buildFrame({ opcode: TEXT, payload: 'x' }));
    expect((await ws.readFrame()).text).toBe('x');
    expect(errors).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
  });
});

test('a headersSent listener that ends the session during an asynchronous handshake ends nothing else', async () => {
  const { logger, lines } = collectLog('warn');
  const closed: number[] = [];
  const { server, open } = await startWs(
    { handler: () => new Promise(resolve => setImmediate(resolve)) },
    { logger, maxTxPending: 1_024, closeFn: (_server, fd) => closed.push(fd) },
  );
  const flood = (fd: number) => {
    // more than the system takes for a client that does not read
    for (let i = 0; i < 3; i++) server.socketSend(fd, Buffer.alloc(16 * 1024 * 1024));
  };
  server.on('headersSent', flood);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const client = await connectTo(server);
  client.send(handshakeRequest());
  await client.closed();
  await until(() => expect(closed).toHaveLength(1));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
  expect(lines.join('\n')).not.toContain('internal error');
  server.off('headersSent', flood);
  expect((await open()).response.status).toBe(101);
});

test.each(['Upgrade', 'Sec-WebSocket-Accept', 'sec-websocket-extensions', 'Sec-WebSocket-Protocol'])(
  '%s of the 101 is set by the library alone',
  async name => {
    const codes: string[] = [];
    const { open } = await startWs({
      supportedSubprotocol: 'chat',
      wsPreHandshakeCb: async req => {
        codes.push(await errorOf(() => req.respSetHdr(name, 'mine')));
        req.respSetHdr('X-Mine', 'mine');
      },
    });
    const { response } = await open({ headers: { 'Sec-WebSocket-Protocol': 'chat' } });
    expect(codes).toEqual(['ESP_ERR_INVALID_ARG']);
    expect(response.headers['x-mine']).toBe('mine');
    expect(response.headers['sec-websocket-protocol']).toBe('chat');
  },
);

test('a handler without supportedSubprotocol may choose one by itself', async () => {
  const { open } = await startWs({ wsPreHandshakeCb: req => req.respSetHdr('Sec-WebSocket-Protocol', 'v9') });
  const { response } = await open({ headers: { 'Sec-WebSocket-Protocol': 'v8, v9' } });
  expect(response.headers['sec-websocket-protocol']).toBe('v9');
});
