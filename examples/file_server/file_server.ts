/**
 * The URI handlers of ESP-IDF's file_serving example.
 */
import { readFileSync } from 'node:fs';
import {
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_POST,
  HTTPD_400_BAD_REQUEST,
  HTTPD_404_NOT_FOUND,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  type HttpdConfig,
  type HttpdErrCode,
  type HttpdReq,
  type HttpdServer,
  type TagLog,
  uriMatchWildcard,
} from '../../src/index.js';
import { logText } from '../log_text.js';
import { decodeName, isFileName, NAME_MAX } from './file_name.js';
import type { FileStore, Upload } from './file_store.js';
import { formatSize, sendListPage } from './list_page.js';
import { sameOriginOnly } from './same_origin.js';

export const TAG = 'file_server';
/** The tag of what starts the server. */
const MAIN_TAG = 'example';
/** Where the log says that the files are: the base path of ESP-IDF's storage. */
const BASE_PATH = '/data';
/** The longest file, unless told otherwise, in bytes: ESP-IDF's MAX_FILE_SIZE. */
export const MAX_FILE_SIZE = 200 * 1024;
/** So much of an upload is received at a time, in bytes. */
const SCRATCH_BUFSIZE = 64 * 1024;
/** Files are for looking at: their scripts don't run, and they have the rights of no page of this server. */
const FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

const NO_ROOM = {
  busy: { status: '503 Service Unavailable', message: 'Too many uploads at once' },
  full: { status: '507 Insufficient Storage', message: 'Too many files: delete some first' },
} as const;

const favicon = readFileSync(new URL('./favicon.svg', import.meta.url));

export interface FileServerOptions {
  readonly store: FileStore;
  /** The longest file, in bytes. */
  readonly maxSize?: number;
  readonly log?: TagLog;
}

export interface FilesParts {
  readonly store: FileStore;
  /** The longest file, in bytes. */
  readonly maxSize: number;
  /** The log of a tag. */
  readonly logOf?: (tag: string) => TagLog;
}

/** What the handlers need of the server's configuration. */
export function fileServerConfig(maxSize = MAX_FILE_SIZE) {
  return { uriMatchFn: uriMatchWildcard, maxReqBodyLen: maxSize } satisfies Partial<HttpdConfig>;
}

/** The whole example on a server that listens: the handlers, and what ESP-IDF's logs as it starts. */
export function startFiles(server: HttpdServer, { store, maxSize, logOf = espLog }: FilesParts): void {
  const main = logOf(MAIN_TAG);
  const log = logOf(TAG);
  main.info('Starting example');
  log.info(`Files are in ${store.root}, up to ${maxSize} bytes each`);
  log.info(`Starting HTTP Server on port: '${server.port}'`);
  registerFileHandlers(server, { store, maxSize, log });
  main.info('File server started');
}

/** Registers the handlers for the files of `store`, on a server that was started with `fileServerConfig`. */
export function registerFileHandlers(server: HttpdServer, options: FileServerOptions): void {
  const handlers = new FileHandlers(options.store, options.maxSize ?? MAX_FILE_SIZE, options.log ?? espLog(TAG));
  server.before('/', sameOriginOnly);
  server.registerErrHandler(HTTPD_413_CONTENT_TOO_LARGE, req => handlers.tooLarge(req));
  server.registerUriHandler({ uri: '/*', method: HTTP_GET, handler: req => handlers.download(req) });
  server.registerUriHandler({ uri: '/upload/*', method: HTTP_POST, handler: req => handlers.upload(req) });
  server.registerUriHandler({ uri: '/delete/*', method: HTTP_POST, handler: req => handlers.delete(req) });
}

class FileHandlers {
  constructor(
    private readonly store: FileStore,
    private readonly maxSize: number,
    private readonly log: TagLog,
  ) {}

  /** GET: the list of files, or a file. */
  async download(req: HttpdReq): Promise<number> {
    const path = pathOf(req);
    if (path === '/') return this.list(req);
    if (path.endsWith('/')) {
      return this.refuse(
        req,
        HTTPD_404_NOT_FOUND,
        'Directory does not exist',
        `Failed to stat dir : ${BASE_PATH}${logText(path)}`,
      );
    }
    const name = decodeName(path.slice(1));
    const file = name !== undefined && isFileName(name) ? await this.store.find(name) : undefined;
    if (file === undefined) {
      // a file of that name comes first
      if (name === 'index.html') return redirectToList(req, '307 Temporary Redirect');
      if (name === 'favicon.ico') return sendFavicon(req);
      return this.refuse(
        req,
        HTTPD_404_NOT_FOUND,
        'File does not exist',
        `Failed to stat file : ${BASE_PATH}${logText(path)}`,
      );
    }
    this.log.info(`Sending file : /${logText(file.name)} (${file.size} bytes)...`);
    req.respSetHdr('Content-Security-Policy', FILE_POLICY);
    req.respSetHdr('X-Content-Type-Options', 'nosniff');
    req.respSetHdr('Cross-Origin-Resource-Policy', 'same-origin');
    await req.respSendFile(this.store.path(file.name), {
      // by default `a.txt.gz`, which anybody may upload, would be sent for `a.txt`
      precompressed: false,
      cacheControl: 'no-cache',
      // browsers show no PDF in a sandbox
      download: /\.pdf$/i.test(file.name),
    });
    this.log.info('File sending complete');
    return ESP_OK;
  }

