/**
 * ESP-IDF's captive_portal: every name leads to this server, and every path to its one page.
 */
import {
  ESP_ERR_INVALID_ARG,
  ESP_OK,
  EspError,
  espLog,
  HTTP_GET,
  HTTPD_404_NOT_FOUND,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
} from '../../src/index.js';
import { pageHandler } from '../page.js';
import { DNS_TAG, type DnsServer, startDnsServer } from './dns_server.js';
import { isOneAddress, LOOPBACK } from './own_address.js';

export const TAG = 'example';
/** A device has 53, which is for the administrator of a machine; 5353 is mDNS's. */
export const DNS_PORT = 1053;

/** What the portal would like of the server's configuration, as in ESP-IDF: clients that come and go, and leave connections open. */
export const PORTAL_CONFIG = { maxOpenSockets: 13, lruPurgeEnable: true } as const satisfies Partial<HttpdConfig>;

const page = pageHandler(new URL('./index.html', import.meta.url));

export interface PortalOptions {
  /** What the server listens on; `0.0.0.0` is all. */
  readonly host: string;
  /** The port of the DNS server; 0 lets the system choose one. */
  readonly dnsPort: number;
  readonly log?: (tag: string) => ReturnType<typeof espLog>;
}

/**
 * What the environment asks for: HOST and DNS_PORT.
 *
 * @throws EspError ESP_ERR_INVALID_ARG if DNS_PORT is no port
 */
export function portalOptions({ HOST, DNS_PORT: wanted }: NodeJS.ProcessEnv): PortalOptions {
  const dnsPort = /^\d{1,5}$/.test(wanted || String(DNS_PORT)) ? Number(wanted || DNS_PORT) : Number.NaN;
  if (!(dnsPort <= 65_535)) {
    const message = `the port in the environment variable DNS_PORT must be a number from 0 to 65535, not '${wanted}'`;
    throw new EspError(ESP_ERR_INVALID_ARG, message);
  }
  // '::' is all addresses of both kinds
  return { host: HOST === undefined || HOST === '' || HOST === '::' ? '0.0.0.0' : HOST, dnsPort };
}

/**
 * Registers the page and the redirection, and starts the DNS server, which ends with the server.
 *
 * @returns the DNS server
 */
export function registerPortal(server: HttpdServer, options: PortalOptions): DnsServer {
  const { host, dnsPort, log: logOf = espLog } = options;
  const log = logOf(TAG);
  const address = isOneAddress(host) ? host : LOOPBACK;

  async function rootGetHandler(req: HttpdReq): Promise<number> {
    log.info('Serve root');
    return page(req);
  }

  /** Redirects whatever has no page to the one that there is. */
  async function http404ErrorHandler(req: HttpdReq): Promise<number> {
    req.respSetStatus('302 Temporary Redirect');
    req.respSetHdr('Location', '/');
    // iOS takes a network for captive only if there is content
    await req.respSend('Redirect to the captive portal');
    log.info('Redirecting to root');
    return ESP_OK;
  }

  // there is no radio here: the network is this machine's, and so is the first station in it
  log.info(`Set up softAP with IP: ${address}`);
  log.info("wifi_init_softap finished. SSID:'esp32_ssid' password:'esp32_pwd'");
  log.info(`Starting server on port: '${server.port}'`);
  log.info('Registering URI handlers');
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: rootGetHandler });
  server.registerErrHandler(HTTPD_404_NOT_FOUND, http404ErrorHandler);
  const dns = startDnsServer({ host, port: dnsPort, log: logOf(DNS_TAG) });
  let running = true;
  server.once('stop', () => {
    running = false;
    dns.close();
  });
  // a station asks for names as soon as it has an address
  void dns.bound.then(() => {
    if (running) logOf('esp_netif_lwip').info(`DHCP server assigned IP to a station, IP is: ${address}`);
  });
  return dns;
}
