/** The program of docs/from-c.md, as from_c.test.ts demands: here the compiler sees it. Nothing imports it: it listens. */
import {
  ESP_FAIL,
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_PUT,
  HTTPD_400_BAD_REQUEST,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_TYPE_JSON,
  HTTPD_WS_CLIENT_WEBSOCKET,
  HTTPD_WS_TYPE_TEXT,
  type HttpdReq,
  httpdStart,
  queryKeyValue,
  readForm,
  wsFrame,
} from '../src/index.js';

const BODY_MAX = 128;

const log = espLog('room');
const livingRoom = { target: 20.5 };

async function targetPut(req: HttpdReq): Promise<number> {
  const room = req.userCtx as { target: number };
  const body = Buffer.alloc(BODY_MAX);
  const len = req.contentLen ?? BODY_MAX + 1; // undefined if the body comes in chunks
  let got = 0;

  if (len > BODY_MAX) {
    await req.respSendErr(HTTPD_413_CONTENT_TOO_LARGE);
    return ESP_FAIL;
  }
  while (got < len) {
    const n = await req.recv(body.subarray(got, len)); // a timeout throws: the client gets a 408
    if (n === 0) return ESP_FAIL;
    got += n;
  }

  const value = queryKeyValue(body.toString('utf8', 0, got), 'celsius');
  if (value === undefined) {
    await req.respSendErr(HTTPD_400_BAD_REQUEST, 'celsius is missing');
    return ESP_FAIL;
  }
  room.target = Number.parseFloat(value);
  log.info(`target ${room.target.toFixed(1)}`);

  const json = `{"target":${room.target.toFixed(1)}}\n`;
  req.respSetType(HTTPD_TYPE_JSON);
  await req.respSendstr(json);
  return ESP_OK;
}

const server = await httpdStart({ serverPort: 8080 });
server.registerUriHandler({ uri: '/target', method: HTTP_PUT, handler: targetPut, userCtx: livingRoom });

server.registerUriHandler({
  uri: '/room/target',
  method: HTTP_PUT,
  handler: async req => {
    const form = await readForm(req); // decoded; its length has a limit
    const celsius = Number.parseFloat(form.get('celsius') ?? '');
    if (Number.isNaN(celsius)) return req.respSendErr(HTTPD_400_BAD_REQUEST, 'celsius is missing');
    livingRoom.target = celsius;
    tell(celsius); // the watchers: see below
    req.respSetType(HTTPD_TYPE_JSON);
    await req.respSend(`${JSON.stringify(livingRoom)}\n`);
  },
});
server.registerUriHandler({
  uri: '/room',
  method: HTTP_GET,
  handler: req => {
    req.respSetType(HTTPD_TYPE_JSON);
    return req.respSend(`${JSON.stringify(livingRoom)}\n`);
  },
});

const watchers = new Map<number, { since: Date }>(); // by fd

server.registerUriHandler({
  uri: '/ws',
  method: HTTP_GET,
  isWebsocket: true,
  wsPostHandshakeCb: req => void watchers.set(req.toSockfd(), { since: new Date() }),
  wsCloseCb: ({ fd }) => void watchers.delete(fd),
  handler: async req => {
    if (req.method === HTTP_GET) return; // the handshake
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, BODY_MAX);
  },
});

function tell(celsius: number): void {
  const pkt = wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: `${celsius}` });
  for (const fd of watchers.keys()) {
    if (server.wsGetFdInfo(fd) === HTTPD_WS_CLIENT_WEBSOCKET) void server.wsSendFrameAsync(fd, pkt); // no queueWork
  }
}

server.registerUriHandler({
  uri: '/later',
  method: HTTP_GET,
  handler: req => {
    const fd = req.toSockfd();
    server.queueWork(() => server.socketSend(fd, Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlater')));
    return ESP_OK;
  },
});
