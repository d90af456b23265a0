/** What happens to a device, and when: a list that can be written by hand, recorded, kept as JSON and played again. */
import { invalidArg } from '../err.js';
import { checkFields, checkLink, checkRange, type LinkSettings, SECONDS } from './profile.js';

/** For how long a device is away. */
export interface BootOptions {
  /** Until the server can be reached again, in seconds, 0 to 86,400; default: the profile's. */
  readonly bootSeconds?: number | undefined;
}

/** One event. */
export type DeviceEvent =
  | { readonly wifiDown: number }
  | { readonly reboot: true | BootOptions }
  | { readonly brownOut: true | BootOptions }
  | { readonly stall: number }
  | { readonly setLink: Partial<LinkSettings> };

/** An event, and its time in seconds: from the start of the device, or of playing. */
export type ScenarioStep = { readonly at: number } & DeviceEvent;

/** In any order. */
export type Scenario = readonly ScenarioStep[];

/** In seconds: some thirty years. */
const TIME = { min: 0, max: 1e9 };
/** More steps than anybody writes. */
export const SCENARIO_MAX = 10_000;

const CHECKS: Readonly<Record<string, (value: unknown, what: string) => void>> = {
  wifiDown: checkSeconds,
  reboot: checkBoot,
  brownOut: checkBoot,
  stall: checkSeconds,
  setLink: (value, what) => void checkLink(value, what),
};

/**
 * Checks a scenario, such as `JSON.parse` has given.
 *
 * @returns the same
 * @throws EspError ESP_ERR_INVALID_ARG that says which step is wrong, and how
 */
export function checkScenario(value: unknown): Scenario {
  if (!Array.isArray(value) || value.length > SCENARIO_MAX) {
    invalidArg(`a scenario is a list of up to ${SCENARIO_MAX} steps, such as [{ "at": 5, "wifiDown": 3 }]`);
  }
  for (const [i, step] of value.entries()) checkStep(step, `step ${i}`);
  return value;
}

function checkStep(step: unknown, what: string): void {
  const names = Object.keys(CHECKS);
  checkFields(what, step, ['at', ...names]);
  const { at, ...event } = step as Record<string, unknown>;
  checkRange(`${what}: at`, at, TIME);
  const [name, ...more] = Object.keys(event);
  if (name === undefined || more.length > 0) invalidArg(`${what} must have 'at' and one of ${names.join(', ')}`);
  CHECKS[name]?.(event[name], `${what}: ${name}`);
}

function checkSeconds(value: unknown, what: string): void {
  checkRange(what, value, SECONDS);
}

function checkBoot(value: unknown, what: string): void {
  if (value !== true) checkBootOptions(value, what);
}

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkBootOptions(value: unknown, what: string): void {
  checkFields(what, value, ['bootSeconds']);
  const { bootSeconds } = value as BootOptions;
  if (bootSeconds !== undefined) checkSeconds(bootSeconds, `${what}.bootSeconds`);
}
