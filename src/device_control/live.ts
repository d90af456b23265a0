/** What watchers are told over a WebSocket, while there are any. */
import type { Device } from '../device/device.js';
import type { DeviceProfile } from '../device/profile.js';
import type { ScenarioStep } from '../device/scenario.js';
import { ESP_OK } from '../err.js';
import { HTTP_GET } from '../httpd/methods.js';
import type { HttpdReq } from '../httpd/req.js';
import type { HttpdUri } from '../httpd/route.js';
import type { HttpdServer } from '../httpd/server.js';
import { HTTPD_WS_TYPE_TEXT, type HttpdWsFrame, wsFrame } from '../httpd_ws/frame_type.js';
import type { Clock } from '../sess/deadlines.js';
import type { ControlLog, LogPart } from './control_log.js';
import { type ControlState, stateOf } from './state.js';

/** How often, in ms. */
export const TICK_MS = 250;
/** Events that a new watcher is told of. */
const EVENTS_MAX = 100;
const WATCHERS_MAX = 32;
/** A watcher has nothing to say. */
const MESSAGE_MAX = 1_024;

/** A message. */
export type LiveMessage =
  /** The first one: all there is so far. */
  | {
      readonly type: 'hello';
      readonly state: ControlState;
      readonly profile: Pick<DeviceProfile, 'link' | 'bootSeconds'>;
      readonly log: LogPart;
      readonly events: readonly ScenarioStep[];
    }
  /** Every 250 ms. */
  | { readonly type: 'state'; readonly state: ControlState }
  /** Lines that are new. */
  | { readonly type: 'log'; readonly log: LogPart }
  /** Something has happened to the device. */
  | { readonly type: 'event'; readonly step: ScenarioStep };

export class Live {
  /** Who has had its first message, by fd. */
  private readonly watchers = new Set<number>();
  private stopTicks: (() => void) | undefined;
  /** Lines of the log that the watchers have been told. */
  private told = 0;

  constructor(
    private readonly server: HttpdServer,
    private readonly device: Device,
    private readonly log: ControlLog,
    private readonly clock: Clock,
  ) {
    device.on('event', this.onEvent);
    device.on('boot', this.tick);
    device.on('down', this.tick);
    device.on('error', this.tick);
  }

  /** The URI handler. */
  route(uri: string): HttpdUri {
    return {
      uri,
      method: HTTP_GET,
      isWebsocket: true,
      handleWsHandshake: false,
      handler: discard,
      wsPostHandshakeCb: req => this.welcome(req),
      wsCloseCb: ({ fd }) => this.leave(fd),
      wsMessageMode: true,
      wsMaxFrameLen: MESSAGE_MAX,
      wsMaxMessageLen: MESSAGE_MAX,
      wsMaxSessions: WATCHERS_MAX,
      wsPongTimeout: 10,
      wsAllowedOrigins: 'same-origin',
    };
  }

  /** Tells nobody anything any more. */
  close(): void {
    const { device } = this;
    device.off('event', this.onEvent);
    device.off('boot', this.tick);
    device.off('down', this.tick);
    device.off('error', this.tick);
    this.stopTicks?.();
    this.stopTicks = undefined;
  }

  private welcome(req: HttpdReq): number {
    // the others first: what they have not been told yet is in the hello
    this.tick();
    const { device, log } = this;
    const events = device.recorded().slice(-EVENTS_MAX);
    this.told = log.count;
    const { link, bootSeconds } = device.profile;
    const all: LiveMessage = {
      type: 'hello',
      state: stateOf(device),
      profile: { link, bootSeconds },
      log: log.since(0),
      events,
    };
    void req.wsSendFrame(frameOf(all));
    this.watchers.add(req.toSockfd());
    this.stopTicks ??= this.clock.every(TICK_MS, this.tick);
    return ESP_OK;
  }

  private leave(fd: number): void {
    this.watchers.delete(fd);
    if (this.watchers.size > 0) return;
    this.stopTicks?.();
    this.stopTicks = undefined;
  }

  private readonly tick = (): void => {
    if (this.watchers.size === 0) return;
    const { log } = this;
    if (log.count > this.told) this.tell({ type: 'log', log: log.since(this.told) });
    this.told = log.count;
    this.tell({ type: 'state', state: stateOf(this.device) });
  };

  private readonly onEvent = (step: ScenarioStep): void => {
    if (this.watchers.size > 0) this.tell({ type: 'event', step });
  };

  private tell(message: LiveMessage): void {
    this.server.wsBroadcast(frameOf(message), fd => this.watchers.has(fd));
  }
}

function frameOf(message: LiveMessage): HttpdWsFrame {
  return wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: JSON.stringify(message) });
}

async function discard(req: HttpdReq): Promise<number> {
  await req.wsRecvFrame(wsFrame(), MESSAGE_MAX);
  return ESP_OK;
}
