/**
 * The table of URI handlers, after httpd_uri.c: which handler serves a path and method.
 */
import {
  ESP_ERR_HTTPD_HANDLER_EXISTS,
  ESP_ERR_HTTPD_HANDLERS_FULL,
  ESP_ERR_NOT_FOUND,
  EspError,
  invalidArg,
} from '../err.js';
import { HTTP_ANY, HTTP_GET, HTTP_HEAD, methodName } from './methods.js';

/**
 * Decides whether a path fits a template, after `httpd_uri_match_func_t`.
 *
 * @param template the `uri` of a registered handler
 * @param uri the URI to match
 * @param matchUpto how many characters of `uri` count: the path without the query
 */
export type UriMatchFn = (template: string, uri: string, matchUpto: number) => boolean;

/**
 * ESP-IDF's wildcard templates, after `httpd_uri_match_wildcard()`.
 *
 * At the end of a template `*` stands for anything, `?` makes the character before it optional, and `?*` (or `*?`) is
 * both: `/path/?*` fits `/path`, `/path/` and `/path/x`, but not `/pathx`. Elsewhere both are ordinary characters.
 *
 * @param matchUpto by default all of `uri`
 */
export function uriMatchWildcard(template: string, uri: string, matchUpto?: number): boolean {
  if (typeof template !== 'string' || typeof uri !== 'string')
    invalidArg('uriMatchWildcard takes a template and a URI');
  const len = matchUpto ?? uri.length;
  const tail = template.slice(-2);
  const both = tail === '?*' || tail === '*?';
  const asterisk = both || tail.endsWith('*');
  const quest = both || tail.endsWith('?');
  // the part that must be there: without the special characters, and without the optional one
  const fixed = template.length - (asterisk ? 1 : 0) - (quest ? 2 : 0);
  if (fixed < 0 || len < fixed || !uri.startsWith(template.slice(0, fixed))) return false;
  if (!quest) return asterisk || len === fixed;
  if (len > fixed && uri[fixed] !== template[fixed]) return false;
  return asterisk || len <= fixed + 1;
}

/** What the table needs to know of a handler. */
export interface UriKey {
  readonly uri: string;
  readonly method: number;
}

type Entry<T> = { readonly handler: T; readonly order: number };

/** Handlers in the order of their registration; the first that fits is taken. */
export class UriTable<T extends UriKey> {
  private entries: Entry<T>[] = [];
  /** Entries that fit one path only, by that path. */
  private readonly exact = new Map<string, Entry<T>[]>();
  /** Entries that must be tried one by one. */
  private templates: Entry<T>[] = [];
  private registered = 0;

  /**
   * @param max how many handlers it holds
   * @param matchFn decides what fits a template; without one they must be equal
   * @param isExact does a template of `matchFn` fit nothing but itself? By default as far as we know
   */
  constructor(
    private readonly max: number,
    private readonly matchFn: UriMatchFn | undefined,
    private readonly isExact = (template: string) => fitsOnlyItself(template, matchFn),
  ) {}

  get size(): number {
    return this.entries.length;
  }

  /**
   * @returns the place of the new handler in the table
   * @throws EspError ESP_ERR_HTTPD_HANDLER_EXISTS if an earlier one serves this URI and method,
   *   ESP_ERR_HTTPD_HANDLERS_FULL
   */
  register(handler: T): number {
    const { uri, method } = handler;
    // throws if it is no template
    this.isExact(uri);
    const twin = this.candidates(uri).find(
      ({ handler: other }) => other.method === method || other.method === HTTP_ANY,
    );
    if (twin !== undefined) {
      throw new EspError(
        ESP_ERR_HTTPD_HANDLER_EXISTS,
        `'${twin.handler.uri}' already serves ${label(method)} '${uri}'; unregister it first or register the more special one earlier`,
      );
    }
    if (this.entries.length >= this.max) {
      throw new EspError(
        ESP_ERR_HTTPD_HANDLERS_FULL,
        `all ${this.max} handlers are taken; raise config.maxUriHandlers`,
      );
    }
    this.registered += 1;
    const entry = { handler, order: this.registered };
    this.entries.push(entry);
    this.index(entry);
    return this.entries.length - 1;
  }

  /** @throws EspError ESP_ERR_NOT_FOUND */
  unregister(uri: string, method: number): void {
    this.removeWhere(
      key => key.uri === uri && key.method === method,
      `no handler is registered for ${label(method)} '${uri}'`,
    );
  }

  /** @throws EspError ESP_ERR_NOT_FOUND */
  unregisterAll(uri: string): void {
    this.removeWhere(key => key.uri === uri, `no handler is registered for '${uri}'`);
  }

  /** The handler for a path. HEAD is served by the GET handler where it has none of its own (RFC 9110 section 9.3.2). */
  find(path: string, method: number): T | undefined {
    return this.first(path, method) ?? (method === HTTP_HEAD ? this.first(path, HTTP_GET) : undefined);
  }

  /** The methods that have a handler for this path, as an Allow header lists them; undefined if the path is unknown. */
  allow(path: string): string | undefined {
    const methods = new Set<string>();
    for (const { handler } of this.candidates(path)) {
      if (!this.fits(handler, path)) continue;
      methods.add(methodName(handler.method));
      if (handler.method === HTTP_GET) methods.add(methodName(HTTP_HEAD));
    }
    return methods.size === 0 ? undefined : [...methods].join(', ');
  }

  /** Place and URI of each handler. */
  list(): readonly T[] {
    return this.entries.map(entry => entry.handler);
  }

  private first(path: string, method: number): T | undefined {
    let found: Entry<T> | undefined;
    for (const entry of this.exact.get(path) ?? []) {
      if (!serves(entry.handler, method)) continue;
      found = entry;
      break;
    }
    for (const entry of this.templates) {
      if (found !== undefined && entry.order > found.order) break;
      if (serves(entry.handler, method) && this.fits(entry.handler, path)) return entry.handler;
    }
    return found?.handler;
  }

  private candidates(path: string): Entry<T>[] {
    const templates = this.templates.filter(entry => this.fits(entry.handler, path));
    return [...(this.exact.get(path) ?? []), ...templates].sort((a, b) => a.order - b.order);
  }

  private fits(handler: T, path: string): boolean {
    return this.matchFn === undefined ? handler.uri === path : this.matchFn(handler.uri, path, path.length);
  }

  private removeWhere(gone: (key: T) => boolean, message: string): void {
    const left = this.entries.filter(entry => !gone(entry.handler));
    if (left.length === this.entries.length) throw new EspError(ESP_ERR_NOT_FOUND, message);
    this.entries = left;
    this.exact.clear();
    this.templates = [];
    for (const entry of left) this.index(entry);
  }

  private index(entry: Entry<T>): void {
    const { uri } = entry.handler;
    const same = this.exact.get(uri);
    if (!this.isExact(uri)) this.templates.push(entry);
    else if (same === undefined) this.exact.set(uri, [entry]);
    else same.push(entry);
  }
}

function fitsOnlyItself(template: string, matchFn: UriMatchFn | undefined): boolean {
  return matchFn === undefined || (matchFn === uriMatchWildcard && !/[*?]$/.test(template));
}

function serves(handler: UriKey, method: number): boolean {
  return handler.method === method || handler.method === HTTP_ANY;
}

function label(method: number): string {
  return method === HTTP_ANY ? 'any method of' : methodName(method);
}
