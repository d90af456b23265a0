/**
 * The URI handlers of ESP-IDF's advanced_tests example, which its test script drives to the limits of a server.
 */
import {
  ESP_ERR_INVALID_ARG,
  ESP_ERR_NO_MEM,
  ESP_ERR_NOT_FOUND,
  ESP_FAIL,
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_POST,
  HTTP_PUT,
  HTTPD_400_BAD_REQUEST,
  HTTPD_500,
  HTTPD_TYPE_TEXT,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  type HttpdUri,
  type TagLog,
} from '../../src/index.js';
import { logText } from '../log_text.js';

export const TAG = 'TESTS';
/** The longest body that `/echo` takes, in bytes: a chip has no memory for more. */
export const ECHO_MAX = 100 * 1024;
/** `/adder` reads so many bytes, a number; `/leftover_data` too, and leaves the rest. */
const FEW = 10;
/** A shorter body is shown in the log. */
const SHOWN_MAX = 128;
/** The stack of a chip's server task, in bytes. There is none here, so that all of it is always free. */
const STACK_SIZE = 4096;

/**
 * The limits that the script asks for, and reads from the log: those of a chip. Bodies are for the handlers to refuse, and
 * lines may end as they like.
 */
export const config = {
  maxUriHandlers: 9,
  maxOpenSockets: 7,
  maxReqHdrLen: 1024,
  maxUriLen: 512,
  maxReqBodyLen: 2 ** 40,
  lenientLineEndings: true,
} as const satisfies Partial<HttpdConfig>;

/** Registers all of the example on a server that was started with `config`. */
export function register(server: HttpdServer, log = espLog(TAG)): void {
  log.info(`Started HTTP server on port: '${server.port}'`);
  log.info(`Max URI handlers: '${config.maxUriHandlers}'`);
  log.info(`Max Open Sessions: '${config.maxOpenSockets}'`);
  log.info(`Max Header Length: '${config.maxReqHdrLen}'`);
  log.info(`Max URI Length: '${config.maxUriLen}'`);
  log.info(`Max Stack Size: '${STACK_SIZE}'`);
  const handlers = basicHandlers(log);
  log.info('Registering basic handlers');
  log.info(`No of handlers = ${handlers.length}`);
  for (const handler of handlers) server.registerUriHandler(handler);
  log.info('Success');
}

function basicHandlers(log: TagLog): HttpdUri[] {
  const echo = (req: HttpdReq) => echoPostHandler(req, log);
  return [
    { uri: '/hello/type_html', method: HTTP_GET, handler: helloTypeGetHandler },
    { uri: '/test_header', method: HTTP_GET, handler: req => testHeaderGetHandler(req, log) },
    { uri: '/hello', method: HTTP_GET, handler: req => helloGetHandler(req, log) },
    { uri: '/hello/status_500', method: HTTP_GET, handler: helloStatusGetHandler },
    { uri: '/echo', method: HTTP_POST, handler: echo },
    { uri: '/echo', method: HTTP_PUT, handler: echo },
    { uri: '/leftover_data', method: HTTP_POST, handler: req => leftoverDataPostHandler(req, log) },
    { uri: '/adder', method: HTTP_POST, handler: req => adderPostHandler(req, log) },
    { uri: '/async_data', method: HTTP_GET, handler: req => asyncGetHandler(req, log) },
  ];
}

async function helloGetHandler(req: HttpdReq, log: TagLog): Promise<number> {
  log.info(`Free Stack for server task: '${STACK_SIZE}'`);
  await req.respSend('Hello World!');
  return ESP_OK;
}

async function helloTypeGetHandler(req: HttpdReq): Promise<number> {
  req.respSetType(HTTPD_TYPE_TEXT);
  await req.respSend('Hello World!');
  return ESP_OK;
}

async function helloStatusGetHandler(req: HttpdReq): Promise<number> {
  req.respSetStatus(HTTPD_500);
  await req.respSend('Hello World!');
  return ESP_OK;
}

