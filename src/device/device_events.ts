/** What a device tells its observers. */
import { EventEmitter } from 'node:events';
import { invalidArg } from '../err.js';
import type { HttpdServer } from '../httpd/server.js';
import { watch } from '../thenable.js';
import type { ScenarioStep } from './scenario.js';

/** Events and what their listeners get. */
export interface DeviceEvents {
  /** Something has happened to the device. */
  event: [step: ScenarioStep];
  /** It has booted, and its application too. */
  boot: [server: HttpdServer];
  /** It boots: its connections and its server are gone. */
  down: [reason: 'reboot' | 'brownOut'];
  /** It could not boot, and has stopped. Without a listener it is only logged. */
  error: [error: Error];
}

const EVENTS: readonly (keyof DeviceEvents)[] = ['event', 'boot', 'down', 'error'];

/** An emitter whose listeners can't harm the device. */
export class DeviceEmitter {
  private readonly emitter = new EventEmitter();

  /** @param onFailure gets what a listener has thrown */
  constructor(private readonly onFailure: (what: string, thrown: unknown) => void) {}

  /**
   * Calls `listener` at each event of this name.
   *
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  on<Name extends keyof DeviceEvents>(name: Name, listener: (...args: DeviceEvents[Name]) => void): this {
    if (!EVENTS.includes(name)) invalidArg(`a device has no event '${String(name)}'; it has ${EVENTS.join(', ')}`);
    if (typeof listener !== 'function') invalidArg(`the listener for '${name}' must be a function`);
    this.emitter.on(name, listener as (...args: unknown[]) => void);
    return this;
  }

  off<Name extends keyof DeviceEvents>(name: Name, listener: (...args: DeviceEvents[Name]) => void): this {
    this.emitter.off(name, listener as (...args: unknown[]) => void);
    return this;
  }

  protected emit<Name extends keyof DeviceEvents>(name: Name, payload: DeviceEvents[Name][0]): void {
    const failed = (thrown: unknown): void => this.onFailure(`a listener for '${name}' failed`, thrown);
    for (const listener of this.emitter.listeners(name)) {
      try {
        watch(listener.call(this, payload), failed);
      } catch (thrown) {
        failed(thrown);
      }
    }
  }
}
