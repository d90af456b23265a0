/** Where the failures of application code go: the log, the handler of 500s, the event 'error'. */
import { type Logger, pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { ESP_ERR_INVALID_STATE, ESP_FAIL, ESP_OK, EspError } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { HTTPD_SOCK_ERR_FAIL } from '../../src/sess/overrides.js';
import type { RawClient } from '../support/raw_client.js';
import { connectTo, startTestServer } from '../support/server.js';
import { handshakeRequest, TEXT, WsRawClient } from '../support/ws_frames.js';
import { exchange, ok, post, request, until } from './support.js';

interface Entry {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly type: string; readonly message: string; readonly stack: string };
}

const DEBUG = 20;
const WARN = 40;

function collectEntries(): { logger: Logger; entries: Entry[] } {
  const entries: Entry[] = [];
  const stream = { write: (line: string) => void entries.push(JSON.parse(line) as Entry) };
  return { logger: pino({ level: 'debug', base: null }, stream), entries };
}

/** A server whose log, and whose 'error' events, can be looked at. */
async function start(config: Partial<HttpdConfig> = {}) {
  const { logger, entries } = collectEntries();
  const server = await startTestServer({ logger, ...config });
  const errors: [number, Error | undefined][] = [];
  server.on('error', (code, error) => errors.push([code, error]));
  return { server, errors, worse: () => entries.filter(({ level }) => level >= WARN), entries };
}

class Bug extends Error {
  override readonly name = 'Bug';
}

function failNow(): never {
  throw new Bug('on purpose');
}

async function failLater(): Promise<never> {
  await Promise.resolve();
  return failNow();
}

type Fail = () => unknown;
type Act = (server: HttpdServer) => Promise<unknown>;

interface Place {
  /** What the application does. */
  readonly config?: (fail: Fail) => Partial<HttpdConfig>;
  readonly prepare?: (server: HttpdServer, fail: Fail) => void;
  /** What makes it fail. */
  readonly act: Act;
}

const get: Act = server => exchange(server, request('GET /'));
const route = (server: HttpdServer, handler: (req: HttpdReq) => unknown, more: Partial<HttpdUri> = {}) =>
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: handler as HttpdUri['handler'], ...more });
const shake: Act = async server => {
  const client = await connectTo(server);
  client.send(handshakeRequest({ path: '/' }));
  return client;
};
const say: Act = async server => {
  const ws = await WsRawClient.upgrade(await connectTo(server), { path: '/' });
  ws.send({ opcode: TEXT, payload: 'x' });
};
const leave: Act = async server => {
  const client = await connectTo(server);
  await client.send(request('GET /')).readResponse();
  client.end();
};
const websocket = (more: Partial<HttpdUri> = {}) => ({ isWebsocket: true, handleWsHandshake: false, ...more });

const PLACES: Readonly<Record<string, Place>> = {
  'a URI handler': { prepare: (server, fail) => route(server, fail), act: get },
  'a URI handler that has answered': {
    prepare: (server, fail) =>
      route(server, req => {
        void req.respSend('ok');
        return fail();
      }),
    act: get,
  },
  'a hook': { prepare: (server, fail) => void server.before('/', fail as HttpdUri['handler']), act: get },
  'an error handler': {
    prepare: (server, fail) => server.registerErrHandler(6, fail as () => undefined),
    act: get,
  },
  'a WebSocket handler': { prepare: (server, fail) => route(server, fail, websocket()), act: say },
  wsPreHandshakeCb: {
    prepare: (server, fail) => route(server, ok, websocket({ wsPreHandshakeCb: fail as () => undefined })),
    act: shake,
  },
  'the call for the handshake': {
    prepare: (server, fail) => route(server, fail, { isWebsocket: true }),
    act: shake,
  },
  wsPostHandshakeCb: {
    prepare: (server, fail) => route(server, ok, websocket({ wsPostHandshakeCb: fail as () => undefined })),
    act: shake,
  },
  wsCloseCb: {
    prepare: (server, fail) => route(server, ok, websocket({ wsCloseCb: fail as () => undefined })),
    act: async server => (await WsRawClient.upgrade(await connectTo(server), { path: '/' })).raw.reset(),
  },
  'a work': { act: async () => {}, prepare: (server, fail) => server.queueWork(fail) },
  'a listener': { prepare: (server, fail) => void server.on('header', fail), act: get },
  openFn: { config: fail => ({ openFn: fail as () => undefined }), act: connectTo },
  closeFn: { config: fail => ({ closeFn: fail as () => undefined }), act: leave },
  'a free function': {
    prepare: (server, fail) =>
      route(server, req => {
        req.sessCtx = {};
        req.freeCtx = fail as () => undefined;
        return req.respSend('ok');
      }),
    act: leave,
  },
};

