/** A second server, from which a device is watched and commanded. */
import type { Device } from '../device/device.js';
import { checkFields } from '../device/profile.js';
import { invalidArg } from '../err.js';
import type { HttpdServer } from '../httpd/server.js';
import { startWith } from '../httpd/start.js';
import { sideLogger } from '../log.js';
import { type Clock, systemClock } from '../sess/deadlines.js';
import { registerJsonErrors } from './answers.js';
import { ControlLog } from './control_log.js';
import { guard, inUrl } from './guard.js';
import { Live } from './live.js';
import { pageHandler } from './page.js';
import { controlRoutes } from './routes.js';

/** See `controlStart`. */
export interface ControlOptions {
  /** TCP port to listen on. Default 0: the system chooses. */
  readonly port?: number | undefined;
  /**
   * Address or host name to listen on. Default 127.0.0.1: nobody else reaches it. Whoever does can command the device,
   * without a password.
   */
  readonly host?: string | undefined;
  /** The log to show. Default: what is printed from now on. */
  readonly log?: ControlLog | undefined;
}

/** A bound: a scenario of 10,000 steps. */
const BODY_MAX = 1024 * 1024;
/** What a watcher may be behind by. */
const BEHIND_MAX = 4 * 1024 * 1024;

/** The control server of a device. */
export class ControlServer {
  /** Control servers are made by `controlStart()`. */
  constructor(
    private readonly server: HttpdServer,
    private readonly host: string,
    private readonly onStop: () => void,
  ) {}

  /** The port that it is bound to; 0 when it has stopped. */
  get port(): number {
    return this.server.port;
  }

  /** Where its page is, such as `http://127.0.0.1:9000/`. */
  get url(): string {
    return urlOf('http', this.host, this.port);
  }

  /** Stops it; the device goes on. */
  async stop(): Promise<void> {
    this.onStop();
    // its page comes back by itself when there is a server again
    await this.server.stop({ grace: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Where somebody on this machine opens what listens on `host`. */
export function urlOf(scheme: string, host: string, port: number): string {
  const own = inUrl(host);
  const reached = own === '0.0.0.0' ? '127.0.0.1' : own === '[::]' ? '[::1]' : own;
  return `${scheme}://${reached}:${port}/`;
}

/**
 * Starts the control server of a device: a page to watch it and to let things happen, and the same over HTTP, as
 * `/control/openapi.json` describes it. Pages of other sites are refused.
 *
 * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_HTTPD_TASK, with the system's error as cause, if the port can't be
 *   listened on; all by rejection
 */
export function controlStart(device: Device, options: ControlOptions = {}): Promise<ControlServer> {
  return controlWith(device, options, systemClock);
}

/** The same on another clock: for tests. */
export async function controlWith(device: Device, options: ControlOptions, clock: Clock): Promise<ControlServer> {
  if (typeof device?.snapshot !== 'function') invalidArg('controlStart needs a device, as deviceStart gives it');
  checkFields('the options of controlStart', options, ['port', 'host', 'log']);
  const { port = 0, host = '127.0.0.1', log: given } = options;
  if (given !== undefined && typeof given?.since !== 'function') invalidArg('log must be a ControlLog');
  const page = await pageHandler();
  const server = await startWith(
    {
      serverPort: port,
      host,
      port: 'net',
      logger: sideLogger('control server: '),
      maxOpenSockets: 256,
      maxReqBodyLen: BODY_MAX,
      maxTxPending: BEHIND_MAX,
      handlerTimeout: 0,
    },
    {},
  );
  const log = given ?? new ControlLog();
  const live = new Live(server, device, log, clock);
  server.before('/', guard(host));
  registerJsonErrors(server);
  for (const route of controlRoutes({ device, log, live, page })) server.registerUriHandler(route);
  return new ControlServer(server, host, () => {
    live.close();
    if (given === undefined) log.close();
  });
}