  private async list(req: HttpdReq): Promise<number> {
    const list = await this.store.list();
    for (const { name, size } of list.files) this.log.info(`Found file : ${logText(name)} (${size} bytes)`);
    await sendListPage(req, list, this.maxSize);
    return ESP_OK;
  }

  /** POST: the body becomes a file, when all of it has come. */
  async upload(req: HttpdReq): Promise<number> {
    const name = await this.nameOf(req, '/upload/');
    if (name === undefined) return ESP_OK;
    if (await this.store.has(name)) return this.exists(req, name);
    const upload = await this.store.create();
    if (typeof upload === 'string') {
      const { status, message } = NO_ROOM[upload];
      this.log.error(`Failed to create file : ${BASE_PATH}/${logText(name)}: ${message}`);
      if (upload === 'busy') req.respSetHdr('Retry-After', '10');
      await req.respSendCustomErr(status, message);
      return ESP_OK;
    }
    try {
      this.log.info(`Receiving file : /${logText(name)}...`);
      if (!(await this.receive(req, upload))) return ESP_OK;
      if (!(await this.commit(req, upload, name))) return ESP_OK;
    } finally {
      await upload.discard();
    }
    this.log.info('File reception complete');
    return redirectToList(req, '303 See Other', 'File uploaded successfully');
  }

  /** Moves the body to the file. @returns false if that has failed and is answered */
  private async receive(req: HttpdReq, upload: Upload): Promise<boolean> {
    const buf = Buffer.allocUnsafe(SCRATCH_BUFSIZE);
    let received = 0;
    for (;;) {
      const remaining = (req.contentLen ?? 0) - received;
      if (remaining > 0) this.log.info(`Remaining size : ${remaining}`);
      const n = await req.recv(buf).catch(error => {
        this.log.error('File reception failed!');
        // the library knows what to answer: 408, 413, or nothing to who has left
        throw error;
      });
      if (n === 0) return true;
      received += n;
      try {
        await upload.write(buf.subarray(0, n));
      } catch (error) {
        return this.writeFailed(req, upload, error);
      }
    }
  }

  /** Gives the file its name. @returns false if that has failed and is answered */
  private async commit(req: HttpdReq, upload: Upload, name: string): Promise<boolean> {
    try {
      if (await upload.commit(name)) return true;
    } catch (error) {
      return this.writeFailed(req, upload, error);
    }
    await this.exists(req, name);
    return false;
  }

  private async writeFailed(req: HttpdReq, upload: Upload, error: unknown): Promise<false> {
    this.log.error(`File write failed! ${logText(String(error))}`);
    await upload.discard();
    await req.respSendErr(HTTPD_500_INTERNAL_SERVER_ERROR, 'Failed to write file to storage');
    return false;
  }

  private exists(req: HttpdReq, name: string): Promise<number> {
    return this.refuse(
      req,
      HTTPD_400_BAD_REQUEST,
      'File already exists',
      `File already exists : ${BASE_PATH}/${logText(name)}`,
    );
  }

  /** The body is longer than the configuration allows; an upload has been discarded before. */
  async tooLarge(req: HttpdReq): Promise<number> {
    const told = `File size must be less than ${formatSize(this.maxSize).replace(' KiB', 'KB')}!`;
    return this.refuse(req, HTTPD_413_CONTENT_TOO_LARGE, told, `File too large : ${req.contentLen ?? 'unknown'} bytes`);
  }

  async delete(req: HttpdReq): Promise<number> {
    const name = await this.nameOf(req, '/delete/');
    if (name === undefined) return ESP_OK;
    if (!(await this.store.remove(name))) {
      const line = `File does not exist : /${logText(name)}`;
      return this.refuse(req, HTTPD_400_BAD_REQUEST, 'File does not exist', line);
    }
    this.log.info(`Deleting file : /${logText(name)}`);
    return redirectToList(req, '303 See Other', 'File deleted successfully');
  }

  /** The name behind `prefix`; undefined if it is none, and that is answered. */
  private async nameOf(req: HttpdReq, prefix: string): Promise<string | undefined> {
    const part = pathOf(req).slice(prefix.length);
    const name = decodeName(part);
    if (name !== undefined && isFileName(name)) return name;
    const tooLong = name !== undefined && Buffer.byteLength(name) > NAME_MAX;
    if (tooLong) await this.refuse(req, HTTPD_400_BAD_REQUEST, 'Filename too long', 'Filename is too long');
    else await this.refuse(req, HTTPD_400_BAD_REQUEST, 'Invalid filename', `Invalid filename : /${logText(part)}`);
    return undefined;
  }

  private async refuse(req: HttpdReq, code: HttpdErrCode, message: string, line: string): Promise<number> {
    this.log.error(line);
    await req.respSendErr(code, message);
    return ESP_OK;
  }
}

/** The path of a request, without the query; in absolute form too (RFC 9112 section 3.2.2). */
function pathOf(req: HttpdReq): string {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(req.uri)?.[1] || '/';
}

async function redirectToList(req: HttpdReq, status: string, message = ''): Promise<number> {
  req.respSetStatus(status);
  req.respSetHdr('Location', '/');
  await req.respSend(message);
  return ESP_OK;
}

async function sendFavicon(req: HttpdReq): Promise<number> {
  req.respSetType('image/svg+xml');
  req.respSetHdr('Cache-Control', 'no-cache');
  await req.respSend(favicon);
  return ESP_OK;
}
