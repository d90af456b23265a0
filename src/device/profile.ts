/** What a device can do: the limits of its server, its link and its memory. Where each figure comes from is in `chips.ts`. */
import { definedOf, type HttpdConfig } from '../config.js';
import { invalidArg } from '../err.js';
import { CHIPS, type DeviceChip } from './chips.js';

/** The link between a device and its clients: Wi-Fi, and lwIP's TCP on it. */
export interface LinkSettings {
  /** Payload from the device to its clients, of all connections together, in bit/s; above 0. */
  readonly bandwidthUp: number;
  /** The same to the device. */
  readonly bandwidthDown: number;
  /** How long a segment travels, one way, in ms; 0 and up. */
  readonly latencyMs: number;
  /** Up to so much more, uniformly, for each segment, in ms; 0 and up. */
  readonly jitterMs: number;
  /** Bytes of payload in a segment, 1 to 65,535 (`CONFIG_LWIP_TCP_MSS`). */
  readonly segmentSize: number;
  /** Bytes of one connection that may be under way to the client, 1 to 2^30 (`CONFIG_LWIP_TCP_SND_BUF_DEFAULT`). */
  readonly transmitWindow: number;
  /** Bytes of one connection that may be under way to the device, 1 to 2^30 (`CONFIG_LWIP_TCP_WND_DEFAULT`). */
  readonly receiveWindow: number;
  /** How likely a segment has to be sent again, 0 to 1. */
  readonly stallChance: number;
  /** How long that holds up its connection, in ms; 0 and up. */
  readonly stallMs: number;
  /** How long the server task is busy with a TLS handshake, in ms; 0 and up. */
  readonly tlsHandshakeMs: number;
  /** A loss of the Wi-Fi that is longer ends the device's connections, in ms; 0 and up. */
  readonly beaconTimeoutMs: number;
}

/** The memory of a device, in bytes; 0 and up. */
export interface HeapSettings {
  /** What the server and its application have between them, once the Wi-Fi is up. */
  readonly size: number;
  /** A connection: its control blocks, mailbox and buffers. */
  readonly session: number;
  /** What a connection takes besides, if it is encrypted. */
  readonly tlsSession: number;
  /** A request, while it is served. */
  readonly request: number;
}

/** See `deviceProfile`. */
export interface DeviceProfile {
  readonly chip: DeviceChip;
  /** Of its server; fields that are not there are those of `httpdEsp32Config`. */
  readonly config: Partial<HttpdConfig>;
  readonly link: LinkSettings;
  readonly heap: HeapSettings;
  /** From a reset until the server can be reached, in seconds; 0 and up. */
  readonly bootSeconds: number;
}

/** What differs from a chip's own profile. */
export interface ProfileOverrides {
  readonly config?: Partial<HttpdConfig> | undefined;
  readonly link?: Partial<LinkSettings> | undefined;
  readonly heap?: Partial<HeapSettings> | undefined;
  readonly bootSeconds?: number | undefined;
}

/**
 * The profile of a chip with ESP-IDF's default configuration, or with what `overrides` say.
 *
 * @param chip 'esp32', 'esp32-s3' or 'esp32-c3'
 * @throws EspError ESP_ERR_INVALID_ARG for an unknown chip, an unknown field or a value out of its range; what is wrong in
 *   `overrides.config` is told by `deviceStart`
 */
export function deviceProfile(chip: DeviceChip, overrides: ProfileOverrides = {}): DeviceProfile {
  if (!Object.hasOwn(CHIPS, chip)) {
    invalidArg(`there is no profile '${String(chip)}'; there are ${Object.keys(CHIPS).join(', ')}`);
  }
  checkFields('overrides', overrides, ['config', 'link', 'heap', 'bootSeconds']);
  const own = CHIPS[chip];
  const { config = {}, link = {}, heap = {}, bootSeconds = own.bootSeconds } = overrides;
  if (config === null || typeof config !== 'object') invalidArg('overrides.config must be an object of HttpdConfig');
  checkRange('overrides.bootSeconds', bootSeconds, SECONDS);
  return {
    chip,
    config: { ...own.config, ...definedOf(config) },
    link: { ...own.link, ...checkLink(link) },
    heap: { ...own.heap, ...checkHeapSettings(heap) },
    bootSeconds,
  };
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}

