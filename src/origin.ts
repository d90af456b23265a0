/**
 * Origins of web pages (RFC 6454): as browsers write them, and whether a page is of the host that it asks. Pure.
 */

/** What a scheme and a host may be followed by is no part of an origin. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*\\]+$/i;
const WEB_ORIGIN = /^(https?:\/\/)([^\s/?#@\\]+)$/i;
const AUTHORITY = /^[^\s/?#@\\]+$/;

/**
 * An origin as browsers write it (RFC 6454 section 6.2): in lower case, without the scheme's own port, IPv6 addresses in
 * their shortest form.
 *
 * @returns undefined for what is no origin
 */
export function asBrowsersWrite(text: string): string | undefined {
  if (text === 'null') return text;
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined;
  const { origin } = new URL(text);
  // those of applications, such as capacitor://localhost, are 'null' to Node.js
  return origin === 'null' ? text.toLowerCase() : origin;
}

/** Is this origin in a list of origins as browsers write them? */
export function isListed(origins: { has(origin: string): boolean }, origin: string): boolean {
  return origins.has(origin) || origins.has(asBrowsersWrite(origin) ?? '');
}

/**
 * Is a page of this origin one of the host that it asks? By http or https: what ends TLS in front of a server may not say.
 *
 * @param host value of the Host header; on either side the scheme's own port is the same as none
 */
export function isSameOrigin(origin: string, host: string): boolean {
  const [, scheme, own] = WEB_ORIGIN.exec(origin) ?? [];
  if (scheme === undefined || own === undefined) return false;
  if (own.toLowerCase() === host.toLowerCase()) return true;
  const known = authority(scheme, own);
  return known !== undefined && known === authority(scheme, host);
}

/** Host and port, as browsers write them. */
function authority(scheme: string, text: string): string | undefined {
  const url = `${scheme}${text}`;
  return AUTHORITY.test(text) && URL.canParse(url) ? new URL(url).host : undefined;
}
