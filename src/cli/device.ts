/** `esp-httpd device`: runs an application as a simulated device. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import type { HttpdConfig } from '../config.js';
import { type Device, deviceStart } from '../device/index.js';
import { deviceProfile } from '../device/profile.js';
import { checkScenario, type Scenario } from '../device/scenario.js';
import { type ControlServer, controlStart, urlOf } from '../device_control/control.js';
import { ControlLog } from '../device_control/control_log.js';
import { describeThrown, EspError } from '../err.js';
import type { HttpdServer } from '../httpd/server.js';
import { espLog } from '../log.js';
import { DEVICE_USAGE, type DeviceCommand, readDeviceCommand } from './device_options.js';
import { CliError, report } from './errors.js';
import { type App, loadApp } from './load_app.js';

/** Signals that belong to one press of Ctrl-C may come twice: from the terminal, and from npm. */
const SAME_PRESS_MS = 150;

/** @returns the status that the process ends with, when the device has been switched off or could not boot */
export async function device(args: readonly string[]): Promise<number> {
  try {
    const command = readDeviceCommand(args);
    if (command === undefined) {
      console.log(DEVICE_USAGE);
      return 0;
    }
    return await run(command);
  } catch (thrown) {
    return report(thrown, 'npx esp-httpd device --help');
  }
}

/** @throws CliError */
async function run(command: DeviceCommand): Promise<number> {
  const scenario = await readScenario(command.scenario);
  const app = await loadApp(command.module);
  if (command.control === undefined) return runUntilOff(command, app, scenario, undefined);
  // before the device: its first lines are to be seen too
  const lines = new ControlLog();
  try {
    return await runUntilOff(command, app, scenario, lines);
  } finally {
    lines.close();
  }
}

/** @throws CliError */
async function runUntilOff(
  command: DeviceCommand,
  app: App,
  scenario: Scenario | undefined,
  lines: ControlLog | undefined,
): Promise<number> {
  const running = await startDevice(command, app, scenario);
  const failed = new Promise<Error>(resolve => running.on('error', resolve));
  const log = espLog('device');
  log.info(`${relative('.', command.module)}: ${deviceUrl(command, running)}`);
  const control = await startControl(command, running, lines);
  if (control !== undefined) log.info(`control page: ${control.url}`);
  const switchedOff = onSignal(async signal => {
    log.info(`Stopping (${signal}); the same again ends it at once`);
    await Promise.all([running.stop(), control?.stop()]);
    log.info('Stopped');
  });
  const error = await Promise.race([failed, switchedOff]);
  if (error === undefined) return 0;
  await control?.stop();
  throw new CliError('The device could not boot again:', { cause: error });
}

/** @throws CliError; the device is switched off then */
async function startControl(
  { control }: DeviceCommand,
  running: Device,
  log: ControlLog | undefined,
): Promise<ControlServer | undefined> {
  if (control === undefined) return undefined;
  try {
    return await controlStart(running, { ...control, log });
  } catch (thrown) {
    await running.stop();
    throw new CliError(explain(thrown, control.host, control.port, '--control'));
  }
}

/** @throws CliError */
async function readScenario(file: string | undefined): Promise<Scenario | undefined> {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`The scenario '${file}' can't be read: ${(error as Error).message}`);
  }
  try {
    // some editors begin a file with a byte order mark
    return checkScenario(JSON.parse(text.replace(/^\uFEFF/, '')));
  } catch (error) {
    const why = error instanceof EspError ? error.message : `it is not JSON: ${(error as Error).message}`;
    throw new CliError(`The scenario '${file}' is wrong: ${why}.`);
  }
}

/** @throws CliError */
async function startDevice(command: DeviceCommand, app: App, scenario: Scenario | undefined): Promise<Device> {
  const { module, profile, seed, host, port, selectLoop } = command;
  /** Does the device boot for the first time, and the application with it? */
  let registers = false;
  const [connectLog, mainLog] = [espLog('example_common'), espLog('main_task')];
  const onBoot = async (server: HttpdServer): Promise<void> => {
    registers = true;
    // ESP-IDF's tests read the address off the log, and wait for the end of app_main
    connectLog.info(`- IPv4 address: ${/^\d+(\.\d+){3}$/.test(host) ? host : '127.0.0.1'},`);
    await app.register(server);
    mainLog.info('Returned from app_main()');
    registers = false;
  };
  const own = ownConfig(command);
  const { config } = app;
  const merged = (theirs: Partial<HttpdConfig>): Partial<HttpdConfig> => {
    const { serverPort: _, host: __, listeners: ___, ...rest } = theirs;
    return { ...rest, ...own, port: selectLoop };
  };
  try {
    return await deviceStart({
      profile: deviceProfile(profile),
      seed,
      config: typeof config === 'function' ? () => merged(config()) : merged(config),
      scenario,
      onBoot,
    });
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    if (registers) throw new CliError(`register of '${module}' failed:`, { cause: thrown });
    throw new CliError(explain(thrown, host, port, '--port'));
  }
}

function ownConfig({ host, port, tls }: DeviceCommand): Partial<HttpdConfig> {
  if (tls === undefined) return { serverPort: port, host };
  return { listeners: [{ port, host, tls: { servercert: tls.cert, prvtkeyPem: tls.key } }] };
}

function deviceUrl({ host, tls }: DeviceCommand, { port }: Device): string {
  return urlOf(tls === undefined ? 'http' : 'https', host, port);
}

/** What to tell a person whose server can't start. */
function explain(thrown: unknown, host: string, port: number, option: string): string {
  const cause = thrown instanceof EspError ? (thrown.cause as NodeJS.ErrnoException | undefined) : undefined;
  switch (cause?.code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use: another program listens there. Stop it, or choose another port: ${option} ${port < 65_535 ? port + 1 : 8080}`;
    case 'EACCES':
      return `Port ${port} may not be used by this account: ports below 1024 often need more rights. Choose another one with ${option}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `'${host}' is no address of this machine. Choose another one with ${option === '--port' ? '--host' : '--control-host'}.`;
    default:
      return `The ${option === '--port' ? 'device' : 'control server'} could not start: ${describeThrown(thrown)}`;
  }
}

/** Resolves when `stop`, which the first SIGINT or SIGTERM begins, has ended; a second one ends the process at once. */
function onSignal(stop: (signal: string) => Promise<void>): Promise<undefined> {
  return new Promise((resolve, reject) => {
    let firstAt: number | undefined;
    const listener = (signal: NodeJS.Signals, number: number): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        stop(signal).then(() => resolve(undefined), reject);
      } else if (now - firstAt >= SAME_PRESS_MS) {
        process.exit(128 + number);
      }
    };
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
  });
}
