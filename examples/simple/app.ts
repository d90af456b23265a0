/**
 * The URI handlers of ESP-IDF's simple example.
 */
import {
  basicAuth,
  basicAuthUser,
  ESP_FAIL,
  ESP_OK,
  espLog,
  HTTP_ANY,
  HTTP_GET,
  HTTP_POST,
  HTTP_PUT,
  HTTPD_400_BAD_REQUEST,
  HTTPD_401_UNAUTHORIZED,
  HTTPD_404_NOT_FOUND,
  HTTPD_TYPE_JSON,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  queryKeyValue,
  type TagLog,
} from '../../src/index.js';
import { logText } from '../log_text.js';

export const TAG = 'example';
/** What the C example sets in `httpd_config_t`. */
export const config = { lruPurgeEnable: true } as const satisfies Partial<HttpdConfig>;

/** ESP-IDF's `CONFIG_EXAMPLE_BASIC_AUTH_USERNAME` and `…_PASSWORD`. */
const USERNAME = 'ESP32';
const PASSWORD = 'ESP32Webserver';
/** So much of a body is received, and sent back, at a time. */
const ECHO_SIZE = 100;

/** Time in ms, and a timer; tests bring their own. */
export interface Clock {
  now(): number;
  every(ms: number, fn: () => void): () => void;
}

const systemClock: Clock = {
  now: () => performance.now(),
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    return () => clearInterval(timer);
  },
};

/** Registers all of the example on a server: `/hello`, `/echo`, `/ctrl`, `/any`, `/sse` and `/basic_auth`. */
export function register(server: HttpdServer, parts: { log?: TagLog; clock?: Clock } = {}): void {
  const { log = espLog(TAG), clock = systemClock } = parts;
  log.info(`Starting server on port: '${server.port}'`);
  log.info('Registering URI handlers');
  const handlers = new Handlers(server, log, clock);
  handlers.offer();
  server.registerUriHandler({ uri: '/ctrl', method: HTTP_PUT, handler: req => handlers.ctrl(req) });
  server.registerUriHandler({ uri: '/any', method: HTTP_ANY, userCtx: 'Hello World!', handler: anyHandler });
  server.registerUriHandler({ uri: '/sse', method: HTTP_GET, handler: req => handlers.sse(req) });
  registerBasicAuth(server, log);
}

class Handlers {
  /** Are `/hello` and `/echo` registered? */
  private offered = false;
  private readonly bootedAt: number;

  constructor(
    private readonly server: HttpdServer,
    private readonly log: TagLog,
    private readonly clock: Clock,
  ) {
    this.bootedAt = clock.now();
  }

  /** Registers `/hello` and `/echo`, unless they are. */
  offer(): void {
    if (!this.offered) {
      const { server } = this;
      server.registerUriHandler({
        uri: '/hello',
        method: HTTP_GET,
        handler: req => this.hello(req),
        // what the handler answers with
        userCtx: 'Hello World!',
      });
      server.registerUriHandler({ uri: '/echo', method: HTTP_POST, handler: req => this.echo(req) });
    }
    this.offered = true;
    this.server.registerErrHandler(HTTPD_404_NOT_FOUND, notFound);
  }

  /** Takes `/hello` and `/echo` away: their requests go to the handler of errors. */
  withdraw(): void {
    if (this.offered) for (const uri of ['/hello', '/echo']) this.server.unregisterUri(uri);
    this.offered = false;
    this.server.registerErrHandler(HTTPD_404_NOT_FOUND, notAvailable);
  }

  /** GET /hello: tells the log what the request says, and answers with the context of the URI. */
  async hello(req: HttpdReq): Promise<number> {
    const { log } = this;
    for (const name of ['Host', 'Test-Header-2', 'Test-Header-1']) {
      const value = req.getHdrValueStr(name);
      if (value) log.info(`Found header => ${name}: ${logText(value)}`);
    }
    const query = req.getUrlQueryStr();
    if (query !== undefined) {
      log.info(`Found URL query => ${logText(query)}`);
      for (const key of ['query1', 'query3', 'query2']) {
        const value = queryKeyValue(query, key);
        if (value === undefined) continue;
        log.info(`Found URL query parameter => ${key}=${logText(value)}`);
        log.info(`Decoded query parameter => ${logText(uriDecode(value))}`);
      }
    }
    req.respSetHdr('Custom-Header-1', 'Custom-Value-1');
    req.respSetHdr('Custom-Header-2', 'Custom-Value-2');
    await req.respSend(req.userCtx as string);
    // on the chip they are; here they could still be read, but who reads the log waits for this line
    log.info('Request headers lost');
    return ESP_OK;
  }

