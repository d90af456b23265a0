/**
 * A folder of files, served read-only: what is not plainly the name of a file or folder in it gets 404.
 */
import { invalidArg } from '../err.js';
import { Root, type Visit } from '../files/root.js';
import { type Chosen, chooseFile, type OpenFn, sendChosen } from '../files/send_file.js';
import { mustBeBoolean, mustBeFieldValue, type SendSettings, sendSettings } from '../files/send_options.js';
import { type FilePath, isServedName, parseFilePath } from '../files/uri_path.js';
import { pathOf, queryOf } from '../httpd/headers.js';
import { HTTPD_404_NOT_FOUND, HTTPD_405_METHOD_NOT_ALLOWED } from '../httpd/http_err.js';
import { HTTP_GET, HTTP_HEAD } from '../httpd/methods.js';
import { pathInPattern } from '../httpd/plain_path.js';
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';
import { MAX_ENTRIES, sendListing } from './listing.js';

/** Options of `staticUriHandler`. */
export interface StaticOptions {
  /** The folder. A relative path begins at the working directory; symbolic links on the way are followed for each request. */
  root: string;
  /** What a folder is shown by: the first of these names that is there; false: by nothing. Default `'index.html'`. */
  index?: string | readonly string[] | false;
  /** Lists folders that have no index. Default false: they get 404. */
  listing?: boolean;
  /**
   * What of the URI's path stands for the folder, percent-encoded as it is there, with a slash at either end. Default: what stands before the wildcard
   * in the `uri` that the handler is registered for, up to the last slash.
   */
  prefix?: string;
  /** Cache-Control of the files, such as `'public, max-age=3600'`. Default: none is sent. */
  cacheControl?: string;
  /** As in `SendFileOptions`. Default true. */
  precompressed?: boolean;
  /** May names begin with a dot? Default `'deny'`. */
  dotFiles?: 'deny' | 'allow';
  /** A file in the folder that is sent, with 200, where there is none: an application with routes of its own. Default: 404. */
  fallback?: string;
}

/** The same, checked, with the defaults filled in. */
interface StaticSettings {
  readonly index: readonly string[];
  readonly listing: boolean;
  readonly prefix: string | undefined;
  readonly dotFiles: boolean;
  readonly fallback: string | undefined;
  readonly send: SendSettings;
}

/**
 * A handler that serves the files of a folder, to be registered for GET and a URI with a wildcard:
 * `{ uri: '/files/*', method: HTTP_GET, handler: staticUriHandler({ root: 'www' }) }`, with
 * `config.uriMatchFn: uriMatchWildcard`.
 *
 * Files are sent as `respSendFile` does. 404 is the answer to paths with dot segments, empty segments, encoded slashes,
 * backslashes, control characters, or what is not percent-encoded UTF-8; to what is neither a regular file nor a
 * folder, or may not be read; to symbolic links that lead out of `root`; and to names that begin with a dot, unless
 * `dotFiles` is `'allow'`. A folder without its slash is redirected to the same with it. Methods other than GET and
 * HEAD get 405.
 *
 * @throws EspError ESP_ERR_INVALID_ARG; the handler itself rejects with ESP_FAIL if `root` can't be found, and as
 *   `respSendFile` does
 */
export function staticUriHandler(options: StaticOptions): UriHandler {
  const root = new Root(checkRoot(options));
  const settings = checkOptions(options);
  return req => new StaticAnswer(root.visit(), settings, req).serve();
}

/** In names that are not Unicode, and can't be written in a URI. */
const UNSPEAKABLE = /[\ufffd\p{Surrogate}]/u;

/** The answer to one request. */
class StaticAnswer {
  private readonly open: OpenFn;

  constructor(
    private readonly visit: Visit,
    private readonly settings: StaticSettings,
    private readonly req: HttpdReq,
  ) {
    this.open = path => visit.open(path);
  }

  serve(): Promise<void> {
    const { req } = this;
    if (req.method !== HTTP_GET && req.method !== HTTP_HEAD) {
      req.respAddHdr('Allow', 'GET, HEAD');
      return req.respSendErr(HTTPD_405_METHOD_NOT_ALLOWED);
    }
    const path = pathOf(req.uri);
    const prefix = this.settings.prefix ?? prefixOf(path, req.uriTemplate);
    // what a redirection begins with must not name a host; a backslash, which browsers take for a slash, is in no target
    if (prefix.includes('//')) return notFound(req);
    if (`${path}/` === prefix) return this.servePath(prefix, { names: [], isFolder: false });
    const below = path.startsWith(prefix)
      ? parseFilePath(path.slice(prefix.length), this.settings.dotFiles)
      : undefined;
    return below === undefined ? notFound(req) : this.servePath(prefix, below);
  }

  private async servePath(prefix: string, { names, isFolder }: FilePath): Promise<void> {
    const path = names.join('/');
    if (isFolder) return this.serveFolder(prefix, names);
    const chosen = await this.choose(path);
    if (chosen === undefined) return this.fallBack();
    if (!chosen.file.isFolder) return this.send(chosen, path);
    chosen.file.close();
    // that a folder is there is told only if it can be looked at
    if (!(await this.isShown(path))) return this.fallBack();
    return redirect(this.req, prefix + names.map(name => `${encodeURIComponent(name)}/`).join(''));
  }

