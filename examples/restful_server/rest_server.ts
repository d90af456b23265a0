/**
 * ESP-IDF's restful_server: an interface in JSON to a light, a thermometer and what the device knows of itself, and a page.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import {
  ESP_FAIL,
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_HEAD,
  HTTP_POST,
  HTTPD_400_BAD_REQUEST,
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  HTTPD_TYPE_JSON,
  type HttpdReq,
  type HttpdServer,
  type TagLog,
} from '../../src/index.js';
import { sameOriginOnly } from '../file_server/same_origin.js';
import { logText } from '../log_text.js';
import { pageHandler } from '../page.js';
import { type Light, readLight } from './light.js';

export const TAG = 'esp-rest';
export const API = '/api/v1';
/** A body must be shorter than this (`SCRATCH_BUFSIZE`). */
export const SCRATCH_BUFSIZE = 10_240;
/** A temperature is below this. */
const TEMPERATURES = 20;
/** Where the log says that files are: ESP-IDF's mount point of the page. */
const BASE_PATH = '/www';

const page = pageHandler(new URL('./index.html', import.meta.url));

export interface RestParts {
  readonly log?: TagLog;
  /** What the thermometer shows, a whole number. By default a random one, as in ESP-IDF. */
  readonly readTemperature?: () => number;
}

/** Registers all of the example. What it remembers, the light, belongs to this server. */
export function registerRestHandlers(server: HttpdServer, parts: RestParts = {}): void {
  const { log = espLog(TAG), readTemperature = () => randomInt(TEMPERATURES) } = parts;
  let light: Light = { red: 0, green: 0, blue: 0 };

  async function lightBrightnessPostHandler(req: HttpdReq): Promise<number> {
    const body = await readBody(req);
    if (body === undefined) {
      await req.respSendErr(HTTPD_500_INTERNAL_SERVER_ERROR, 'content too long');
      return ESP_FAIL;
    }
    const wanted = readLight(body);
    if (wanted === undefined) {
      await req.respSendErr(HTTPD_400_BAD_REQUEST, 'red, green and blue must be whole numbers from 0 to 255, in JSON');
      return ESP_OK;
    }
    light = wanted;
    log.info(`Light control: red = ${light.red}, green = ${light.green}, blue = ${light.blue}`);
    await req.respSend('Post control value successfully');
    return ESP_OK;
  }

  const get = {
    [`${API}/system/info`]: (req: HttpdReq) =>
      sendJson(req, { version: process.version, cores: availableParallelism() }),
    [`${API}/temp/raw`]: (req: HttpdReq) => sendJson(req, { raw: readTemperature() }),
    [`${API}/light/brightness`]: (req: HttpdReq) => sendJson(req, { ...light }),
    '/': sendPage,
    '/index.html': sendPage,
  };

  async function sendPage(req: HttpdReq): Promise<number> {
    await page(req);
    log.info('File sending complete');
    return ESP_OK;
  }

  /** Files can be got, by any path; that there is only one is a matter of the file system. */
  async function noSuchFile(req: HttpdReq): Promise<number> {
    if (req.method !== HTTP_GET && req.method !== HTTP_HEAD) {
      req.respSetHdr('Allow', 'GET, HEAD');
      await req.respSendErr(HTTPD_405_METHOD_NOT_ALLOWED);
      return ESP_OK;
    }
    log.error(`Failed to open file : ${BASE_PATH}${logText(req.uri)}`);
    await req.respSendErr(HTTPD_500_INTERNAL_SERVER_ERROR, 'Failed to read existing file');
    return ESP_FAIL;
  }

  server.before('/', sameOriginOnly);
  for (const [uri, handler] of Object.entries(get)) server.registerUriHandler({ uri, method: HTTP_GET, handler });
  server.registerUriHandler({
    uri: `${API}/light/brightness`,
    method: HTTP_POST,
    handler: lightBrightnessPostHandler,
  });
  server.registerErrHandler(HTTPD_404_NOT_FOUND, noSuchFile);
}

/** The whole body; undefined if it is too long, which shows before all of it has come. */
async function readBody(req: HttpdReq): Promise<string | undefined> {
  if ((req.contentLen ?? 0) >= SCRATCH_BUFSIZE) return undefined;
  const buf = Buffer.allocUnsafe(SCRATCH_BUFSIZE);
  let received = 0;
  while (received < buf.length) {
    const n = await req.recv(buf.subarray(received));
    if (n === 0) return buf.toString('utf8', 0, received);
    received += n;
  }
  return undefined;
}

/** An object as `cJSON_Print()` writes it. */
async function sendJson(req: HttpdReq, values: Record<string, string | number>): Promise<number> {
  const members = Object.entries(values).map(([name, value]) => `\t${JSON.stringify(name)}:\t${JSON.stringify(value)}`);
  req.respSetType(HTTPD_TYPE_JSON);
  req.respSetHdr('Cache-Control', 'no-store');
  await req.respSend(`{\n${members.join(',\n')}\n}`);
  return ESP_OK;
}
