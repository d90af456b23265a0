/** What `esp-httpd device` is told. */
import type { HttpdConfig } from '../config.js';
import { CHIPS, type DeviceChip } from '../device/chips.js';
import { parse } from './args.js';
import { UsageError } from './errors.js';

export const DEVICE_USAGE = `Usage: npx esp-httpd device <module> [options]

Runs an application as a simulated device. <module> is a file, .js or .ts, that exports
register(server), which registers its URI handlers, and perhaps config, its HttpdConfig.

  --profile <chip>       esp32, esp32-s3 or esp32-c3; default esp32
  --seed <n>             what everything random comes from, 0 to 4294967295; default 0
  --scenario <file>      JSON: what happens to the device, and when
  --port <n>             TCP port of the device, 0 to 65535; 0 lets the system choose; default 8080
  --host <address>       address that the device listens on; default 127.0.0.1
  --tls-cert <file>      certificate in PEM, for an encrypted device; with --tls-key
  --tls-key <file>       its private key
  --select-loop <loop>   auto, epoll or net; default auto
  --control <n>          TCP port of the control page; 0 lets the system choose; without it there is none
  --control-host <addr>  address that the control page listens on; default 127.0.0.1
  -h, --help             this text

HTTPD_LOG=debug shows each step of the server, HTTPD_LOG_FORMAT=json prints JSON lines.`;

const LOOPS = ['auto', 'epoll', 'net'] as const satisfies readonly HttpdConfig['port'][];
const PORT_MAX = 65_535;
const SEED_MAX = 2 ** 32 - 1;

const TEXT = { type: 'string' } as const;
const OPTIONS = {
  profile: TEXT,
  seed: TEXT,
  scenario: TEXT,
  port: TEXT,
  host: TEXT,
  'tls-cert': TEXT,
  'tls-key': TEXT,
  'select-loop': TEXT,
  control: TEXT,
  'control-host': TEXT,
  help: { type: 'boolean', short: 'h' },
} as const;

export interface DeviceCommand {
  readonly module: string;
  readonly profile: DeviceChip;
  readonly seed: number;
  /** A file. */
  readonly scenario: string | undefined;
  readonly port: number;
  readonly host: string;
  /** Files. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly selectLoop: HttpdConfig['port'];
  readonly control: { readonly port: number; readonly host: string } | undefined;
}

/**
 * @returns undefined if help is asked for
 * @throws UsageError
 */
export function readDeviceCommand(args: readonly string[]): DeviceCommand | undefined {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.help === true) return undefined;
  const [module, ...more] = positionals;
  if (module === undefined) throw new UsageError('Which application? Give the file that exports register(server).');
  if (more.length > 0) throw new UsageError(`One argument is the module; '${more.join(' ')}' is too much.`);
  const { 'tls-cert': cert, 'tls-key': key, control, 'control-host': controlHost } = values;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('--tls-cert and --tls-key go together: a certificate and its private key.');
  }
  if (controlHost !== undefined && control === undefined) {
    throw new UsageError('--control-host is for --control, which says the port.');
  }
  return {
    module,
    profile: oneOf('--profile', values.profile, Object.keys(CHIPS) as DeviceChip[]) ?? 'esp32',
    seed: integer('--seed', values.seed, SEED_MAX) ?? 0,
    scenario: values.scenario,
    port: integer('--port', values.port, PORT_MAX) ?? 8080,
    host: address('--host', values.host),
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    selectLoop: oneOf('--select-loop', values['select-loop'], LOOPS) ?? 'auto',
    control:
      control === undefined
        ? undefined
        : { port: integer('--control', control, PORT_MAX) ?? 0, host: address('--control-host', controlHost) },
  };
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find(one => one === value);
  if (found === undefined) throw new UsageError(`${name} must be one of ${allowed.join(', ')}, not '${value}'.`);
  return found;
}

function integer(name: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= max)) throw new UsageError(`${name} must be a number from 0 to ${max}, not '${value}'.`);
  return number;
}

function address(name: string, value = '127.0.0.1'): string {
  if (value === '') throw new UsageError(`${name} must be an address or a host name.`);
  return value;
}
