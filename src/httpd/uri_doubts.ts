/**
 * Templates that their author has meant otherwise: they are legal, and fit no request. Pure.
 */
import { type UriMatchFn, uriMatchWildcard } from './uri.js';
import { uriMatchParams } from './uri_params.js';

/** What is a wildcard, a parameter or a query to whoever writes it. */
const MARKS = /[*?]|\/:[A-Za-z_]/;
/** A `*` that is not at the end, but for ESP-IDF's `*?`. */
const INNER_ASTERISK = /\*(?!\??$)/;
const PARAM = /\/:[A-Za-z_]/;
/** Templates that fit everything, and `OPTIONS *`. */
const ANYTHING: ReadonlySet<string> = new Set(['*', '?*', '*?']);

/**
 * Why requests will not find this handler; undefined if nothing speaks for that.
 *
 * @param matchFn `config.uriMatchFn`; of an application's own nothing is known
 */
export function doubtOf(template: string, matchFn: UriMatchFn | undefined): string | undefined {
  const params = matchFn === uriMatchParams;
  if (matchFn !== undefined && !params && matchFn !== uriMatchWildcard) return undefined;
  if (ANYTHING.has(template)) return undefined;
  if (!template.startsWith('/')) return `the path of a request begins with '/': write '/${template}'`;
  if (matchFn === undefined) {
    if (!MARKS.test(template)) return undefined;
    return 'it is compared letter by letter; set config.uriMatchFn to uriMatchWildcard for * and ?, to uriMatchParams for :name';
  }
  if (INNER_ASTERISK.test(template)) return "a '*' is a wildcard at the end only";
  return !params && PARAM.test(template) ? 'set config.uriMatchFn to uriMatchParams for :name' : undefined;
}
