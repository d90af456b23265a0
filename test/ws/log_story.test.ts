/** What the log tells of WebSockets, in the words and at the levels of ESP-IDF. */
import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { collectLog } from '../support/server.js';
import { CLOSE, closeBody, type FrameSpec, PING, PONG, TEXT } from '../support/ws_frames.js';
import { echo, expectClosed, onFrame, recvAll, startWs, until } from './ws_server.js';

const offering = (list: string) => ({ headers: { 'Sec-WebSocket-Protocol': list } });

describe('subprotocols', () => {
  async function offered(list: string, uri: Partial<HttpdUri>): Promise<string[]> {
    const { logger, lines } = collectLog();
    const { open } = await startWs(uri, { logger });
    await open(offering(list));
    return lines.filter(line => /subprotocol/i.test(line));
  }

  test('that are offered where none is supported are warned of', async () => {
    expect(await offered('echo, x', {})).toEqual([
      'W httpd_ws: Sec-WebSocket-Protocol echo, x not supported, URI do not support any subprotocols',
    ]);
  });

  test('that fit none of the supported are warned of', async () => {
    expect(await offered('x', { supportedSubprotocol: ['chat', 'mqtt'] })).toEqual([
      'W httpd_ws: Sec-WebSocket-Protocol x not supported, supported subprotocol is chat, mqtt',
    ]);
  });

  test('that fit are told of at the level debug', async () => {
    expect(await offered('x, chat', { supportedSubprotocol: 'chat' })).toEqual([
      'D httpd_ws: Requested subprotocol supported: chat',
      'D httpd_ws: subprotocol: chat',
    ]);
  });

  test.each(['', ', ,'])('of an empty list (%j) are not spoken of', async list => {
    expect(await offered(list, {})).toEqual([]);
  });

  test('that the application has chosen itself are its own affair', async () => {
    const wsPreHandshakeCb = (req: HttpdReq) => req.respSetHdr('sec-WebSocket-Protocol', 'x');
    expect(await offered('x', { wsPreHandshakeCb })).toEqual([]);
  });

  test('are not shown at a length that a stranger chooses', async () => {
    const [line] = await offered('x'.repeat(500), {});
    expect(line).toContain(`Sec-WebSocket-Protocol ${'x'.repeat(128)}... not supported`);
  });
});

describe('a frame', () => {
  /** The lines between the bytes and what the library or the handler does. */
  async function told(uri: Partial<HttpdUri>, frame: FrameSpec): Promise<string[]> {
    const { logger, lines } = collectLog();
    const { open } = await startWs(uri, { logger });
    const ws = await open();
    lines.length = 0;
    ws.send(frame);
    await until(() => expect(lines).toContain('D httpd_sess: httpd_sess_process: success'));
    const from = lines.findIndex(line => line.includes('First byte received'));
    return lines.slice(from, lines.indexOf('D httpd_sess: httpd_sess_process: success') + 1);
  }

  const asked = 'D httpd_ws: httpd_ws_get_frame_type: Handler not requests control frames';
  const type = (n: number) => `D httpd_parse: httpd_req_new: New WS request from existing socket, ws_type=${n}`;
  const first = (byte: string) => `D httpd_ws: httpd_ws_get_frame_type: First byte received: ${byte}`;
  const over = ['D httpd_sess: httpd_sess_process: httpd_req_delete', 'D httpd_sess: httpd_sess_process: success'];
  const length = 'D httpd_ws: regard max_len == 0 is OK for user to get frame len';

  test('is told with its type, its length and what has been read of it', async () => {
    expect(
      await told(
        { handler: onFrame(async req => void (await recvAll(req))) },
        { opcode: TEXT, payload: 'x'.repeat(200) },
      ),
    ).toEqual([first('0x81'), asked, type(1), length, 'D httpd_ws: Frame length: 200, Bytes Read: 200', ...over]);
  });

  test('without a payload is told without what has been read', async () => {
    const handler = onFrame(async req => void (await recvAll(req)));
    expect(await told({ handler }, { opcode: TEXT, payload: '' })).toEqual([
      first('0x81'),
      asked,
      type(1),
      length,
      ...over,
    ]);
  });

  test('that is received in parts is told part by part', async () => {
    const handler = onFrame(async req => {
      const pkt = wsFrame();
      await req.wsRecvFramePart(pkt, 4);
      await req.wsRecvFramePart(pkt, 4);
    });
    const more = 'D httpd_ws: httpd_ws_recv_frame_internal: WS Message too long. User will have to call read again';
    expect(await told({ handler }, { opcode: TEXT, payload: 'abcdef' })).toEqual([
      first('0x81'),
      asked,
      type(1),
      more,
      'D httpd_ws: Frame length: 6, Bytes Read: 4',
      more,
      'D httpd_ws: Frame length: 6, Bytes Read: 2',
      ...over,
    ]);
  });

  test('that is longer than what is collected is told as it comes', async () => {
    const lines = await told(
      { handler: onFrame(async req => void (await recvAll(req))) },
      { opcode: TEXT, payload: 'x'.repeat(40_000) },
    );
    const read = lines.flatMap(line => line.match(/Frame length: 40000, Bytes Read: (\d+)$/)?.[1] ?? []).map(Number);
    expect(read.at(-1)).toBe(40_000);
    expect([...read].sort((a, b) => a - b)).toEqual(read);
  });

  test('with a Ping tells that it is answered', async () => {
    expect(await told({}, { opcode: PING, payload: 'ESP' })).toEqual([
      first('0x89'),
      asked,
      'D httpd_ws: Frame length: 3, Bytes Read: 3',
      'D httpd_ws: httpd_ws_get_frame_type: Got a WS PING frame, Replying PONG...',
      type(9),
      ...over,
    ]);
  });

  test('with a Ping for a handler that asks for control frames is the handler’s', async () => {
    expect(await told({ handler: echo, handleWsControlFrames: true }, { opcode: PING, payload: '' })).toEqual([
      first('0x89'),
      type(9),
      length,
      ...over,
    ]);
  });

  test('with a Pong tells so', async () => {
    const handler = onFrame(() => {});
    expect(await told({ handler }, { opcode: PONG, payload: 'x' })).toEqual([
      first('0x8A'),
      asked,
      type(10),
      'D httpd_parse: httpd_req_new: Received PONG frame',
      ...over,
    ]);
  });

  test.each([
    ['the library answers', {}],
    ['the handler is called for', { handleWsControlFrames: true, handler: onFrame(() => {}) }],
  ])('with a Close that %s tells that the connection is closed', async (_what, uri) => {
    const lines = await told(uri, { opcode: CLOSE, payload: closeBody(1000) });
    expect(lines.slice(-4)[0]).toBe(type(8));
    expect(lines.at(-2)).toMatch(/^D httpd_parse: httpd_req_cleanup: Try closing WS connection at FD: \d+$/);
  });
});

test('the log counts the sockets that are in use', async () => {
  const { logger, lines } = collectLog();
  const { open } = await startWs({}, { logger, maxOpenSockets: 2 });
  const told = () =>
    lines.filter(line => line.includes('active sockets')).map(line => line.replace('D httpd_sess: ', ''));
  const [one, other] = [await open(), await open()];
  expect(told().splice(0)).toEqual(['httpd_sess_new: active sockets: 1', 'httpd_sess_new: active sockets: 2']);
  for (const [ws, left] of [
    [one, 1],
    [other, 0],
  ] as const) {
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    ws.raw.end();
    await until(() => expect(told().at(-1)).toBe(`httpd_sess_delete: active sockets: ${left}`));
  }
});