  /** POST /echo: sends the body back while it comes. */
  async echo(req: HttpdReq): Promise<number> {
    const buf = Buffer.alloc(ECHO_SIZE);
    // a character may be cut in two by the pieces
    const decoder = new TextDecoder();
    for (;;) {
      const n = await req.recv(buf);
      if (n === 0) break;
      const piece = buf.subarray(0, n);
      await req.respSendChunk(piece);
      this.log.info('=========== RECEIVED DATA ==========');
      this.log.info(logText(decoder.decode(piece, { stream: true })));
      this.log.info('====================================');
    }
    await req.respSendChunk();
    return ESP_OK;
  }

  /** PUT /ctrl: a body that begins with '0' takes `/hello` and `/echo` away, any other brings them back. */
  async ctrl(req: HttpdReq): Promise<number> {
    const buf = Buffer.alloc(1);
    if ((await req.recv(buf)) === 0) {
      await req.respSendErr(HTTPD_400_BAD_REQUEST, 'Send 0 or 1');
      return ESP_OK;
    }
    if (buf.toString() === '0') {
      this.log.info('Unregistering /hello and /echo URIs');
      this.withdraw();
    } else {
      this.log.info('Registering /hello and /echo URIs');
      this.offer();
    }
    await req.respSend();
    return ESP_OK;
  }

  /** GET /sse: tells the time every second, until the client leaves. */
  sse(req: HttpdReq): number {
    const stream = req.respStartEvents();
    const tell = (): void => {
      const seconds = Math.floor((this.clock.now() - this.bootedAt) / 1000);
      // it fails if the client has left, and then the timer ends too
      stream.send({ data: `Time since boot: ${seconds} seconds` }).catch(() => {});
    };
    tell();
    void stream.closed.then(this.clock.every(1000, tell));
    return ESP_OK;
  }
}

/** Any method on /any: answers with the context of the URI. */
async function anyHandler(req: HttpdReq): Promise<number> {
  await req.respSend(req.userCtx as string);
  return ESP_OK;
}

/** What the chip says to a 404 by itself. */
async function notFound(req: HttpdReq): Promise<number> {
  req.respSetHdr('Connection', 'close');
  await req.respSendErr(HTTPD_404_NOT_FOUND, 'Nothing matches the given URI');
  return ESP_OK;
}

/** While `/hello` and `/echo` are away: the connection of a request for `/hello` stays, any other ends. */
async function notAvailable(req: HttpdReq): Promise<number> {
  const withdrawn = req.uri === '/hello' || req.uri === '/echo';
  await req.respSendErr(HTTPD_404_NOT_FOUND, withdrawn ? `${req.uri} URI is not available` : 'Some 404 error message');
  return req.uri === '/hello' ? ESP_OK : ESP_FAIL;
}

/** GET /basic_auth: for the one user of this example. */
function registerBasicAuth(server: HttpdServer, log: TagLog): void {
  server.before('/basic_auth', req => {
    // what it says is a password: none of it goes to the log
    if (req.getHdrValueLen('Authorization') === 0) log.error('No auth header received');
  });
  server.before('/basic_auth', basicAuth({ realm: 'Hello', users: { [USERNAME]: PASSWORD } }));
  server.on('error', code => {
    if (code === HTTPD_401_UNAUTHORIZED) log.error('Not authenticated');
  });
  server.registerUriHandler({
    uri: '/basic_auth',
    method: HTTP_GET,
    handler: async req => {
      log.info('Authenticated!');
      req.respSetType(HTTPD_TYPE_JSON);
      await req.respSend(`{"authenticated": true,"user": ${JSON.stringify(basicAuthUser(req))}}`);
      return ESP_OK;
    },
  });
}

/** Percent-decoded (RFC 3986 section 2.1); as it is if that gives no text. */
function uriDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