const DAY_MS = 86_400_000;
const MS: Range = { min: 0, max: DAY_MS };
const RATE: Range = { min: 1, max: 1e12 };
const BYTES: Range = { min: 0, max: 2 ** 40, integer: true };
const WINDOW: Range = { min: 1, max: 2 ** 30, integer: true };
/** Up to a day. */
export const SECONDS: Range = { min: 0, max: DAY_MS / 1000 };

const LINK_RANGES: Readonly<Record<keyof LinkSettings, Range>> = {
  bandwidthUp: RATE,
  bandwidthDown: RATE,
  latencyMs: MS,
  jitterMs: MS,
  segmentSize: { min: 1, max: 65_535, integer: true },
  transmitWindow: WINDOW,
  receiveWindow: WINDOW,
  stallChance: { min: 0, max: 1 },
  stallMs: MS,
  tlsHandshakeMs: MS,
  beaconTimeoutMs: MS,
};

const HEAP_RANGES: Readonly<Record<keyof HeapSettings, Range>> = {
  size: BYTES,
  session: BYTES,
  tlsSession: BYTES,
  request: BYTES,
};

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkLink(link: unknown, what = 'link'): Partial<LinkSettings> {
  return checkSettings(what, link, LINK_RANGES);
}

/** @throws EspError ESP_ERR_INVALID_ARG */
function checkHeapSettings(heap: unknown): Partial<HeapSettings> {
  return checkSettings('heap', heap, HEAP_RANGES);
}

function checkSettings<T extends object>(
  what: string,
  given: unknown,
  ranges: Readonly<Record<keyof T, Range>>,
): Partial<T> {
  checkFields(what, given, Object.keys(ranges));
  const set: Partial<T> = definedOf(given as Partial<T>);
  for (const [name, value] of Object.entries(set)) checkRange(`${what}.${name}`, value, ranges[name as keyof T]);
  return set;
}

/**
 * A profile may be kept as JSON, or made by hand: is it whole, and right?
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function checkProfile(profile: unknown): void {
  checkFields('profile', profile, ['chip', 'config', 'link', 'heap', 'bootSeconds']);
  const { chip, ...overrides } = profile as DeviceProfile;
  deviceProfile(chip, overrides);
  const { link, heap, bootSeconds } = overrides;
  const given: readonly (readonly [string, object, object])[] = [
    ['link', LINK_RANGES, link ?? {}],
    ['heap', HEAP_RANGES, heap ?? {}],
  ];
  for (const [what, ranges, fields] of given) {
    const missing = Object.keys(ranges).find(name => !Object.hasOwn(definedOf(fields), name));
    if (missing !== undefined) invalidArg(`profile.${what} has no ${missing}: make profiles with deviceProfile()`);
  }
  checkRange('profile.bootSeconds', bootSeconds, SECONDS);
}

/** @throws EspError ESP_ERR_INVALID_ARG if it is no object, or has another field than these */
export function checkFields(what: string, given: unknown, names: readonly string[]): void {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) invalidArg(`${what} must be an object`);
  const unknown = Object.keys(given).find(name => !names.includes(name));
  if (unknown !== undefined) invalidArg(`${what} has no field '${unknown}'; it has ${names.join(', ')}`);
}

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkRange(
  what: string,
  value: unknown,
  { min, max, integer = false }: Range,
): asserts value is number {
  if (typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value))) return;
  invalidArg(`${what} must be ${integer ? 'an integer' : 'a number'} from ${min} to ${max}, not ${String(value)}`);
}
