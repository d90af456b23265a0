/**
 * Refuses what pages of other sites make a visitor's browser send.
 */
import { ESP_OK, HTTP_GET, HTTP_HEAD, HTTPD_403_FORBIDDEN, type HttpdReq } from '../../src/index.js';

/** A hook for `server.before`: requests that change something must not come from another site's page. */
export async function sameOriginOnly(req: HttpdReq): Promise<number> {
  if (req.method === HTTP_GET || req.method === HTTP_HEAD) return ESP_OK;
  const from = {
    site: req.getHdrValueStr('Sec-Fetch-Site'),
    origin: req.getHdrValueStr('Origin'),
    host: req.getHdrValueStr('Host'),
  };
  if (!isSameOrigin(from)) await req.respSendErr(HTTPD_403_FORBIDDEN, 'Only pages of this server may do that');
  return ESP_OK;
}

/**
 * Browsers say where a request comes from: with Sec-Fetch-Site over TLS and on localhost, and with Origin in every POST.
 * A client that says neither is no browser, and carries nobody's rights.
 */
export function isSameOrigin({ site, origin, host }: Record<'site' | 'origin' | 'host', string | undefined>): boolean {
  // 'none' is the user: an address that was typed
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  if (origin === undefined) return true;
  const [name, own] = [origin.toLowerCase(), host?.toLowerCase()];
  return name === `http://${own}` || name === `https://${own}`;
}
