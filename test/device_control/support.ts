/** A control server of a device in memory, and clients of it. */
import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach } from 'vitest';
import { WebSocket } from 'ws';
import type { Device, DeviceOptions } from '../../src/device/device.js';
import { type ControlServer, controlWith } from '../../src/device_control/control.js';
import { ControlLog } from '../../src/device_control/control_log.js';
import type { LiveMessage } from '../../src/device_control/live.js';
import { MemDevice } from '../device/support.js';
import { ManualClock } from '../support/clock.js';

const rigs: ControlRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.stop();
});

export interface Asked {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The body, if it is JSON. */
  readonly json: unknown;
}

interface Request {
  readonly body?: unknown;
  readonly headers?: http.OutgoingHttpHeaders;
}

export class ControlRig {
  /** That of the watchers' timer. */
  readonly clock = new ManualClock();
  readonly log = new ControlLog();
  private sockets: WebSocket[] = [];
  private control: ControlServer | undefined;

  private constructor(readonly mem: MemDevice) {}

  static async start(options: Partial<DeviceOptions> = {}): Promise<ControlRig> {
    const rig = new ControlRig(await MemDevice.start(options));
    rigs.push(rig);
    rig.control = await controlWith(rig.device, { log: rig.log }, rig.clock);
    return rig;
  }

  get device(): Device {
    return this.mem.device;
  }

  get server(): ControlServer {
    return this.control as ControlServer;
  }

  /** Sends a request; a body that is not a string as JSON. */
  ask(method: string, path: string, { body, headers }: Request = {}): Promise<Asked> {
    const json = body === undefined || typeof body === 'string' ? undefined : { 'Content-Type': 'application/json' };
    return ask(this.server.port, method, path, {
      body: json === undefined ? (body as string) : JSON.stringify(body),
      headers: { ...json, ...headers },
    });
  }

  /** Opens a WebSocket, and what it is told. */
  async watch(): Promise<{ socket: WebSocket; told: LiveMessage[]; next: () => Promise<LiveMessage> }> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.server.port}/control/live`);
    this.sockets.push(socket);
    const told: LiveMessage[] = [];
    let seen = 0;
    socket.on('message', data => told.push(JSON.parse(String(data)) as LiveMessage));
    const next = async (): Promise<LiveMessage> => {
      while (told.length <= seen) await once(socket, 'message');
      seen += 1;
      return told[seen - 1] as LiveMessage;
    };
    await once(socket, 'open');
    return { socket, told, next };
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.splice(0)) socket.terminate();
    await this.control?.stop();
    this.log.close();
  }
}

export async function ask(
  port: number,
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: http.OutgoingHttpHeaders },
): Promise<Asked> {
  const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const received = await text(response);
  const isJson = response.headers['content-type'] === 'application/json';
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: received,
    json: isJson && received !== '' ? (JSON.parse(received) as unknown) : undefined,
  };
}