describe.each(Object.entries(PLACES))('%s that fails', (name, { config, prepare, act }) => {
  test.each<[string, Fail]>([
    ['throws', failNow],
    ['rejects', failLater],
  ])('since it %s: one line with the stack, and one event', async (_how, fail) => {
    const { server, errors, worse } = await start(config?.(fail));
    prepare?.(server, fail);
    await act(server);
    await until(() => expect(worse().filter(({ err }) => err !== undefined)).toHaveLength(1));
    const [entry] = worse().filter(({ err }) => err !== undefined);
    expect(entry?.msg).toContain('Bug: on purpose');
    expect(entry?.err).toMatchObject({ message: 'on purpose', stack: expect.stringContaining('failNow') });
    const told = errors.filter(([, error]) => error instanceof Bug);
    expect(told).toHaveLength(1);
    expect(told[0]?.[0]).toBe(0);
    // an error handler that fails stands for the page of its error
    if (name !== 'an error handler') expect(errors.filter(([code]) => code === 0)).toHaveLength(1);
  });

  test('with an EspError: one line, without a stack', async () => {
    const fail: Fail = () => {
      throw new EspError(ESP_ERR_INVALID_STATE, 'not now');
    };
    const { server, worse } = await start(config?.(fail));
    prepare?.(server, fail);
    await act(server);
    await until(() => expect(worse().filter(({ msg }) => msg.includes('not now'))).toHaveLength(1));
    expect(worse().filter(({ err }) => err !== undefined)).toEqual([]);
  });
});

test('an override that throws is logged with its stack', async () => {
  const { server, errors, worse } = await start();
  server.on('connected', fd => server.sessSetRecvOverride(fd, () => failNow() ?? HTTPD_SOCK_ERR_FAIL));
  const client = await connectTo(server);
  client.send(request('GET /'));
  await client.closed();
  expect(worse()).toMatchObject([{ err: { message: 'on purpose' } }]);
  expect(errors).toEqual([[0, expect.any(Bug)]]);
});

test("a listener for 'error' that throws is not told of that", async () => {
  const { server, worse } = await start();
  let calls = 0;
  server.on('error', () => {
    calls += 1;
    failNow();
  });
  expect((await exchange(server, request('GET /'))).status).toBe(404);
  expect(calls).toBe(1);
  expect(worse().filter(({ err }) => err !== undefined)).toHaveLength(1);
});

describe('the handler of an error', () => {
  test.each<[string, Fail, string]>([
    ['an Error that was thrown', failNow, 'Bug: on purpose'],
    ['an EspError', () => Promise.reject(new EspError(ESP_FAIL, 'no')), 'ESP_FAIL: no'],
    ['something else, as an Error', () => Promise.reject('text'), 'Error: text'],
    ['nothing, if the handler has returned an error', () => ESP_FAIL, 'undefined'],
    ['nothing, if the handler has not answered', () => ESP_OK, 'undefined'],
  ])('of 500 gets %s', async (_name, fail, shown) => {
    const { server } = await start();
    route(server, fail);
    server.registerErrHandler(0, (req, code, cause) => req.respSend(`${code} ${cause}`));
    expect((await exchange(server, request('GET /'))).text).toBe(`0 ${shown}`);
  });

  test('of 400 gets why the request could not be read', async () => {
    const { server, errors } = await start();
    server.registerErrHandler(3, (req, _code, cause) => req.respSend(`${cause?.message}`));
    expect((await exchange(server, request('GET /"'))).text).toContain('%22');
    server.registerErrHandler(3, null);
    await exchange(server, request('GET /"'));
    expect(errors).toEqual([[3, expect.objectContaining({ name: 'ESP_ERR_HTTPD_INVALID_REQ' })]]);
  });

  test('of 404 gets nothing', async () => {
    const { server } = await start();
    server.registerErrHandler(6, (req, _code, cause) => req.respSend(`${cause}`));
    expect((await exchange(server, request('GET /'))).text).toBe('undefined');
  });
});

