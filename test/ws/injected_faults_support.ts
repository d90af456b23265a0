/** Conversations by WebSocket, for a port with faults. */
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { HTTPD_401_UNAUTHORIZED } from '../../src/httpd/http_err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { App, Client, Conversation } from '../support/fault_runs.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  handshakeRequest,
  PING,
  TEXT,
} from '../support/ws_frames.js';
import { echo, pattern, recvAll } from './ws_server.js';

const frame = (opcode: number, payload: Uint8Array | string = '', rest: Partial<FrameSpec> = {}): Buffer =>
  buildFrame({ opcode, payload, ...rest });
const bye = frame(CLOSE, closeBody(1000, 'bye'));

/** Shakes hands; `first` comes right behind. */
async function open(client: Client, first: Uint8Array = Buffer.alloc(0), headers = {}): Promise<void> {
  client.send(handshakeRequest({ headers }), first);
  await client.until('\r\n\r\n');
}

const frames: Conversation = {
  name: 'frames of every length, Ping and Close',
  serve: app => app.websocket({ handler: echo }),
  client: async client => {
    await open(client, frame(TEXT, 'right behind the handshake'));
    client.send(frame(BINARY, pattern(125)), frame(PING, 'are you there?'), frame(TEXT), frame(BINARY, pattern(126)));
    await client.frames(5);
    client.send(bye);
    await client.end();
  },
};

const fragments: Conversation = {
  name: 'fragments by frame, with a Ping between them',
  serve: app => app.websocket({ handler: echo }),
  client: async client => {
    await open(client);
    client.send(frame(TEXT, 'ä', { fin: false }), frame(PING, 'ping'), frame(CONTINUE, 'two', { fin: false }));
    client.send(frame(CONTINUE, 'three'), frame(TEXT, 'whole'));
    await client.frames(5);
    client.send(bye);
    await client.end();
  },
};

/** Receives 500 bytes at a time. */
async function parts(req: HttpdReq): Promise<void> {
  if (req.method === HTTP_GET) return;
  const pkt = wsFrame({ payload: new Uint8Array(500) });
  let n = 0;
  do {
    await req.wsRecvFramePart(pkt, 500);
    n += 1;
  } while (pkt.leftLen > 0);
  await req.wsSendFrame(wsFrame({ type: TEXT, payload: `${pkt.len} in ${n}` }));
}

const inParts: Conversation = {
  name: 'a long frame that is received in parts',
  scale: 100,
  serve: app => app.websocket({ handler: parts, handleWsHandshake: false }),
  client: async client => {
    await open(client);
    // too long to be kept until it is whole
    client.send(frame(BINARY, pattern(16_500)));
    await client.frames(1);
    client.send(bye);
    await client.end();
  },
};

const messages: Conversation = {
  name: 'messages joined from fragments, handed over in packets',
  serve: app => app.websocket({ handler: echo, wsMessageMode: true, wsMaxPacketLen: 100, wsFragmentLen: 16 }),
  client: async client => {
    await open(client);
    client.send(frame(TEXT, 'one ', { fin: false }), frame(CONTINUE, 'two ', { fin: false }), frame(PING));
    client.send(frame(CONTINUE, 'three'), frame(BINARY, pattern(150), { fin: false }), frame(CONTINUE, pattern(90)));
    await client.frames(1);
    client.send(bye);
    await client.end();
  },
};

