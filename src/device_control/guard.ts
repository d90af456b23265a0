/**
 * Who may command a device: programs that reach the control server, and its own page. A page of elsewhere may not, although
 * the browser that shows it can reach the server too.
 */
import { ESP_OK } from '../err.js';
import { HTTP_GET, HTTP_HEAD } from '../httpd/methods.js';
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';
import { isSameOrigin } from '../origin.js';
import { sendJson } from './answers.js';

/** Addresses that mean all of a machine's. */
const WILDCARDS = ['0.0.0.0', '[::]'];
const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

const HEADERS: readonly (readonly [string, string])[] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Cache-Control', 'no-store'],
];

/**
 * A hook for `server.before('/')`.
 *
 * @param bound the address or name that the server listens on
 */
export function guard(bound: string): UriHandler {
  // clients leave the zone of an address out of Host (RFC 6874 section 4)
  const own = nameOf(inUrl(bound.replace(/%.*$/, '')));
  return async req => {
    for (const [name, value] of HEADERS) req.respSetHdr(name, value);
    const problem = problemOf(req, own);
    if (problem !== undefined) await sendJson(req, { status: '403 Forbidden', body: { error: problem } });
    return ESP_OK;
  };
}

function problemOf(req: HttpdReq, own: string): string | undefined {
  const host = req.getHdrValueStr('Host') ?? '';
  if (!mayBeCalled(nameOf(host), own)) {
    return `the control server is not known by the name in the Host header; open http://${WILDCARDS.includes(own) ? '127.0.0.1' : own}:${req.listener.port}/, or send 'Host: localhost'`;
  }
  const origin = req.getHdrValueStr('Origin');
  if (origin !== undefined && !(/^http:/i.test(origin) && isSameOrigin(origin, host))) {
    return 'only the page of the control server itself may do that (Origin)';
  }
  const site = req.getHdrValueStr('Sec-Fetch-Site');
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  // a link that somebody follows to the page
  const shown = req.uri === '/' && (req.method === HTTP_GET || req.method === HTTP_HEAD);
  if (shown && req.getHdrValueStr('Sec-Fetch-Mode') === 'navigate') return undefined;
  return 'only the page of the control server itself may do that (Sec-Fetch-Site)';
}

/**
 * Is this one of the server's names? Any other may be an attacker's, who has let it lead to this machine after his page was
 * loaded from it (DNS rebinding); addresses have no such names.
 */
function mayBeCalled(name: string, own: string): boolean {
  if (name === own || name === 'localhost' || name.endsWith('.localhost') || name === '[::1]') return true;
  if (IPV4.test(name)) return name.startsWith('127.') || WILDCARDS.includes(own);
  return name.startsWith('[') && WILDCARDS.includes(own);
}

/** An address or a name as a browser has it in a URL: `::0` is `[::]`, and `0` is `0.0.0.0`. */
export function inUrl(host: string): string {
  const text = host.includes(':') ? `[${host}]` : host;
  return URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`).hostname : text;
}

/** The host of a Host header, without its port. */
function nameOf(host: string): string {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host.toLowerCase())?.[1] ?? '';
  return name.replace(/\.$/, '');
}