describe('a client that leaves in the middle', () => {
  /** Starts a handler, lets its client go when it has begun, and gives the lines of its end. */
  async function left(handler: (req: HttpdReq) => unknown, go: (client: RawClient) => unknown): Promise<Entry[]> {
    const { server, entries, errors } = await start();
    let ended = false;
    const watched = async (req: HttpdReq): Promise<unknown> => {
      try {
        return await handler(req);
      } finally {
        ended = true;
      }
    };
    server.registerUriHandler({ uri: '/', method: 3, handler: watched as HttpdUri['handler'] });
    const client = await connectTo(server);
    client.send(post('/', 'x'.repeat(100)).slice(0, -50));
    await until(() => expect(entries.some(({ msg }) => msg.includes('parsing complete'))).toBe(true));
    go(client);
    await until(() => {
      expect(ended).toBe(true);
      expect(server.getClientList()).toEqual([]);
    });
    expect(errors.filter(([code]) => code === 0)).toEqual([]);
    return entries.filter(({ level, msg }) => level >= WARN || msg.includes('execution failed'));
  }

  test.each<[string, (req: HttpdReq) => unknown]>([
    ['receives, and lets it through', req => req.text()],
    ['receives, and returns an error', req => req.text().then(ok as () => undefined, () => ESP_FAIL)],
    [
      'wraps what it gets',
      req =>
        req.text().catch(cause => {
          throw new Error('the upload has failed', { cause });
        }),
    ],
    [
      'sends',
      async req => {
        await req.text().catch(() => {});
        await req.respSend('late');
      },
    ],
  ])('is a detail of the log for a handler that %s', async (_name, handler) => {
    for (const { level } of await left(handler, client => client.reset())) expect(level).toBe(DEBUG);
  });

  test('half: the same', async () => {
    const entries = await left(
      req => req.text(),
      client => client.end(),
    );
    expect(entries.map(({ level }) => level)).toEqual([DEBUG]);
  });

  test('before a work sends to it: a detail too; an fd that never was is a mistake', async () => {
    const { server, entries, worse } = await start();
    route(server, ok);
    const client = await connectTo(server);
    await client.send(request('GET /')).readResponse();
    const [fd] = server.getClientList() as [number];
    client.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    server.queueWork(() => server.socketSend(fd, Buffer.from('late')));
    await until(() => expect(entries.some(({ msg }) => msg.includes('a work failed'))).toBe(true));
    expect(worse()).toEqual([]);
    server.queueWork(() => server.socketSend(99, Buffer.from('wrong')));
    await until(() => expect(worse()).toHaveLength(1));
  });

  test('a WebSocket whose client leaves is a detail too', async () => {
    const { server, entries, worse } = await start();
    let seen = false;
    let go!: () => void;
    const gone = new Promise<void>(resolve => {
      go = resolve;
    });
    const handler = async (req: HttpdReq): Promise<void> => {
      seen = true;
      await gone;
      await req.wsSendFrame({ type: TEXT, payload: 'late', final: true, fragmented: false, len: 0, leftLen: 0 });
    };
    route(server, handler, websocket());
    const ws = await WsRawClient.upgrade(await connectTo(server), { path: '/' });
    ws.send({ opcode: TEXT, payload: 'x' });
    await until(() => expect(seen).toBe(true));
    ws.raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    go();
    await until(() => expect(entries.some(({ msg }) => msg.includes('execution failed'))).toBe(true));
    expect(worse()).toEqual([]);
  });
});
