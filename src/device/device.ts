/** A device that is not there: a server behind a device's link, with a device's memory, that things happen to. */
import { checkConfig, definedOf, type HttpdConfig, type HttpdListenerConfig, httpdEsp32Config } from '../config.js';
import { ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import type { HttpdServer } from '../httpd/server.js';
import { type ServerParts, startWith } from '../httpd/start.js';
import { espLog, logThrown, type TagLog } from '../log.js';
import { asError, type HttpdListener } from '../port/port.js';
import type { Clock } from '../sess/deadlines.js';
import { DeviceEmitter } from './device_events.js';
import { DeviceHeap } from './heap.js';
import { Link } from './link.js';
import { preciseClock } from './precise_clock.js';
import { checkLink, checkRange, type DeviceProfile, deviceProfile, type LinkSettings, SECONDS } from './profile.js';
import {
  type BootOptions,
  checkBootOptions,
  checkScenario,
  type DeviceEvent,
  SCENARIO_MAX,
  type Scenario,
  type ScenarioStep,
} from './scenario.js';
import { type DeviceSnapshot, sessionRows } from './snapshot.js';

/** What is said of a reset, as the chip's ROM does. */
const RESETS = { powerOn: 'POWERON_RESET', reboot: 'SW_CPU_RESET', brownOut: 'RTCWDT_BROWN_OUT_RESET' } as const;

/** How long what is under way may take when the device is stopped, in ms. */
const DRAIN_MS = 1_000;

/** What a device is made of. */
export interface DeviceOptions {
  /** Default: `deviceProfile('esp32')`. */
  readonly profile?: DeviceProfile | undefined;
  /** Everything random comes from it: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number | undefined;
  /**
   * What differs from the profile's configuration of the server, such as `serverPort`, `host`, `listeners` and `logger`; a
   * function is asked at each boot, so that each has a `globalUserCtx` of its own.
   */
  readonly config?: Partial<HttpdConfig> | (() => Partial<HttpdConfig>) | undefined;
  /** Is played from the first boot on. */
  readonly scenario?: Scenario | undefined;
  /**
   * The application: registers its handlers with the server of this boot. Until it has returned, or its promise has
   * resolved, clients wait. What it starts besides, such as timers, it ends at the server's event `stop`.
   */
  onBoot(server: HttpdServer, device: Device): unknown;
}

/** What a device stands on; tests bring their own. */
export type DeviceParts = Pick<ServerParts, 'port' | 'clock'>;

export class Device extends DeviceEmitter {
  readonly profile: DeviceProfile;
  readonly seed: number;
  private readonly onBoot: DeviceOptions['onBoot'];
  private readonly config: () => Partial<HttpdConfig>;
  private readonly clock: Clock;
  private readonly log: TagLog;
  private readonly linkInside: Link;
  /** When the sessions of this boot were opened. */
  private opened = new Map<number, number>();
  /** When it had booted first. */
  private startedAt: number | undefined;
  private readonly history: ScenarioStep[] = [];
  private heapNow: DeviceHeap;
  /** Of this boot's server. */
  private configNow: Partial<HttpdConfig>;
  private current: HttpdServer | undefined;
  private bound: readonly HttpdListener[] = [];
  private boots = 0;
  private resets = 0;
  private bootedAt = 0;
  private stateNow: 'running' | 'booting' | 'stopped' = 'booting';
  /** Resolves when no server is about to listen, and when those of earlier boots have stopped. */
  private starting: Promise<void> | undefined;
  private ending: Promise<unknown> | undefined;
  /** Who waits for the boot that is under way. */
  private readonly waiting: (() => void)[] = [];
  /** Why it could not boot. */
  private failure: Error | undefined;
  private stopping: Promise<void> | undefined;

  /** Devices are made by `deviceStart()`. */
  constructor(
    options: DeviceOptions,
    private readonly parts: DeviceParts,
  ) {
    super((what, thrown) => logThrown(this.log, what, thrown));
    const { profile = deviceProfile('esp32'), seed = 0, config = {}, onBoot } = options;
    this.profile = profile;
    this.seed = seed;
    this.onBoot = onBoot;
    this.config = typeof config === 'function' ? config : () => config;
    this.clock = parts.clock ?? preciseClock;
    this.configNow = this.bootConfig();
    checkConfig(this.configNow);
    this.log = espLog('device', this.configNow.logger);
    const fault = (thrown: unknown): void => logThrown(this.log, 'a fault inside', thrown);
    const refused = (): void => this.log.error('httpd_accept_conn: ESP_ERR_NO_MEM: no memory for another connection');
    this.linkInside = new Link(this.clock, seed, profile, () => this.heapNow, fault, refused);
    this.heapNow = this.newHeap(0);
  }

  /** The server of this boot; undefined while the device boots, and when it has stopped. */
  get server(): HttpdServer | undefined {
    return this.current;
  }

  /** The port that it can be reached at, the same after each boot; 0 if there is none. */
  get port(): number {
    return this.bound.find(({ port }) => port !== 0)?.port ?? 0;
  }

  /** What it listens on. */
  get listeners(): readonly HttpdListener[] {
    return this.bound;
  }

  get state(): 'running' | 'booting' | 'stopped' {
    return this.stateNow;
  }

  /** The link as it is now. */
  get link(): LinkSettings {
    return this.linkInside.air.link;
  }

  /** The memory of this boot. */
  get heap(): DeviceHeap {
    return this.heapNow;
  }

  /** @internal */
  async start(scenario: Scenario): Promise<void> {
    const settled = this.whenSettled();
    void this.boot('powerOn', 0);
    await settled;
    if (this.failure !== undefined) throw this.failure;
    if (this.stopping === undefined) this.play(scenario);
  }

  /**
   * The Wi-Fi is lost: nothing gets through. After `beaconTimeoutMs` the device ends its connections, and its clients
   * learn of that by RST when the Wi-Fi is back; a shorter loss is a delay only.
   *
   * @param seconds 0 to 86,400
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if the device has stopped
   */
  wifiDown(seconds: number): void {
    checkRange('wifiDown: seconds', seconds, SECONDS);
    this.record({ wifiDown: seconds });
    this.log.warn(`wifi: the link is lost for ${seconds} s`);
    this.linkInside.lose(seconds * 1000);
  }

  /**
   * The device boots anew (`esp_restart`): its connections are reset, nobody listens, sessions and contexts are gone;
   * then `onBoot` is called with a new server on the same port.
   *
   * @param options.bootSeconds until it can be reached again, 0 to 86,400; default: the profile's
   * @returns resolves when it runs again, or has stopped
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if the device has stopped
   */
  reboot(options: BootOptions = {}): Promise<void> {
    checkBootOptions(options, 'reboot');
    this.record({ reboot: Object.keys(options).length === 0 ? true : options });
    return this.restart('reboot', options);
  }

  /**
   * The same without a word: the supply has failed. Its connections fall silent, and their peers learn of it by RST when
   * the device runs again.
   *
   * @returns and throws as `reboot` does
   */
  brownOut(options: BootOptions = {}): Promise<void> {
    checkBootOptions(options, 'brownOut');
    this.record({ brownOut: Object.keys(options).length === 0 ? true : options });
    return this.restart('brownOut', options);
  }

  /**
   * The server task is busy, as in a handler that blocks: nothing is accepted, received, sent or worked off.
   *
   * @param seconds 0 to 86,400
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if the device has stopped
   */
  stall(seconds: number): void {
    checkRange('stall: seconds', seconds, SECONDS);
    this.record({ stall: seconds });
    this.log.warn(`httpd: the server task is busy for ${seconds} s`);
    this.linkInside.task.occupy(seconds * 1000);
  }

  /**
   * Changes the link, for what is sent from now on.
   *
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if the device has stopped
   */
  setLink(changes: Partial<LinkSettings>): void {
    const checked = checkLink(changes, 'setLink');
    this.record({ setLink: checked });
    this.linkInside.set(checked);
  }

  /**
   * Plays a scenario, beside others that are under way.
   *
   * @param scenario its times count from now
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if the device has stopped
   */
  play(scenario: Scenario): void {
    this.checkRunning();
    const { agenda } = this.linkInside;
    const from = agenda.now;
    for (const step of structuredClone(checkScenario(scenario)))
      agenda.at(from + step.at * 1000, () => this.happen(step));
  }

  /**
   * What has happened so far, by whomever; times count from the end of the first boot, as those of `options.scenario` do.
   * What the application has brought about itself it does again when this is played.
   */
  recorded(): Scenario {
    return [...this.history];
  }

  /** What can be seen of the device now. */
  snapshot(): DeviceSnapshot {
    const { current, heapNow: heap, opened } = this;
    const { air, task } = this.linkInside;
    return {
      time: this.seconds(this.startedAt),
      state: this.stateNow,
      boots: this.boots,
      uptime: this.stateNow === 'running' ? this.seconds(this.bootedAt) : 0,
      wifi: air.down ? 'down' : 'up',
      busy: task.busy,
      heap: { size: heap.size, free: heap.free, minimumFree: heap.minimumFree },
      works: { waiting: current?.getStats().queues.work ?? 0, max: this.configNow.maxWorkQueue ?? 0 },
      sessions: sessionRows(current?.inspectSessions() ?? [], fd => this.seconds(opened.get(fd) ?? this.bootedAt)),
      link: air.link,
      bytesUp: air.bytesUp,
      bytesDown: air.bytesDown,
    };
  }

  /** Switches it off: the server stops, with a goodbye to its clients. Calling it again returns the same promise. */
  stop(): Promise<void> {
    this.stopping ??= this.switchOff();
    return this.stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private happen(step: ScenarioStep): void {
    if (this.stateNow === 'stopped') return;
    if ('wifiDown' in step) this.wifiDown(step.wifiDown);
    else if ('stall' in step) this.stall(step.stall);
    else if ('setLink' in step) this.setLink(step.setLink);
    else if ('reboot' in step) void this.reboot(step.reboot === true ? {} : step.reboot);
    else void this.brownOut(step.brownOut === true ? {} : step.brownOut);
  }

  private record(event: DeviceEvent): void {
    this.checkRunning();
    const step = { at: this.seconds(this.startedAt), ...event };
    if (this.history.length < SCENARIO_MAX) this.history.push(step);
    this.emit('event', step);
  }

  private restart(
    reason: 'reboot' | 'brownOut',
    { bootSeconds = this.profile.bootSeconds }: BootOptions,
  ): Promise<void> {
    const { agenda } = this.linkInside;
    const old = this.current;
    this.current = undefined;
    this.stateNow = 'booting';
    this.resets += 1;
    const { resets } = this;
    if (reason === 'brownOut') this.log.error('BOD: Brownout detector was triggered');
    else this.log.info('esp_restart');
    const silent = this.linkInside.boot(reason === 'reboot' ? 'fail' : 'freeze', `the device boots: ${reason}`);
    this.emit('down', reason);
    const due = agenda.now + bootSeconds * 1000;
    // the port is free when the server of the boot before has stopped, and one that was about to listen
    this.ending = Promise.all([this.ending, old?.stop({ grace: 0 }), this.starting]);
    void this.ending.then(() => {
      if (this.isOver(resets)) return;
      agenda.at(due, () => {
        // another reset has silenced them again
        if (this.isOver(resets)) return;
        for (const socket of silent) socket.reset();
        void this.boot(reason, resets);
      });
    });
    return this.whenSettled();
  }

  /** Resolves when the device runs, or has stopped. */
  private whenSettled(): Promise<void> {
    return new Promise(resolve => this.waiting.push(resolve));
  }

  private settle(state: 'running' | 'stopped'): void {
    this.stateNow = state;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Has another reset come meanwhile, or the end? */
  private isOver(resets: number): boolean {
    return this.resets !== resets || this.stopping !== undefined;
  }

  private async boot(reason: keyof typeof RESETS, resets: number): Promise<void> {
    if (this.isOver(resets)) return;
    const { task } = this.linkInside;
    this.boots += 1;
    this.log.info(`rst: ${RESETS[reason]}, chip ${this.profile.chip}, seed ${this.seed}, boot ${this.boots}`);
    task.boot();
    try {
      const listening = this.listen(resets);
      this.starting = listening.then(
        () => {},
        () => {},
      );
      const server = await listening;
      if (server === undefined) return;
      await this.onBoot(server, this);
      if (this.isOver(resets)) return;
      this.bootedAt = this.linkInside.agenda.now;
      this.startedAt ??= this.bootedAt;
      this.settle('running');
      task.free();
      this.emit('boot', server);
    } catch (thrown) {
      if (!this.isOver(resets)) await this.failToBoot(thrown);
    }
  }

  /** @returns the server of this boot; undefined if that is over */
  private async listen(resets: number): Promise<HttpdServer | undefined> {
    const { task, wrap } = this.linkInside;
    // the first boot has it already
    if (this.boots > 1) this.configNow = this.bootConfig();
    const config = this.configNow;
    const heap = this.newHeap(config.maxTxPending ?? 0);
    this.heapNow = heap;
    const parts = { ...this.parts, clock: task.clock(this.clock), schedule: task.scheduler(), heap, wrapPort: wrap };
    const server = await startWith(config, parts);
    if (this.isOver(resets)) {
      await server.stop({ grace: 0 });
      return undefined;
    }
    this.current = server;
    this.bound = server.listeners;
    const opened = new Map<number, number>();
    this.opened = opened;
    server.on('connected', fd => opened.set(fd, this.linkInside.agenda.now));
    server.on('disconnected', fd => opened.delete(fd));
    return server;
  }

  private async failToBoot(thrown: unknown): Promise<void> {
    const { current, linkInside } = this;
    this.current = undefined;
    this.bound = [];
    // nothing can be asked of it any more
    this.stateNow = 'stopped';
    this.failure = asError(thrown);
    linkInside.boot('fail', 'the device could not boot');
    await current?.stop({ grace: 0 });
    linkInside.agenda.clear();
    logThrown(this.log, 'the device could not boot', thrown);
    this.settle('stopped');
    this.emit('error', this.failure);
  }

  /** The same port after each boot, also where the system has chosen it. */
  private bootConfig(): Partial<HttpdConfig> {
    const given: unknown = this.config();
    if (given === null || typeof given !== 'object') invalidArg('config must be an object of HttpdConfig');
    const config: Partial<HttpdConfig> = { ...httpdEsp32Config(), ...this.profile.config, ...definedOf(given) };
    const { bound } = this;
    if (config.listeners === undefined) return bound.length === 0 ? config : { ...config, serverPort: this.port };
    const { serverPort: _, host: __, ...rest } = config;
    const again = (listener: HttpdListenerConfig, i: number): HttpdListenerConfig =>
      listener.port === undefined ? listener : { ...listener, port: bound[i]?.port ?? listener.port };
    return { ...rest, listeners: config.listeners.map(again) };
  }

  private async switchOff(): Promise<void> {
    const { linkInside } = this;
    // nobody waits for a link that is simulated
    linkInside.restore();
    await Promise.all([this.ending, this.starting]);
    await this.current?.stop(this.stateNow === 'running' ? {} : { grace: 0 });
    await linkInside.drain(DRAIN_MS);
    linkInside.agenda.clear();
    this.current = undefined;
    this.bound = [];
    this.settle('stopped');
  }

  /** @param max so much of what is queued for a session counts: what one call sends beyond that lies in the application's memory */
  private newHeap(max: number): DeviceHeap {
    return new DeviceHeap(this.profile.heap, () => {
      const { current } = this;
      const queued = (sum: number, fd: number): number => sum + Math.min(max, current?.sessGetTxPending(fd) ?? 0);
      return current?.getClientList().reduce(queued, 0) ?? 0;
    });
  }

  private seconds(from: number | undefined): number {
    return from === undefined ? 0 : Math.round(this.linkInside.agenda.now - from) / 1000;
  }

  private checkRunning(): void {
    if (this.stateNow === 'stopped' || this.stopping !== undefined) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'the device has stopped');
    }
  }
}
