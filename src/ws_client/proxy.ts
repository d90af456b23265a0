/**
 * A tunnel through an HTTP proxy (RFC 9110 section 9.3.6): the request for it, and what the proxy answers. Pure.
 */
import { invalidArg } from '../err.js';
import type { WsResponse } from './errors.js';
import { INTERIM_MAX, responseOf, statusOf } from './response.js';
import { ResponseHead } from './response_head.js';
import { addressOf, credentialsOf, defaultPort, hostOf, parseUri, portOf, type Target } from './target.js';

/** Where the proxy is, from `proxyUri`. */
export interface ProxyTarget {
  readonly secure: boolean;
  /** Name or address, without brackets or a zone. */
  readonly name: string;
  /** The same with its zone, if it has one. */
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization. */
  readonly authorization: string | undefined;
}

const NO_BYTES = Buffer.alloc(0);
const PROXY_AUTHENTICATION_REQUIRED = 407;

/** @throws EspError ESP_ERR_INVALID_ARG */
export function proxyOf(uri: unknown): ProxyTarget {
  const { url, zone, text } = parseUri('proxyUri', uri, ['http:', 'https:']);
  if (url.pathname !== '/' || url.search !== '' || text.includes('?')) {
    invalidArg('proxyUri must have no path or query: only http:// or https://, credentials, host and port');
  }
  const name = hostOf(url);
  return {
    secure: url.protocol === 'https:',
    name,
    host: addressOf({ host: name, zone }),
    port: portOf(url, text) ?? defaultPort(url),
    authorization: credentialsOf(url),
  };
}

/**
 * A zone is of this machine, and the proxy is another one.
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function checkZoneAndProxy({ zone }: Target, proxy: ProxyTarget | undefined): void {
  if (zone !== undefined && proxy !== undefined) {
    invalidArg(
      `'%${zone}' is an interface of this machine, of which a proxy knows nothing: leave out proxyUri or the zone`,
    );
  }
}

/** The bytes of the request. The proxy looks names up. */
export function connectRequest({ host, port }: Pick<Target, 'host' | 'port'>, { authorization }: ProxyTarget): Buffer {
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** The proxy has refused, or its answer is wrong. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';

  constructor(
    message: string,
    readonly response: WsResponse | undefined,
  ) {
    super(message);
  }
}

/** Reads the proxy's answer. */
export class ProxyAnswer {
  private readonly head = new ResponseHead();
  private interims = 0;

  constructor(private readonly proxy: ProxyTarget) {}

  /**
   * Takes what belongs to the answer.
   *
   * @returns what came behind it, which is the tunnel's; undefined if more of the answer is needed
   * @throws ProxyRefusal
   */
  push(bytes: Buffer): Buffer | undefined {
    const { head } = this;
    let at = 0;
    while (at < bytes.length) {
      at = head.push(bytes, at, bytes.length);
      if (head.failure !== undefined)
        throw new ProxyRefusal(`no valid answer of the proxy: ${head.failure}`, undefined);
      if (!head.complete) return undefined;
      // whatever it says of a body: a tunnel has none
      if (head.status >= 200 && head.status < 300) return bytes.subarray(at);
      // 101 is no interim response: it would end HTTP in another way
      if (head.status >= 200 || head.status === 101) throw this.refusal();
      this.interims += 1;
      if (this.interims > INTERIM_MAX) throw new ProxyRefusal('too many interim responses of the proxy', undefined);
      head.again();
    }
    return undefined;
  }

  private refusal(): ProxyRefusal {
    const { head, proxy } = this;
    const said = `the proxy answered ${statusOf(head)}`;
    const asked = proxy.authorization === undefined ? 'it asks for' : 'it does not take the';
    const why = head.status === PROXY_AUTHENTICATION_REQUIRED ? `: ${asked} username and password (proxyUri)` : '';
    return new ProxyRefusal(said + why, responseOf(head, NO_BYTES));
  }
}
