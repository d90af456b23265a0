/** What the server of the HTTP target serves: a handler for each way to receive and to answer. */
import { ESP_FAIL, ESP_OK } from '../../src/err.js';
import { queryKeyValue } from '../../src/httpd/headers.js';
import { HTTPD_403_FORBIDDEN, HTTPD_404_NOT_FOUND } from '../../src/httpd/http_err.js';
import { HTTP_ANY, HTTP_GET, HTTP_PUT, HTTPD_WS_FRAME } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { Lab } from './lab.js';
import { echoWhole } from './ws_handlers.js';

type Handler = (req: HttpdReq, lab: Lab) => unknown;

/** Words of a handler that fails on purpose. */
export const ASKED_FOR = 'asked for';
/** Its response is left incomplete on purpose. */
export const HALF = '/half';
/** A WebSocket, and below it one for pages of the same host. */
export const WEBSOCKET = '/ws';
export const SAME_ORIGIN = '/ws/same';

/** Receives the body in small parts. */
async function receive(req: HttpdReq, lab: Lab, size: number): Promise<string> {
  const head = lab.heads.at(-1);
  const buf = Buffer.alloc(size);
  let text = '';
  for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) text += buf.toString('latin1', 0, n);
  if (head !== undefined) head.body = text;
  lab.calls.push(`body ${text}`);
  return text;
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  '/': req => void req.respSend(`${req.method} ${req.uri}`),
  '/echo': async (req, lab) => {
    const body = await receive(req, lab, 7);
    await req.respSend(Buffer.from(`${req.uri} ${body}`, 'latin1'));
  },
  '/text': async (req, lab) => {
    const text = await req.text();
    lab.calls.push(`text ${text}`);
    req.respSetType('text/plain');
    await req.respSend(text);
  },
  '/json': async (req, lab) => {
    const value = await req.json();
    lab.calls.push(`json ${JSON.stringify(value)}`);
    await req.respSend(JSON.stringify(value) ?? '');
  },
  '/chunks': req => {
    for (const piece of ['one', 'and two', '']) void req.respSendChunk(piece);
  },
  '/stream': async (req, lab) => {
    const text = await receive(req, lab, 64);
    for (let at = 0; at < text.length; at += 50)
      await req.respSendChunk(Buffer.from(text.slice(at, at + 50), 'latin1'));
    await req.respSendChunk();
  },
  '/later': async (req, lab) => {
    await lab.later();
    await req.respSend('later');
  },
  '/copy': (req, lab) => {
    const copy = req.asyncHandlerBegin();
    const ended = lab.goesOn();
    setImmediate(() => {
      ended();
      copy.respSend('copy').catch(() => {});
      try {
        copy.asyncHandlerComplete();
      } catch {
        // the session has ended meanwhile
      }
    });
  },
  '/look': (req, lab) => {
    const { uri } = req;
    const query = uri.slice(uri.indexOf('?') + 1);
    const found = [
      req.getHdrValueStr('x-n'),
      req.getHdrValueStr('host'),
      req.getCookieVal('c'),
      req.getUrlQueryStr(),
      queryKeyValue(query, 'k'),
    ];
    lab.calls.push(`found ${found.join('|')}`);
    try {
      req.respSetHdr('X-Found', found[0] ?? 'nothing');
    } catch {
      // a value that can be received and not sent
    }
    void req.respSend('looked');
  },
  '/ctx': (req, lab) => {
    lab.contexts += 1;
    req.sessCtx = { uri: req.uri };
    req.freeCtx = () => {
      lab.contexts -= 1;
    };
    void req.respSend('ctx');
  },
  '/204': req => {
    req.respSetStatus('204 No Content');
    void req.respSend();
  },
  '/304': req => {
    req.respSetStatus('304 Not Modified');
    void req.respSend('never sent');
  },
  '/close': req => {
    req.respSetHdr('Connection', 'close');
    void req.respSend('last');
  },
  '/err': req => req.handleErr(HTTPD_404_NOT_FOUND),
  '/page': req => req.respSendErr(HTTPD_403_FORBIDDEN, 'no'),
  '/none': () => ESP_OK,
  '/fail': () => ESP_FAIL,
  '/throw': () => {
    throw new Error(ASKED_FOR);
  },
  '/reject': async (_req, lab) => {
    await lab.later();
    throw new Error(ASKED_FOR);
  },
  [HALF]: req => void req.respSendChunk('half of it'),
  '/any/*': req => void req.respSend('any'),
  '/opt/?': req => void req.respSend('opt'),
};

/** Registers them all. */
export function registerHandlers(lab: Lab): void {
  const { server } = lab;
  for (const [uri, handler] of Object.entries(HANDLERS)) {
    const watched = (req: HttpdReq) => {
      lab.calls.push(`${req.method} ${req.uri} ${req.contentLen}`);
      return lab.watch(req, true, () => handler(req, lab)) as Promise<number>;
    };
    server.registerUriHandler({ uri, method: HTTP_ANY, handler: watched });
  }
  server.registerUriHandler({
    uri: '/put',
    method: HTTP_PUT,
    handler: req => lab.watch(req, true, () => HANDLERS['/echo']?.(req, lab)) as Promise<number>,
  });
  const onWs = (req: HttpdReq) => {
    const isFrame = req.method === HTTPD_WS_FRAME;
    return lab.watch(req, false, () => (isFrame ? echoWhole(req, lab) : ESP_OK)) as Promise<number>;
  };
  server.registerUriHandler({
    uri: WEBSOCKET,
    method: HTTP_GET,
    isWebsocket: true,
    supportedSubprotocol: ['chat', 'superchat'],
    wsPerMessageDeflate: true,
    wsAllowedOrigins: ['http://example.com'],
    handler: onWs,
  });
  server.registerUriHandler({
    uri: SAME_ORIGIN,
    method: HTTP_GET,
    isWebsocket: true,
    wsAllowedOrigins: 'same-origin',
    handler: onWs,
  });
}