function deflated(text: string): Buffer {
  return deflateRawSync(text, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
}

function compressed(name: string, wsPerMessageDeflate: object): Conversation {
  const extension = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
  return {
    name: `permessage-deflate ${name}`,
    serve: app => app.websocket({ handler: echo, wsMessageMode: true, wsPerMessageDeflate }),
    client: async client => {
      await open(client, undefined, extension);
      const text = deflated('again and again '.repeat(20));
      client.send(frame(TEXT, text, { rsv: 4 }), frame(TEXT, text.subarray(0, 5), { rsv: 4, fin: false }));
      client.send(frame(CONTINUE, text.subarray(5)), frame(TEXT, 'as it is'));
      await client.frames(3);
      client.send(bye);
      await client.end();
    },
  };
}

const violation: Conversation = {
  name: 'a violation behind a message',
  serve: app => app.websocket({ handler: echo }),
  client: async client => {
    await open(client);
    client.send(frame(TEXT, 'fine'), frame(TEXT, 'unmasked', { mask: false }), frame(TEXT, 'ignored'));
    await client.frames(2);
    client.send(bye);
    await client.end();
  },
};

const refused: Conversation = {
  name: 'handshakes that are refused, and one that is not',
  serve: app =>
    app.websocket({
      handler: echo,
      supportedSubprotocol: ['chat', 'other'],
      wsPreHandshakeCb: async req => {
        await new Promise(resolve => setImmediate(resolve));
        if (req.getHdrValueStr('X-Key') !== 'right') await req.respSendErr(HTTPD_401_UNAUTHORIZED, 'not you');
      },
    }),
  client: async client => {
    // 401 and 426 keep the connection
    client.send(handshakeRequest({ headers: { 'Sec-WebSocket-Version': '12' } }));
    await client.until('426');
    await client.until('\r\n\r\n');
    await open(client, bye, { 'X-Key': 'right', 'Sec-WebSocket-Protocol': 'none, other' });
    await client.end();
  },
};

const unauthorised: Conversation = {
  name: 'a handshake that a callback answers',
  serve: app =>
    app.websocket({ handler: echo, wsPreHandshakeCb: req => req.respSendErr(HTTPD_401_UNAUTHORIZED, 'not you') }),
  client: async client => {
    client.send(handshakeRequest());
    await client.until('not you');
    client.fin();
    await client.end();
  },
};

/** What a server sends by itself: in the handshake, behind it, by fd, to all, and the Close. */
const unasked: Conversation = {
  name: 'frames that nobody asked for, and a Close of the server',
  serve: app => {
    const text = (payload: string) => wsFrame({ type: TEXT, payload });
    const send = async (req: HttpdReq): Promise<void> => {
      const fd = req.toSockfd();
      if (req.method === HTTP_GET) {
        void req.wsSendFrame(text('in the handshake'));
        return;
      }
      await recvAll(req);
      const { server } = app;
      await app.track('wsSendData', server.wsSendData(fd, text('by fd')));
      server.wsSendFrameAsync(fd, text('async'));
      await app.track('the callback', transferred(app, fd));
      server.wsBroadcast(text('to all '.repeat(90)));
      server.wsClose(fd, 1000, 'enough');
    };
    app.websocket({ handler: send, wsPostHandshakeCb: req => req.wsSendFrame(text('behind it')) });
  },
  client: async client => {
    await open(client);
    client.send(frame(TEXT, 'go'));
    await client.frames(7);
    client.send(frame(CLOSE, closeBody(1000)));
    await client.end();
  },
};

/** `wsSendDataAsync` calls back once. */
function transferred(app: App, fd: number): Promise<void> {
  return new Promise(resolve => {
    app.server.wsSendDataAsync(fd, wsFrame({ type: TEXT, payload: 'called back' }), () => resolve(), undefined);
  });
}

const backPressure: Conversation = {
  name: 'a sender that waits for its reader',
  config: { maxTxPending: 1_024, txOverflow: 'error' },
  serve: app =>
    app.websocket({
      handler: async req => {
        if (req.method === HTTP_GET) return;
        await recvAll(req);
        for (let i = 0; i < 6; i++) await req.wsSendFrame(wsFrame({ type: BINARY, payload: pattern(200 + i) }));
      },
    }),
  client: async client => {
    await open(client);
    client.send(frame(TEXT, 'go'), frame(TEXT, 'again'), bye);
    await client.end();
  },
};

export const CONVERSATIONS: readonly Conversation[] = [
  frames,
  fragments,
  inParts,
  messages,
  compressed('without context takeover', { threshold: 64 }),
  compressed('with context takeover', { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false }),
  violation,
  refused,
  unauthorised,
  unasked,
  backPressure,
];
