/** How a server comes to be: its configuration is checked, its select loop chosen, and it listens. */
import { checkConfig, type HttpdConfig } from '../config.js';
import { describeThrown, ESP_ERR_NOT_SUPPORTED, EspError } from '../err.js';
import { espLog } from '../log.js';
import { choosePort } from '../port/choose.js';
import type { Port } from '../port/port.js';
import { systemClock } from '../sess/deadlines.js';
import type { CoreParts } from './core.js';
import { HttpdServer } from './server.js';

/** What a server stands on; simulated devices bring their own, and tests do. */
export interface ServerParts extends Partial<CoreParts> {
  readonly port?: Port;
}

/**
 * Starts a server (`httpd_start`).
 *
 * @param config fields that differ from `httpdDefaultConfig()`
 * @throws EspError ESP_ERR_INVALID_ARG for a wrong configuration; ESP_ERR_HTTPD_TASK, with the system's error as cause,
 *   if the port can't be listened on; ESP_ERR_NOT_SUPPORTED if `config.port` is 'epoll' and that does not work here; all
 *   by rejection
 */
export async function httpdStart(config?: Partial<HttpdConfig>): Promise<HttpdServer> {
  return startWith(config, {});
}

/** The same on other parts. */
export async function startWith(config: Partial<HttpdConfig> | undefined, parts: ServerParts): Promise<HttpdServer> {
  const checked = checkConfig(config);
  const server = new HttpdServer(checked, { ...parts, clock: parts.clock ?? systemClock });
  await server.listen(parts.port ?? selectLoop(checked));
  return server;
}

/** @throws EspError ESP_ERR_NOT_SUPPORTED */
function selectLoop({ port: wanted, reusePort, logger }: HttpdConfig): Port {
  const log = espLog('httpd', logger);
  try {
    const { port, fallback } = choosePort(wanted, reusePort);
    if (fallback === undefined) log.verbose(`httpd_server_init: select loop: ${port.name}`);
    else log.info(`httpd_server_init: select loop: ${port.name}, since ${fallback}`);
    return port;
  } catch (cause) {
    const why = `config.port: 'epoll' does not work here: ${describeThrown(cause)}; 'auto' takes what does`;
    throw new EspError(ESP_ERR_NOT_SUPPORTED, why, { cause });
  }
}
