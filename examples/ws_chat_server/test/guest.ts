/** Clients of the room that can break every rule, and a server with a room. */
import { expect } from 'vitest';
import type { HttpdServer } from '../../../src/index.js';
import { ManualClock } from '../../../test/support/clock.js';
import { connectTo, startTestServer } from '../../../test/support/server.js';
import {
  CLOSE,
  type FrameSpec,
  type HandshakeSpec,
  type ServerFrame,
  TEXT,
  WsRawClient,
} from '../../../test/support/ws_frames.js';
import type { ChatEvent, ChatRoom } from '../chat_room.js';
import { CHAT_CONFIG, registerChatHandlers } from '../chat_server.js';

export type EventOf<Type extends ChatEvent['type']> = Extract<ChatEvent, { type: Type }>;

export interface Chat {
  readonly server: HttpdServer;
  readonly room: ChatRoom;
  /** The server's clock, which stands still; the room's is another. */
  readonly clock: ManualClock;
  /** A client; with `name` it asks for that in its handshake. */
  guest(name?: string, spec?: HandshakeSpec): Promise<Guest>;
  /** A client that has got this name, and has been told of it. */
  member(name: string): Promise<Guest>;
}

/** A room. By default so much time goes by between two messages that nobody talks too fast. */
export async function startChat(parts: { now?: () => number } = {}): Promise<Chat> {
  let time = 0;
  const now = () => {
    time += 1000;
    return time;
  };
  const clock = new ManualClock();
  const server = await startTestServer(CHAT_CONFIG, { clock });
  const room = registerChatHandlers(server, { now, ...parts });
  const guest = async (name?: string, spec: HandshakeSpec = {}): Promise<Guest> => {
    const path = name === undefined ? '/chat' : `/chat?name=${encodeURIComponent(name)}`;
    return new Guest(await WsRawClient.upgrade(await connectTo(server), { path, ...spec }));
  };
  const member = async (name: string): Promise<Guest> => {
    const one = await guest(name);
    await one.skipTo('named');
    await one.skipTo('joined');
    return one;
  };
  return { server, room, clock, guest, member };
}

export class Guest {
  constructor(readonly ws: WsRawClient) {}

  /** Sends a message. */
  say(text: string): this {
    return this.send({ opcode: TEXT, payload: text });
  }

  send(...frames: (FrameSpec | Uint8Array)[]): this {
    this.ws.send(...frames);
    return this;
  }

  frame(): Promise<ServerFrame> {
    return this.ws.readFrame();
  }

  /** What the room tells next. */
  async next(): Promise<ChatEvent> {
    const { opcode, fin, text } = await this.frame();
    expect({ opcode, fin, text }).toEqual({ opcode: TEXT, fin: true, text: expect.any(String) });
    return JSON.parse(text) as ChatEvent;
  }

  /** The next of this type; what comes before is passed over. */
  async skipTo<Type extends ChatEvent['type']>(type: Type): Promise<EventOf<Type>> {
    for (;;) {
      const event = await this.next();
      if (event.type === type) return event as EventOf<Type>;
    }
  }

  /**
   * The server must send a Close frame with this code, whatever it tells before, and end the connection in an orderly way.
   *
   * @param answer is sent behind that
   */
  async closed(code: number | undefined, ...answer: FrameSpec[]): Promise<void> {
    let frame = await this.frame();
    while (frame.opcode !== CLOSE) frame = await this.frame();
    expect(frame.code).toBe(code);
    this.send(...answer);
    expect(await this.ws.closed()).toBe('fin');
    this.ws.raw.end();
  }
}
