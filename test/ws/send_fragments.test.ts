import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { type HttpdWsFrame, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, CLOSE, CONTINUE, PING, PONG, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { errorOf, onFrame, startWs } from './ws_server.js';
import { COMPRESSED, compress, expectSilence, lastFd, OFFER } from './ws_watch.js';

const first = (payload: string, type = TEXT): Partial<HttpdWsFrame> => ({ type, payload, fragmented: true });
const more = (payload: string): Partial<HttpdWsFrame> => ({ type: CONTINUE, payload, fragmented: true });
const last = (payload: string): Partial<HttpdWsFrame> => ({ type: CONTINUE, payload, fragmented: true, final: true });
const whole = (payload: string): Partial<HttpdWsFrame> => ({ type: TEXT, payload });

async function openOne(uri: Partial<HttpdUri> = {}) {
  const ws = await startWs(uri);
  const client = await ws.open(OFFER);
  const fd = lastFd(ws.server);
  const send = (frame: Partial<HttpdWsFrame>) => ws.server.wsSendFrameAsync(fd, wsFrame(frame));
  return { ...ws, client, fd, send };
}

/** The next frames, such as `1+text`: opcode, FIN or not, payload. */
async function read(client: WsRawClient, n: number): Promise<string[]> {
  const got: string[] = [];
  for (let i = 0; i < n; i++) {
    const { opcode, fin, text } = await client.readFrame();
    got.push(`${opcode}${fin ? '+' : '-'}${text}`);
  }
  return got;
}

describe('a message that the application sends in fragments', () => {
  test('goes out as it is; afterwards another one can', async () => {
    const { client, send } = await openOne();
    for (let i = 0; i < 3; i++) {
      await send(first('a', i === 1 ? BINARY : TEXT));
      await send(more(''));
      await send(more('b'));
      await send(last('c'));
      await send(whole('d'));
      expect(await read(client, 5)).toEqual([`${i === 1 ? BINARY : TEXT}-a`, '0-', '0-b', '0+c', '1+d']);
    }
  });

  test('may end with a continuation that is not marked as a fragment', async () => {
    const { client, send } = await openOne();
    await send(first('a'));
    await send({ type: CONTINUE, payload: 'b' });
    await send(whole('c'));
    expect(await read(client, 3)).toEqual(['1-a', '0+b', '1+c']);
  });

  test('may be of one frame', async () => {
    const { client, send } = await openOne();
    await send({ ...first('a'), final: true });
    await send({ ...first('b'), final: true });
    expect(await read(client, 2)).toEqual(['1+a', '1+b']);
  });

  test('is not compressed, whatever has been agreed on, and neither are the messages that wait for it in its place', async () => {
    const { client, send } = await openOne({ wsPerMessageDeflate: { threshold: 0, serverNoContextTakeover: false } });
    const long = 'abc'.repeat(100);
    await send(first(long));
    await send(whole(long));
    await send(last(long));
    await send(whole(long));
    const frames = [];
    for (let i = 0; i < 4; i++) frames.push(await client.readFrame());
    expect(frames.map(({ rsv }) => rsv)).toEqual([0, 0, 4, 4]);
    expect(frames.map(({ opcode }) => opcode)).toEqual([TEXT, CONTINUE, TEXT, TEXT]);
    // compressed in the order in which they are sent: the second one knows the first
    expect(frames[3]?.payload.length).toBeLessThan(frames[2]?.payload.length ?? 0);
  });

  test.each([
    ['a continuation without a beginning', [], more('x')],
    ['a last one without a beginning', [], last('x')],
    ['a plain continuation without a beginning', [], { type: CONTINUE, payload: 'x' }],
    ['a continuation behind the last one', [first('a'), last('b')], more('x')],
    ['a continuation behind a message of one frame', [{ ...first('a'), final: true }], last('x')],
    ['a continuation behind a whole message', [whole('a')], last('x')],
    ['a second beginning', [first('a')], first('x')],
    ['a second beginning of another type', [first('a'), more('b')], first('x', BINARY)],
    ['a second beginning that would be all', [first('a')], { ...first('x'), final: true }],
  ])('%s is refused with ESP_ERR_INVALID_STATE, and nothing of it is sent', async (_name, before, wrong) => {
    const { client, send } = await openOne();
    for (const frame of before) await send(frame);
    expect(await errorOf(() => send(wrong))).toBe('ESP_ERR_INVALID_STATE');
    for (const { payload } of before) expect((await client.readFrame()).text).toBe(payload);
    await expectSilence(client);
  });

  test('can be ended after such a mistake', async () => {
    const { client, send } = await openOne();
    await send(first('a'));
    expect(await errorOf(() => send(first('x')))).toBe('ESP_ERR_INVALID_STATE');
    await send(last('b'));
    expect(await errorOf(() => send(last('x')))).toBe('ESP_ERR_INVALID_STATE');
    await send(whole('c'));
    expect(await read(client, 3)).toEqual(['1-a', '0+b', '1+c']);
  });

  test('lets control frames through at once', async () => {
    const { client, send } = await openOne();
    await send(first('a'));
    await send({ type: PING, payload: 'p' });
    client.send({ opcode: PING, payload: 'mine' });
    expect(await read(client, 3)).toEqual(['1-a', '9+p', `${PONG}+mine`]);
    await send(last('b'));
    expect(await read(client, 1)).toEqual(['0+b']);
  });

  test('keeps other messages back until its end, by whomever they are sent, in their order', async () => {
    const { client, send, server, fd } = await openOne();
    await send(first('a'));
    await send(whole('1'));
    await server.wsSendData(fd, wsFrame(whole('2')));
    server.wsBroadcast(wsFrame(whole('3')));
    const payload = Buffer.from('4');
    await send({ type: BINARY, payload });
    payload[0] = 0x78;
    await new Promise<void>(done => server.wsSendDataAsync(fd, wsFrame(whole('5')), () => done()));
    await send(more('b'));
    await expectMore();
    await send(last('c'));
    await send(whole('6'));
    expect(await read(client, 7)).toEqual(['0+c', '1+1', '1+2', '1+3', '2+4', '1+5', '1+6']);

    async function expectMore(): Promise<void> {
      expect(await read(client, 2)).toEqual(['1-a', '0-b']);
      await expectSilence(client);
    }
  });

  test('ends with the connection: what waits for it is lost', async () => {
    const { client, send, server, fd } = await openOne();
    await send(first('a'));
    await send(whole('lost'));
    server.wsClose(fd);
    const got = [await client.readFrame(), await client.readFrame()];
    expect(got.map(({ opcode }) => opcode)).toEqual([TEXT, CLOSE]);
    expect(client.raw.received).toHaveLength(0);
  });

  test('of one connection is no matter of another', async () => {
    const { client, send, server, open } = await openOne();
    const other = await open();
    const otherFd = lastFd(server);
    await send(first('a'));
    await server.wsSendFrameAsync(otherFd, wsFrame(whole('x')));
    expect((await other.readFrame()).text).toBe('x');
    expect(await errorOf(() => server.wsSendFrameAsync(otherFd, wsFrame(last('x'))))).toBe('ESP_ERR_INVALID_STATE');
    await send(last('b'));
    expect(await read(client, 2)).toEqual(['1-a', '0+b']);
  });
});

describe('in the handshake', () => {
  test.each<[name: string, frame: Partial<HttpdWsFrame>, error: string]>([
    ['a continuation without a beginning', last('x'), 'ESP_ERR_INVALID_STATE'],
    ['a Close with one byte', { type: CLOSE, payload: Buffer.of(3) }, 'ESP_ERR_INVALID_ARG'],
    ['a Close with a code that must not be', { type: CLOSE, payload: Buffer.of(3, 0xed) }, 'ESP_ERR_INVALID_ARG'],
  ])('%s is refused as later: %s', async (_name, frame, error) => {
    const outcomes: string[] = [];
    const { client } = await openOne({
      handler: async req => {
        if (req.method === HTTP_GET) outcomes.push(await errorOf(() => req.wsSendFrame(wsFrame(frame))));
      },
    });
    await expectSilence(client);
    expect(outcomes).toEqual([error]);
  });

  test('a message can be begun, and ended behind it', async () => {
    const { client, send } = await openOne({
      handler: async req => {
        if (req.method !== HTTP_GET) return;
        await req.wsSendFrame(wsFrame(first('a')));
        expect(await errorOf(() => req.wsSendFrame(wsFrame(first('x'))))).toBe('ESP_ERR_INVALID_STATE');
        await req.wsSendFrame(wsFrame(more('b')));
      },
    });
    await send(whole('later'));
    await send(last('c'));
    expect(await read(client, 4)).toEqual(['1-a', '0-b', '0+c', '1+later']);
  });
});

describe("a listener for 'sentData' that sends or closes", () => {
  test('behind a first fragment does not get between that and the next one', async () => {
    const { client, send, server } = await openOne();
    server.once('sentData', () => void send(whole('listener')));
    await send(first('a'));
    await send(last('b'));
    expect(await read(client, 3)).toEqual(['1-a', '0+b', '1+listener']);
  });

  test('behind a last fragment: nothing follows its Close', async () => {
    const { client, send, server, fd } = await openOne();
    await send(first('a'));
    await send(whole('held'));
    server.once('sentData', () => server.wsClose(fd));
    await send(last('b'));
    // what was held is queued before a listener hears of anything
    expect((await read(client, 4)).map(frame => frame[0])).toEqual(['1', '0', '1', '8']);
    expect(client.raw.received).toHaveLength(0);
  });

  test('behind messages that were held: they have left, and a new fragmented one stays together', async () => {
    const { client, send, server } = await openOne();
    await send(first('a'));
    await send(whole('1'));
    await send(whole('2'));
    let told = 0;
    server.on('sentData', () => {
      told += 1;
      // it is told of '1'
      if (told === 2) void send(first('x'));
    });
    await send(last('b'));
    await send(last('y'));
    expect(await read(client, 6)).toEqual(['1-a', '0+b', '1+1', '1+2', '1-x', '0+y']);
  });
});

test('what a handler sends back of a compressed message is one message, in frame mode too', async () => {
  const { client } = await openOne({ wsPerMessageDeflate: { threshold: 1_000 }, handler: onFrame(echoAsItCame) });
  const bytes = compress('hello hello');
  client.send(
    { opcode: TEXT, payload: bytes.subarray(0, 3), fin: false, ...COMPRESSED },
    { opcode: CONTINUE, payload: bytes.subarray(3) },
  );
  expect(await read(client, 1)).toEqual(['1+hello hello']);
});

async function echoAsItCame(req: Parameters<HttpdUri['handler']>[0]): Promise<void> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 100);
  await req.wsSendFrame(pkt);
}
