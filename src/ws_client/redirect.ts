/**
 * Where the requests of one attempt go: first to the uri of the configuration, then wherever redirections lead (RFC 9110
 * section 15.4). Pure.
 *
 * What the configuration says to its server is for that one only: to another origin (RFC 6454 section 5) go neither
 * `headers` nor credentials nor a certificate of ours, and they stay away from there on.
 */
import { eachHeader } from '../httpd/headers.js';
import type { ResponseHead } from './response_head.js';
import { hostOf, made, type Target, uriOf } from './target.js';

export interface Hop {
  readonly target: Target;
  /** Has it been the origin of the configuration all the way? */
  readonly ours: boolean;
  /** So many further redirections are followed. */
  readonly left: number;
  /** Where the attempt has been, this hop included. */
  readonly visited: readonly string[];
}

/** Those that say where to go instead with the same, or a GET. In 300 the choice is the user's; 304 and 305 are no such. */
const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a uri is made of (RFC 3986 section 2); a URL would pass over blanks, and guess what the bytes beyond ASCII mean. */
const URI = /^[\x21-\x7e]+$/;
const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['ws:', 'ws:'],
  ['wss:', 'wss:'],
  // that of the request that a handshake is
  ['http:', 'ws:'],
  ['https:', 'wss:'],
]);

export function firstHop(target: Target, maxRedirects: number): Hop {
  return { target, ours: true, left: maxRedirects, visited: [uriOf(target)] };
}

/** @returns the next hop; why this response is not followed; undefined if it asks for nothing of the kind */
export function redirected(from: Hop, { status, section }: ResponseHead): Hop | string | undefined {
  const locations = [...eachHeader(section)].filter(([name]) => name.toLowerCase() === 'location');
  const location = locations[0]?.[1];
  if (location === undefined || !STATUSES.has(status)) return undefined;
  if (from.left === 0) {
    return from.visited.length === 1
      ? 'redirections are not followed, unless maxRedirects allows them'
      : 'more redirections than maxRedirects allows';
  }
  if (locations.length > 1) return 'it has more than one Location';
  return follow(from, location);
}

function follow({ target, ours, left, visited }: Hop, location: string): Hop | string {
  const base = uriOf(target);
  if (!URI.test(location) || !URL.canParse(location, base)) return 'its Location is no uri';
  const url = new URL(location, base);
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) return 'its Location leads to no WebSocket';
  url.protocol = scheme;
  // RFC 9110 section 4.2.4: from elsewhere they are most often there to mislead
  if (url.username !== '' || url.password !== '') return 'its Location brings credentials';
  if (url.port === '0') return 'nobody listens on port 0';
  if (target.secure && scheme === 'ws:') return 'it leads from TLS to a connection without';
  const zone = hostOf(url) === target.host ? target.zone : undefined;
  const to = made(url, zone, url.port === '' ? undefined : Number(url.port), url.pathname + url.search, undefined);
  const same = to.secure === target.secure && to.host === target.host && to.port === target.port;
  const stays = ours && same;
  const uri = uriOf(to);
  if (visited.includes(uri)) return 'it leads in a circle';
  return {
    target: stays ? { ...to, authorization: target.authorization } : to,
    ours: stays,
    left: left - 1,
    visited: [...visited, uri],
  };
}
