/** A client whose server is the test, without a system between them: what it gets can be cut at every byte. */
import { expect } from 'vitest';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { type ClientSocket, receive, type SocketHandler } from '../../src/ws_client/socket.js';
import { parseFrames, type ServerFrame } from '../support/ws_frames.js';
import { makeClient, switching, type TestClient, turns } from './support.js';

export class MemorySocket implements ClientSocket {
  held = false;
  ended = false;
  destroyed = false;
  /** Does the system take what is written? */
  takes = true;
  /** What was written at a time. */
  readonly writes: Buffer[] = [];

  constructor(readonly handler: SocketHandler) {}

  write(bytes: Buffer): boolean {
    this.writes.push(Buffer.from(bytes));
    // who keeps it after all sees something else
    if (this.takes) bytes.fill(0xee);
    return this.takes;
  }

  hold(held: boolean): void {
    this.held = held;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  /** Bytes come from the server. */
  deliver(bytes: Uint8Array): void {
    const { buf } = receive;
    for (let at = 0; at < bytes.length && !this.destroyed; at += buf.length) {
      const chunk = bytes.subarray(at, at + buf.length);
      buf.set(chunk);
      this.handler.onData(chunk.length);
      // those bytes were borrowed
      buf.fill(0xee, 0, chunk.length);
    }
  }

  /** Frames that have been written and not been taken. */
  frames(): ServerFrame[] {
    const { frames, rest } = parseFrames(Buffer.concat(this.writes.splice(0)));
    expect(rest).toHaveLength(0);
    return frames;
  }
}

/** A client that is connected. */
export async function memoryClient(
  config: EspWebsocketClientConfig = {},
  fields: readonly string[] = [],
): Promise<TestClient & { socket: MemorySocket; request: string }> {
  const sockets: MemorySocket[] = [];
  const made = makeClient(
    { uri: 'ws://127.0.0.1/', disableAutoReconnect: true, pingIntervalSec: 0, ...config },
    {
      dial: (_target, handler) => {
        const socket = new MemorySocket(handler);
        sockets.push(socket);
        return socket;
      },
    },
  );
  const started = made.client.start();
  await Promise.resolve();
  const socket = sockets[0] as MemorySocket;
  socket.handler.onConnect();
  await turns(1);
  const request = Buffer.concat(socket.writes.splice(0)).toString('latin1');
  socket.deliver(Buffer.from(switching(request, fields)));
  await started;
  await turns(1);
  return { ...made, socket, request };
}
