/** The handlers of the server whose answers the table describes. */
import type { HttpdConfig } from '../../../src/config.js';
import { HTTP_GET, methodName } from '../../../src/httpd/methods.js';
import type { HttpdReq } from '../../../src/httpd/req.js';
import type { HttpdUri, UriHandler } from '../../../src/httpd/route.js';
import { uriMatchWildcard } from '../../../src/httpd/uri.js';

const PIECE = 4096;

async function bodyOf(req: HttpdReq): Promise<string> {
  const buf = Buffer.alloc(PIECE);
  let body = '';
  for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) body += buf.toString('latin1', 0, n);
  return body;
}

/** Answers with what it has seen. */
const echo: UriHandler = async req => {
  const seen = {
    method: methodName(req.method),
    uri: req.uri,
    host: req.getHdrValueStr('Host'),
    probe: req.getHdrValueStr('X-Probe'),
    body: await bodyOf(req),
  };
  req.respSetType('application/json');
  // latin1: a byte of the request is a byte of the response
  await req.respSend(Buffer.from(JSON.stringify(seen), 'latin1'));
};

/** Answers late, so that what comes behind the request waits. */
const slow: UriHandler = async req => {
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
  await echo(req);
};

/** Answers with a status without content, and tries to send some. */
function bare(status: string): UriHandler {
  return req => {
    req.respSetStatus(status);
    void req.respSend('not to be sent');
  };
}

const chunks: UriHandler = async req => {
  await req.respSendChunk('one');
  await req.respSendChunk('two');
  await req.respSendChunk();
};

const ECHOED = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** By method and URI. */
export const ECHO_ROUTES: Readonly<Record<string, UriHandler>> = {
  ...Object.fromEntries(ECHOED.flatMap(method => [`${method} /`, `${method} /echo`].map(key => [key, echo]))),
  'GET /last': echo,
  'GET /smuggled': echo,
  'GET /get': echo,
  'GET /e/*': echo,
  'GET /slow': slow,
  'POST /early': req => {
    void req.respSend('early');
  },
  'GET /204': bare('204 No Content'),
  'GET /205': bare('205 Reset Content'),
  'GET /304': bare('304 Not Modified'),
  'GET /chunks': chunks,
};

export const ECHO_WEBSOCKET: HttpdUri = { uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined };

export const ECHO_CONFIG: Partial<HttpdConfig> = { uriMatchFn: uriMatchWildcard };
