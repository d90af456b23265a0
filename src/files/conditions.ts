/**
 * Conditional requests of RFC 9110 section 13, for a resource that exists and is read. Pure.
 */
import { parseHttpDate } from './http_date.js';

/** What tells one state of a file from another (RFC 9110 section 8.8). */
export interface Validators {
  /** Quotes included; weak ones begin with `W/`. */
  readonly etag: string;
  /** Seconds since 1970. */
  readonly lastModified: number;
}

/** The value of a request's field; undefined if it is absent. */
export type FieldLookup = (name: string) => string | undefined;

/** What the conditions let a GET or HEAD do. */
export type Verdict = 'proceed' | 'not modified' | 'precondition failed';

/**
 * Evaluates the conditions in the order of RFC 9110 section 13.2.2, up to Range, for which `ifRangeHolds` is.
 *
 * @param now seconds since 1970
 */
export function evaluateConditions(field: FieldLookup, current: Validators, now: number): Verdict {
  const ifMatch = field('if-match');
  if (ifMatch !== undefined) {
    if (!listsTag(ifMatch, current.etag, strongly)) return 'precondition failed';
  } else if (isModifiedSince(field('if-unmodified-since'), current, now) === true) {
    return 'precondition failed';
  }
  const ifNoneMatch = field('if-none-match');
  if (ifNoneMatch !== undefined) return listsTag(ifNoneMatch, current.etag, weakly) ? 'not modified' : 'proceed';
  return isModifiedSince(field('if-modified-since'), current, now) === false ? 'not modified' : 'proceed';
}

/**
 * Has the client a part of this very state, so that a range of it is of use (RFC 9110 section 13.1.5)?
 *
 * @param ifRange the If-Range field; without one a range is what the client asks for
 */
export function ifRangeHolds(ifRange: string | undefined, current: Validators, now: number): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.endsWith('"')) return strongly(ifRange, current.etag);
  // an earlier or later date is that of another state; within this second the file may change once more (section 8.8.2.2)
  return parseHttpDate(ifRange, now) === current.lastModified && current.lastModified < now;
}

/** @returns undefined if the field is absent or is no date, and is to be ignored (sections 13.1.3 and 13.1.4) */
function isModifiedSince(date: string | undefined, current: Validators, now: number): boolean | undefined {
  const seconds = date === undefined ? undefined : parseHttpDate(date, now);
  return seconds === undefined ? undefined : current.lastModified > seconds;
}

/** entity-tag of section 8.8.3, and the comma or the end behind it. */
const ENTITY_TAG = /[ \t,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)/y;

/** Is `etag` an element of the list, or the list `*`? What is no list of tags matches nothing. */
function listsTag(list: string, etag: string, same: (a: string, b: string) => boolean): boolean {
  if (list === '*') return true;
  ENTITY_TAG.lastIndex = 0;
  for (let found = ENTITY_TAG.exec(list); found !== null; found = ENTITY_TAG.exec(list)) {
    if (same(found[1] as string, etag)) return true;
  }
  return false;
}

/** The strong comparison of section 8.8.3.2. */
function strongly(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/');
}

/** The weak comparison. */
function weakly(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}
