/** How a device comes to be. */
import { invalidArg } from '../err.js';
import { Device, type DeviceOptions, type DeviceParts } from './device.js';
import { checkFields, checkProfile, checkRange } from './profile.js';
import { checkScenario } from './scenario.js';

/**
 * Starts a device.
 *
 * @throws EspError ESP_ERR_INVALID_ARG; and as `httpdStart` does, or what `onBoot` throws; all by rejection
 */
export function deviceStart(options: DeviceOptions): Promise<Device> {
  return deviceWith(options, {});
}

/** The same on other parts: for tests. */
export async function deviceWith(options: DeviceOptions, parts: DeviceParts): Promise<Device> {
  checkFields('the options of deviceStart', options, ['profile', 'seed', 'config', 'scenario', 'onBoot']);
  const { seed = 0, scenario = [], onBoot } = options;
  if (typeof onBoot !== 'function') invalidArg('onBoot must be a function that registers the handlers');
  checkRange('seed', seed, { min: 0, max: 2 ** 32 - 1, integer: true });
  checkScenario(scenario);
  if (options.profile !== undefined) checkProfile(options.profile);
  const device = new Device(options, parts);
  await device.start(scenario);
  return device;
}
