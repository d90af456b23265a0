/** A device in memory, on a clock that a test moves. */
import { afterEach } from 'vitest';
import type { Device, DeviceOptions } from '../../src/device/device.js';
import { type DeviceProfile, deviceProfile, type ProfileOverrides } from '../../src/device/profile.js';
import { deviceWith } from '../../src/device/start.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import { type MemConn, MemPort } from '../support/mem_port.js';
import { silent, turn } from '../support/server.js';

/** A link without chance, whose times can be reckoned: 1,000 bytes take 1 ms, and 10 ms to arrive. */
export const PLAIN_LINK = {
  bandwidthUp: 8e6,
  bandwidthDown: 8e6,
  latencyMs: 10,
  jitterMs: 0,
  segmentSize: 1_000,
  transmitWindow: 4_000,
  receiveWindow: 4_000,
  stallChance: 0,
  stallMs: 100,
  tlsHandshakeMs: 500,
  beaconTimeoutMs: 6_000,
};

export function plainProfile(overrides: ProfileOverrides = {}): DeviceProfile {
  return deviceProfile('esp32', {
    bootSeconds: 1,
    ...overrides,
    link: { ...PLAIN_LINK, ...overrides.link },
  });
}

const rigs: MemDevice[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.stop();
});

export class MemDevice {
  private constructor(
    readonly device: Device,
    readonly port: MemPort,
    readonly clock: ManualClock,
  ) {}

  static async start(options: Partial<DeviceOptions> = {}): Promise<MemDevice> {
    const port = new MemPort();
    const clock = new ManualClock();
    const given: DeviceOptions = { profile: plainProfile(), onBoot: hello, ...options };
    const { config } = given;
    const own = (): object => ({
      serverPort: 0,
      logger: silent(),
      ...(typeof config === 'function' ? config() : config),
    });
    const device = await deviceWith({ ...given, config: own }, { port, clock });
    const rig = new MemDevice(device, port, clock);
    rigs.push(rig);
    return rig;
  }

  get server(): HttpdServer {
    if (this.device.server === undefined) throw new Error('the device boots');
    return this.device.server;
  }

  connect(): MemConn {
    return this.port.connect();
  }

  /** Lets so many ms pass, one by one, and the loop turn in each. */
  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.clock.advance(1);
      await turn();
    }
  }

  /** The same until `done`. @returns how many ms it took */
  async until(done: () => boolean, max = 60_000): Promise<number> {
    for (let ms = 0; ms < max; ms++) {
      await turn();
      if (done()) return ms;
      this.clock.advance(1);
    }
    throw new Error(`it has not happened in ${max} ms`);
  }

  /** Sends a request. @returns how many ms its answer took */
  async get(conn: MemConn, uri = '/', body = ''): Promise<number> {
    const before = conn.sent.length;
    conn.deliver(request(uri, body));
    return this.until(() => answered(conn.sent.subarray(before)));
  }

  async stop(): Promise<void> {
    let stopped = false;
    const stopping = this.device.stop().then(() => {
      stopped = true;
    });
    await this.until(() => stopped);
    await stopping;
  }
}

export function request(uri = '/', body = ''): string {
  const method = body === '' ? 'GET' : 'POST';
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  return `${method} ${uri} HTTP/1.1\r\nHost: device\r\n${length}\r\n${body}`;
}

/** Is there a whole answer? */
export function answered(bytes: Buffer): boolean {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const len = /\r\nContent-Length: (\d+)/i.exec(text)?.[1];
  return end >= 0 && len !== undefined && bytes.length >= end + 4 + Number(len);
}

/** The application that most tests run. */
export function hello(server: HttpdServer): void {
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('hello') });
}
