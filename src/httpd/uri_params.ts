/**
 * URI templates with parameters, such as `/led/:id`. Pure.
 *
 * A segment `:name` stands for one segment of the path that is not empty. At the end a template may have ESP-IDF's
 * wildcard, which is left to `uriMatchWildcard`.
 */
import { invalidArg } from '../err.js';
import { uriMatchWildcard } from './uri.js';

/** A template that has been looked through. */
interface Template {
  /** Each parameter, and the literal text in front of it. */
  readonly params: readonly { readonly before: string; readonly name: string }[];
  /** What stands behind the last parameter: a template of `uriMatchWildcard`. */
  readonly tail: string;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Templates come from the application. So many are remembered, in case that it makes them up as it goes. */
const CACHE_MAX = 1_000;
const cache = new Map<string, Template>();

function compiled(template: string): Template {
  const known = cache.get(template);
  if (known !== undefined) return known;
  const made = compile(template);
  if (cache.size >= CACHE_MAX) cache.clear();
  cache.set(template, made);
  return made;
}

function compile(template: string): Template {
  const params: { before: string; name: string }[] = [];
  let literal = 0;
  for (let at = 0, end = 0; end < template.length; at = end + 1) {
    const slash = template.indexOf('/', at);
    end = slash < 0 ? template.length : slash;
    if (template[at] !== ':') continue;
    const name = template.slice(at + 1, end);
    if (!NAME.test(name)) {
      invalidArg(
        `':${name}' in the template '${template}' is no parameter: a name has letters, digits and '_', begins with no ` +
          "digit and is a whole segment; a wildcard needs a '/' between",
      );
    }
    if (params.some(param => param.name === name)) {
      invalidArg(`the template '${template}' has ':${name}' twice; give each parameter a name of its own`);
    }
    params.push({ before: template.slice(literal, at), name });
    literal = end;
  }
  return { params, tail: template.slice(literal) };
}

/**
 * Does `uri`, up to `len`, fit?
 *
 * @param values takes the parameters' values, as they stand in `uri`
 */
function fits({ params, tail }: Template, uri: string, len: number, values?: string[]): boolean {
  let at = 0;
  for (const { before } of params) {
    if (!uri.startsWith(before, at)) return false;
    const from = at + before.length;
    const slash = uri.indexOf('/', from);
    at = slash < 0 || slash > len ? len : slash;
    if (at <= from) return false;
    values?.push(uri.slice(from, at));
  }
  return uriMatchWildcard(tail, uri.slice(at, len));
}

/** Percent-decoded UTF-8; as it is if it can't be decoded. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mustBeStrings(what: string, ...args: readonly unknown[]): void {
  if (!args.every(arg => typeof arg === 'string')) invalidArg(`${what} must be given strings`);
}

/**
 * A `config.uriMatchFn` for templates with parameters: `/led/:id` fits `/led/7`, but neither `/led/` nor `/led/7/on`.
 * Not of ESP-IDF.
 *
 * A parameter is a whole segment: `:` and a name of letters, digits and `_` that begins with no digit. Its value may
 * not be empty. Elsewhere `:` is an ordinary character. At the end of a template `*`, `?` and `?*` mean what they mean to
 * `uriMatchWildcard`: `/files/:disk/*`, `/led/:id/?`. Templates without a parameter are those of `uriMatchWildcard`.
 *
 * Two templates that fit each other, such as `/led/:id` and `/led/:name`, are the same to
 * `server.registerUriHandler`; and `/led/all` has to be registered before `/led/:id`.
 *
 * @param matchUpto how many characters of `uri` count: the path without the query; by default all
 * @throws EspError ESP_ERR_INVALID_ARG if the template has a parameter without a proper name, or one twice
 */
export function uriMatchParams(template: string, uri: string, matchUpto?: number): boolean {
  mustBeStrings('uriMatchParams', template, uri);
  return fits(compiled(template), uri, matchUpto ?? uri.length);
}

/**
 * The value of one parameter of a path, percent-decoded as UTF-8 (RFC 3986 section 2.1).
 *
 * What the client wrote as `%2F` is a `/` in the value, and a value may be `..`: it is no file name until it has been
 * checked. A value that can't be decoded is returned as it stands in the path.
 *
 * @param template such as `/led/:id`
 * @param path without the query
 * @param name of the parameter, without the colon
 * @returns undefined if the path does not fit, or the template has no such parameter
 * @throws EspError ESP_ERR_INVALID_ARG as `uriMatchParams` does
 */
export function uriParam(template: string, path: string, name: string): string | undefined {
  mustBeStrings('uriParam', template, path, name);
  const { params } = compiled(template);
  const at = params.findIndex(param => param.name === name);
  const values: string[] = [];
  if (at < 0 || !fits(compiled(template), path, path.length, values)) return undefined;
  return decoded(values[at] as string);
}

/**
 * All parameters of a path, decoded as by `uriParam`, in the order of the template.
 *
 * @returns by name; undefined if the path does not fit
 * @throws EspError ESP_ERR_INVALID_ARG as `uriMatchParams` does
 */
export function uriParams(template: string, path: string): Map<string, string> | undefined {
  mustBeStrings('uriParams', template, path);
  const { params } = compiled(template);
  const values: string[] = [];
  if (!fits(compiled(template), path, path.length, values)) return undefined;
  return new Map(params.map(({ name }, i) => [name, decoded(values[i] as string)]));
}

/**
 * Does a template of `uriMatchParams` fit nothing but itself?
 *
 * @throws EspError ESP_ERR_INVALID_ARG as `uriMatchParams` does: ask before a handler is registered, since the matcher
 *   itself is given a template only when another handler, or a request, is compared with it
 */
export function isExactTemplate(template: string): boolean {
  mustBeStrings('isExactTemplate', template);
  const { params, tail } = compiled(template);
  return params.length === 0 && !/[*?]$/.test(tail);
}
