/**
 * The URI handlers of ESP-IDF's persistent_sockets example: a session remembers a sum from one request to the next.
 */
import {
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_POST,
  HTTP_PUT,
  HTTPD_400_BAD_REQUEST,
  type HttpdReq,
  type HttpdServer,
  type TagLog,
} from '../../src/index.js';

export const TAG = 'example';
/** So much of a body is looked at: a number. */
const NUMBER_LEN = 10;

/** The context of a session. */
interface Adder {
  sum: number;
}

/** The context of the URIs: requests that the server has had. */
interface Visitors {
  count: number;
}

/** Registers all of the example on a server: `/adder`, `/login` and `/logout`. */
export function register(server: HttpdServer, { log = espLog(TAG) }: { log?: TagLog } = {}): void {
  log.info(`Starting server on port: '${server.port}'`);
  log.info('Registering URI handlers');
  const handlers = new Handlers(log);
  const visitors: Visitors = { count: 0 };
  const get = { method: HTTP_GET, userCtx: visitors };
  const adder = { uri: '/adder', userCtx: visitors };
  server.registerUriHandler({ ...adder, method: HTTP_GET, handler: req => handlers.get(req) });
  server.registerUriHandler({ ...get, uri: '/login', handler: req => handlers.login(req) });
  server.registerUriHandler({ ...get, uri: '/logout', handler: req => handlers.logout(req) });
  server.registerUriHandler({ ...adder, method: HTTP_PUT, handler: req => handlers.put(req) });
  server.registerUriHandler({ ...adder, method: HTTP_POST, handler: req => handlers.post(req) });
}

class Handlers {
  constructor(private readonly log: TagLog) {}

  /** POST /adder: adds the number in the body to the session's sum, and answers with that. */
  async post(req: HttpdReq): Promise<number> {
    this.countVisitor(req, '/adder');
    const value = await receiveNumber(req);
    if (value === undefined) return refuse(req);
    this.log.info(`/adder handler read ${value}`);
    const adder = this.adderOf(req, '/adder allocating new session');
    adder.sum += value;
    return answer(req, adder.sum);
  }

  /** GET /adder: answers with the session's sum. */
  async get(req: HttpdReq): Promise<number> {
    this.countVisitor(req, '/adder');
    const { sum } = this.adderOf(req, '/adder GET allocating new session');
    this.log.info(`/adder GET handler send ${sum}`);
    return answer(req, sum);
  }

  /** PUT /adder: the number in the body becomes the session's sum. */
  async put(req: HttpdReq): Promise<number> {
    this.countVisitor(req, '/adder');
    const value = await receiveNumber(req);
    if (value === undefined) return refuse(req);
    this.log.info(`/adder PUT handler read ${value}`);
    const adder = this.adderOf(req, '/adder PUT allocating new session');
    adder.sum = value;
    return answer(req, adder.sum);
  }

  /** GET /login: makes a context that needs no function to free it. */
  async login(req: HttpdReq): Promise<number> {
    this.countVisitor(req, '/login');
    if (req.sessCtx === undefined) {
      this.log.info('/login GET allocating new session');
      req.sessCtx = { sum: 1 } satisfies Adder;
    }
    const { sum } = req.sessCtx as Adder;
    this.log.info(`/login GET handler send ${sum}`);
    return answer(req, sum);
  }

  /** GET /logout: lets the session's context go; the server frees it. */
  async logout(req: HttpdReq): Promise<number> {
    this.log.info('Logging out');
    req.sessCtx = undefined;
    return answer(req, 1);
  }

  private countVisitor(req: HttpdReq, uri: string): void {
    const visitors = req.userCtx as Visitors;
    visitors.count += 1;
    this.log.info(`${uri} visitor count = ${visitors.count}`);
  }

  /** The session's context; a new one if it has none. */
  private adderOf(req: HttpdReq, ifNew: string): Adder {
    if (req.sessCtx === undefined) {
      this.log.info(ifNew);
      req.sessCtx = { sum: 0 } satisfies Adder;
      req.freeCtx = () => this.log.info('/adder Free Context function called');
    }
    return req.sessCtx as Adder;
  }
}

/** The number that a body begins with, as `atoi` reads it; undefined without a body. */
async function receiveNumber(req: HttpdReq): Promise<number | undefined> {
  const buf = Buffer.alloc(NUMBER_LEN);
  const n = await req.recv(buf);
  if (n === 0) return undefined;
  return Number.parseInt(buf.toString('latin1', 0, n), 10) || 0;
}

async function refuse(req: HttpdReq): Promise<number> {
  await req.respSendErr(HTTPD_400_BAD_REQUEST, 'Send a number');
  return ESP_OK;
}

async function answer(req: HttpdReq, value: number): Promise<number> {
  await req.respSend(String(value));
  return ESP_OK;
}
