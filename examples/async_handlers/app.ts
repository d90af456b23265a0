/**
 * The URI handlers of ESP-IDF's async_handlers example: requests that take long go to workers, and others don't wait.
 */
import {
  ESP_OK,
  espLog,
  HTTP_GET,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  type TagLog,
} from '../../src/index.js';
import { logText } from '../log_text.js';

export const TAG = 'example';
/** Long requests at a time: ESP-IDF's `CONFIG_EXAMPLE_MAX_ASYNC_REQUESTS`. */
export const MAX_ASYNC_REQUESTS = 2;
/** How often a long request sends something, and how many times. */
const TICK_MS = 1000;
const TICKS = 60;

/** What the C example sets in `httpd_config_t`: one session more than workers, so that one is left for a quick request. */
export const config = {
  lruPurgeEnable: true,
  maxOpenSockets: MAX_ASYNC_REQUESTS + 1,
} as const satisfies Partial<HttpdConfig>;

/** A timer; tests bring their own. */
export interface Clock {
  after(ms: number, fn: () => void): unknown;
}

/** Registers all of the example on a server, `/`, `/long` and `/quick`, and starts its workers. */
export function register(server: HttpdServer, parts: { log?: TagLog; clock?: Clock } = {}): void {
  const { log = espLog(TAG), clock = { after: (ms, fn) => setTimeout(fn, ms) } } = parts;
  const workers = new Workers(MAX_ASYNC_REQUESTS, log);
  log.info(`Starting server on port: '${server.port}'`);
  log.info('Registering URI handlers');
  /** Long requests that the server has had. */
  let count = 0;

  async function indexHandler(req: HttpdReq): Promise<number> {
    log.info('uri: /');
    await req.respSendstr('<div><a href="/long">long</a></div><div><a href="/quick">quick</a></div>');
    return ESP_OK;
  }

  /** Hands the request to a worker, and returns at once. */
  async function longHandler(req: HttpdReq): Promise<number> {
    log.info('uri: /long');
    if (!workers.queueRequest(req, longAsync)) {
      req.respSetStatus('503 Busy');
      await req.respSendstr('<div> no workers available. server busy.</div>');
    }
    return ESP_OK;
  }

  /** What the worker does: `req` is a request of its own, whose handler has long returned. */
  async function longAsync(req: HttpdReq): Promise<void> {
    log.info(`Request URI: ${logText(req.uri)}`);
    const host = req.getHdrValueStr('Host');
    if (host) log.info(`Found header => Host: ${logText(host)}`);
    const query = req.getUrlQueryStr();
    if (query !== undefined) log.info(`Found query string => ${logText(query)}`);

    count += 1;
    await req.respSendstrChunk(`<div>req: ${count}</div>\n`);
    for (let i = 0; i < TICKS; i++) {
      // here a real application would calculate something, or ask somebody
      await new Promise<void>(resolve => clock.after(TICK_MS, resolve));
      await req.respSendstrChunk(`<div>${i}</div>\n`);
    }
    await req.respSendstrChunk();
  }

  async function quickHandler(req: HttpdReq): Promise<number> {
    log.info('uri: /quick');
    await req.respSendstr(`random: ${Math.floor(Math.random() * 2 ** 31)}\n`);
    return ESP_OK;
  }

  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: indexHandler });
  server.registerUriHandler({ uri: '/long', method: HTTP_GET, handler: longHandler });
  server.registerUriHandler({ uri: '/quick', method: HTTP_GET, handler: quickHandler });
}

/** As many requests at a time as there are workers. On the chip each is a task; here a promise does as well. */
class Workers {
  private ready = 0;

  constructor(
    count: number,
    private readonly log: TagLog,
  ) {
    for (let i = 0; i < count; i++) {
      log.info('starting async req task worker');
      this.ready += 1;
    }
  }

  /** @returns false if no worker is ready: nobody has taken the request */
  queueRequest(req: HttpdReq, handler: (req: HttpdReq) => Promise<void>): boolean {
    if (this.ready === 0) {
      this.log.error('No workers are available');
      return false;
    }
    // if there is no memory for a copy this throws, and the worker stays ready
    const copy = req.asyncHandlerBegin();
    this.ready -= 1;
    void this.work(copy, handler);
    return true;
  }

  private async work(req: HttpdReq, handler: (req: HttpdReq) => Promise<void>): Promise<void> {
    this.log.info(`invoking ${logText(req.uri)}`);
    try {
      await handler(req);
    } catch (error) {
      // the client has left
      this.log.error(`Failed to send string chunk: ${logText((error as Error).message)}`);
    } finally {
      this.ready += 1;
      req.asyncHandlerComplete();
    }
  }
}