  private async serveFolder(prefix: string, names: readonly string[]): Promise<void> {
    const path = names.join('/');
    const index = await this.chooseIndex(path);
    if (index !== undefined) return this.send(index.chosen, index.path);
    const folder = this.settings.listing ? await this.visit.open(path) : undefined;
    try {
      if (folder?.isFolder !== true) return await this.fallBack();
      const isWanted = (name: string) => isServedName(name, this.settings.dotFiles) && !UNSPEAKABLE.test(name);
      const listed = await this.visit.list(path, folder, isWanted, MAX_ENTRIES);
      await sendListing(this.req, { title: `${prefix}${path}`, isTop: names.length === 0, ...listed });
    } finally {
      folder?.close();
    }
  }

  private async isShown(folder: string): Promise<boolean> {
    if (this.settings.listing) return true;
    const index = await this.chooseIndex(folder);
    index?.chosen.file.close();
    return index !== undefined;
  }

  /** The file that a folder is shown by. */
  private async chooseIndex(folder: string): Promise<{ chosen: Chosen; path: string } | undefined> {
    for (const name of this.settings.index) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const chosen = await this.choose(path);
      if (chosen?.file.isFolder === false) return { chosen, path };
      chosen?.file.close();
    }
    return undefined;
  }

  private async fallBack(): Promise<void> {
    const { fallback } = this.settings;
    const chosen = fallback === undefined ? undefined : await this.choose(fallback);
    if (chosen?.file.isFolder === false) return this.send(chosen, fallback as string);
    chosen?.file.close();
    return notFound(this.req);
  }

  private choose(path: string): Promise<Chosen | undefined> {
    return chooseFile(this.req, path, this.settings.send, this.open);
  }

  private send(chosen: Chosen, path: string): Promise<void> {
    return sendChosen(this.req, chosen, path, this.settings.send);
  }
}

/** The same answer for what is not there and for what is refused. */
function notFound(req: HttpdReq): Promise<void> {
  return req.respSendErr(HTTPD_404_NOT_FOUND);
}

/** @param path has no empty segment, which would make a host of what follows */
function redirect(req: HttpdReq, path: string): Promise<void> {
  const query = queryOf(req.uri);
  req.respSetStatus('301 Moved Permanently');
  req.respAddHdr('Location', query === '' ? path : `${path}?${query}`);
  return req.respSend();
}

/** What of a path stands for the folder: as many segments as the template has in front of its last slash. */
function prefixOf(path: string, template: string): string {
  let end = 0;
  for (let slashes = Math.max(1, template.split('/').length - 1); slashes > 0; slashes--) {
    end = path.indexOf('/', end) + 1;
    // '/files/?*' fits '/files' too
    if (end === 0) return `${path}/`;
  }
  return path.slice(0, end);
}

const NAMES = new Set<string>([
  'root',
  'index',
  'listing',
  'prefix',
  'cacheControl',
  'precompressed',
  'dotFiles',
  'fallback',
] satisfies (keyof StaticOptions)[]);

function checkRoot(given: StaticOptions): string {
  if (given === null || typeof given !== 'object') invalidArg('staticUriHandler needs an object; see StaticOptions');
  const { root } = given;
  if (typeof root !== 'string' || root === '' || root.includes('\0')) invalidArg('root must be the path of a folder');
  return root;
}

function checkOptions(given: StaticOptions): StaticSettings {
  for (const name of Object.keys(given)) {
    if (!NAMES.has(name)) invalidArg(`staticUriHandler has no option '${name}'; see StaticOptions`);
  }
  const { listing = false, prefix, cacheControl, precompressed = true, dotFiles = 'deny', fallback } = given;
  mustBeBoolean('listing', listing);
  mustBeBoolean('precompressed', precompressed);
  mustBeFieldValue('cacheControl', cacheControl);
  const path = typeof prefix === 'string' && prefix.startsWith('/') ? pathInPattern(prefix) : undefined;
  if (path !== undefined)
    invalidArg(`prefix is no pattern: write ${path === '/' ? path : `${path}/`}, and not '${prefix}'`);
  if (
    prefix !== undefined &&
    (typeof prefix !== 'string' || !/^\/(?:(?:[\w.~!$&'()*+,;=:@-]|%[\da-f]{2})+\/)*$/i.test(prefix))
  ) {
    invalidArg(
      "prefix must be a path as it stands in a URI, percent-encoded, that begins and ends with a slash: '/files/'",
    );
  }
  if (dotFiles !== 'deny' && dotFiles !== 'allow') invalidArg("dotFiles must be 'deny' or 'allow'");
  if (fallback !== undefined && !isRelativePath(fallback)) {
    invalidArg("fallback must be the path of a file in root, such as 'index.html'");
  }
  return {
    index: checkIndex(given.index),
    listing,
    prefix,
    dotFiles: dotFiles === 'allow',
    fallback,
    send: { ...sendSettings({ cacheControl, precompressed }), nosniff: true },
  };
}

function checkIndex(index: StaticOptions['index'] = 'index.html'): readonly string[] {
  if (index === false) return [];
  const names = typeof index === 'string' ? [index] : index;
  if (!Array.isArray(names) || !names.every(name => typeof name === 'string' && isServedName(name, true))) {
    invalidArg("index must be the name of a file, such as 'index.html', a list of names, or false");
  }
  return [...names];
}

function isRelativePath(path: unknown): path is string {
  return typeof path === 'string' && path.split('/').every(name => isServedName(name, true));
}