/** Wants two headers with given values, and answers with a third one's, which may be empty. */
async function testHeaderGetHandler(req: HttpdReq, log: TagLog): Promise<number> {
  req.respSetType(HTTPD_TYPE_TEXT);
  for (const [name, expected] of [
    ['Header1', 'Value1'],
    ['Header3', 'Value3'],
  ] as const) {
    const value = req.getHdrValueStr(name);
    if (value === undefined || value === '') {
      log.error(`${name} not found`);
      await req.respSendErr(HTTPD_400_BAD_REQUEST, `${name} not found`);
      return ESP_ERR_NOT_FOUND;
    }
    log.info(`${name} content: ${logText(value)}`);
    if (value !== expected) {
      await req.respSendErr(HTTPD_400_BAD_REQUEST, `Wrong value of ${name} received`);
      return ESP_ERR_INVALID_ARG;
    }
    log.info(`Expected value and received value matched for ${name}`);
  }
  const value = req.getHdrValueStr('Header2');
  if (value === undefined) {
    log.error('Header2 not found');
    await req.respSendErr(HTTPD_400_BAD_REQUEST, 'Header2 not found');
    return ESP_FAIL;
  }
  log.info(`Header2 content: ${logText(value)}`);
  await req.respSend(Buffer.from(value, 'latin1'));
  return ESP_OK;
}

/** Sends the body back when all of it has come, and the header `Custom` with it. */
async function echoPostHandler(req: HttpdReq, log: TagLog): Promise<number> {
  // a body in chunks has no length
  const { contentLen } = req;
  log.info(`/echo handler read content length ${contentLen ?? 0}`);
  if ((contentLen ?? 0) > ECHO_MAX) return noMemory(req, contentLen as number, log);
  const buf = Buffer.alloc(contentLen ?? ECHO_MAX);
  let off = 0;
  while (off < buf.length) {
    const n = await req.recv(buf.subarray(off));
    if (n === 0) break;
    off += n;
    log.info(`/echo handler recv length ${n}`);
  }
  if (contentLen === undefined && (await req.recv(Buffer.alloc(1))) > 0) return noMemory(req, ECHO_MAX + 1, log);
  const body = buf.subarray(0, off);
  if (off < SHOWN_MAX) log.info(`/echo handler read ${logText(body.toString())}`);
  const custom = req.getHdrValueStr('Custom');
  if (custom !== undefined && custom !== '') req.respSetHdr('Custom', custom);
  await req.respSend(body);
  return ESP_OK;
}

async function noMemory(req: HttpdReq, len: number, log: TagLog): Promise<number> {
  log.error(`Failed to allocate memory of ${len + 1} bytes!`);
  await req.respSend500();
  return ESP_ERR_NO_MEM;
}

/** Adds the number in the body to the session's sum, and answers with that. */
async function adderPostHandler(req: HttpdReq, log: TagLog): Promise<number> {
  const text = await receiveFew(req);
  if (text === undefined) return ESP_FAIL;
  const value = Number.parseInt(text, 10) || 0;
  log.info(`/adder handler read ${value}`);
  if (req.sessCtx === undefined) {
    log.info('/adder allocating new session');
    req.sessCtx = { sum: 0 };
    req.freeCtx = () => log.info('Custom Free Context function called');
  }
  const adder = req.sessCtx as { sum: number };
  adder.sum += value;
  await req.respSend(String(adder.sum));
  return ESP_OK;
}

/** Answers with the first bytes of the body; the server drops the rest. */
async function leftoverDataPostHandler(req: HttpdReq, log: TagLog): Promise<number> {
  const text = await receiveFew(req);
  if (text === undefined) return ESP_FAIL;
  log.info(`leftover data handler read ${logText(text)}`);
  await req.respSend(Buffer.from(text, 'latin1'));
  return ESP_OK;
}

/** The first bytes of a body; undefined without one. Who stalls gets a 408 from the server. */
async function receiveFew(req: HttpdReq): Promise<string | undefined> {
  const buf = Buffer.alloc(FEW);
  const n = await req.recv(buf);
  return n === 0 ? undefined : buf.toString('latin1', 0, n);
}

const DOUBLE = 'Hello Double World!';

/** Answers, and has a second answer sent from the work queue. */
async function asyncGetHandler(req: HttpdReq, log: TagLog): Promise<number> {
  await req.respSend('Hello World!');
  const server = req.handle;
  const fd = req.toSockfd();
  log.info(`Queuing work fd : ${fd}`);
  server.queueWork(() => {
    log.info(`Executing queued work fd : ${fd}`);
    // the client may have left meanwhile; its fd is never given to another
    if (!server.getClientList().includes(fd)) return;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${DOUBLE.length}\r\n`;
    for (const part of [head, '\r\n', DOUBLE]) server.socketSend(fd, Buffer.from(part));
  });
  return ESP_OK;
}
