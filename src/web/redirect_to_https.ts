/**
 * From plain HTTP to HTTPS: a hook for `server.before`.
 */
import { ESP_ERR_INVALID_STATE, ESP_OK, EspError, invalidArg } from '../err.js';
import { HTTPD_400_BAD_REQUEST } from '../httpd/http_err.js';
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';

/** Options of `redirectToHttps`. */
export interface RedirectToHttpsOptions {
  /** The port to go to, 1 to 65535. Default: that of the server's first encrypted listener. */
  readonly port?: number | undefined;
}

const HTTPS_PORT = 443;
/** A host of RFC 3986 section 3.2.2, without the port behind it. */
const HOST = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/;

/**
 * Makes a hook that sends clients of plain connections to the same URI over HTTPS, with 308, which keeps the method
 * (RFC 9110 section 15.4.9). Encrypted requests go on to their handlers, and so do those that come by a Unix socket: they
 * have crossed no network, and a proxy that has done the TLS sends them. A request without a Host gets 400.
 *
 * The name in the redirect is the one that the client has asked for: put a hook that looks at Host in front of it where
 * several names lead here.
 *
 * @returns for `server.before('/', hook)`; it throws EspError ESP_ERR_INVALID_STATE, a 500, if there is no encrypted
 *   listener and no `port`
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function redirectToHttps(options: RedirectToHttpsOptions = {}): UriHandler {
  if (options === null || typeof options !== 'object')
    invalidArg('redirectToHttps takes an object such as { port: 8443 }');
  const { port, ...rest } = options;
  for (const name of Object.keys(rest))
    invalidArg(`redirectToHttps has no option '${name}'; see RedirectToHttpsOptions`);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port <= 65_535)) {
    invalidArg('port must be an integer from 1 to 65535');
  }
  return req => {
    if (req.encrypted || req.listener.path !== undefined) return ESP_OK;
    const to = port ?? securePort(req);
    const [, host = ''] = HOST.exec(req.getHdrValueStr('host') ?? '') ?? [];
    if (host === '') return req.respSendErr(HTTPD_400_BAD_REQUEST);
    req.respSetStatus('308 Permanent Redirect');
    req.respAddHdr('Location', `https://${host}${to === HTTPS_PORT ? '' : `:${to}`}${originForm(req.uri)}`);
    return req.respSend();
  };
}

function securePort({ handle }: HttpdReq): number {
  const found = handle.listeners.find(({ encrypted, port }) => encrypted && port !== 0);
  if (found !== undefined) return found.port;
  throw new EspError(ESP_ERR_INVALID_STATE, 'redirectToHttps needs an encrypted listener, or the option port');
}

/** Path and query of a target that may be in absolute form (RFC 9112 section 3.2.2), or be `*`. */
function originForm(uri: string): string {
  const target = uri.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return target.startsWith('/') ? target : `/${target === '*' ? '' : target}`;
}
