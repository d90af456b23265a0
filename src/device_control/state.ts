/** What the control server shows of a device. */
import type { DeviceChip } from '../device/chips.js';
import type { Device } from '../device/device.js';
import type { DeviceSnapshot } from '../device/snapshot.js';

/** A device's snapshot, and what does not change. */
export interface ControlState extends DeviceSnapshot {
  readonly chip: DeviceChip;
  readonly seed: number;
  /** What it listens on. */
  readonly listeners: readonly { readonly port: number; readonly path?: string; readonly encrypted: boolean }[];
}

export function stateOf(device: Device): ControlState {
  const listeners = device.listeners.map(({ port, path, encrypted }) =>
    path === undefined ? { port, encrypted } : { port, path, encrypted },
  );
  return { chip: device.profile.chip, seed: device.seed, listeners, ...device.snapshot() };
}
