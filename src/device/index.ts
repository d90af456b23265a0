/** What `esp-httpd/device` exports, and nothing else. */
import '../node_version.cjs';

export {
  ControlLog,
  type ControlOptions,
  type ControlServer,
  type ControlState,
  controlStart,
  type LiveMessage,
  type LogPart,
} from '../device_control/index.js';
export type { DeviceChip } from './chips.js';
export { Device, type DeviceOptions } from './device.js';
export type { DeviceEvents } from './device_events.js';
export type { DeviceHeap } from './heap.js';
export {
  type DeviceProfile,
  deviceProfile,
  type HeapSettings,
  type LinkSettings,
  type ProfileOverrides,
} from './profile.js';
export { type BootOptions, checkScenario, type DeviceEvent, type Scenario, type ScenarioStep } from './scenario.js';
export type { DeviceSession, DeviceSnapshot } from './snapshot.js';
export { deviceStart } from './start.js';
