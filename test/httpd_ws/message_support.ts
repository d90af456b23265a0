/** A message driven as an inbox and a handler drive it. */
import type { Failure } from '../../src/httpd_ws/close.js';
import { Inflaters } from '../../src/httpd_ws/deflate.js';
import { HTTPD_WS_TYPE_BINARY } from '../../src/httpd_ws/frame_type.js';
import { Message, MessageMemory } from '../../src/httpd_ws/message.js';
import type { RecvRules } from '../../src/httpd_ws/recv.js';
import { hex } from '../support/ws_frames.js';

export const BIG = 1e9;

/** What an inflater at work counts for: found out, since nothing tells. */
export const INFLATER_COST = (() => {
  const memory = new MessageMemory(BIG);
  const message = new Message(HTTPD_WS_TYPE_BINARY, rulesOf({}), memory, new Inflaters());
  message.push(hex('f2'), 0, 1);
  const cost = usedOf(memory, BIG);
  message.close();
  return cost;
})();

export function rulesOf(rules: Partial<RecvRules>): RecvRules {
  return { messageMode: true, maxFrameLen: BIG, maxMessageLen: BIG, maxPacketLen: BIG, checkUtf8: true, ...rules };
}

/** How much of `max` is taken. */
export function usedOf(memory: MessageMemory, max: number): number {
  let free = max;
  for (let low = 0; low < free; ) {
    const half = Math.ceil((low + free) / 2);
    if (memory.take(half)) {
      memory.give(half);
      low = half;
    } else {
      free = half - 1;
    }
  }
  return max - free;
}

export interface Packet {
  readonly type: number;
  readonly final: boolean;
  readonly bytes: Buffer;
}

export interface Outcome {
  readonly packets: Packet[];
  readonly failure: Failure | undefined;
  /** The most that was taken of the memory, but for inflaters. */
  readonly peak: number;
  /** What is taken when all is over. */
  readonly left: number;
}

export interface Case {
  readonly type?: number;
  readonly rules?: Partial<RecvRules>;
  readonly compressed?: boolean;
  readonly memory?: number;
  /** How much of each packet the handler receives, and in how many calls; default: all, in one. */
  readonly reads?: readonly number[];
}

/** Gives a message its frames, as an inbox does, and takes its packets, as a handler does. */
export function run(
  frames: readonly Buffer[],
  { type = HTTPD_WS_TYPE_BINARY, compressed, ...more }: Case = {},
): Outcome {
  const max = more.memory ?? BIG;
  const memory = new MessageMemory(max);
  const message = new Message(type, rulesOf(more.rules ?? {}), memory, compressed ? new Inflaters() : undefined);
  const packets: Packet[] = [];
  let peak = 0;
  let failure: Failure | undefined;

  const handOver = () => {
    while (failure === undefined && message.ready) {
      peak = Math.max(peak, usedOf(memory, max));
      const { len, complete: final, type: packetType } = message;
      message.beginPacket();
      const parts: Buffer[] = [];
      let left = len;
      for (const n of more.reads ?? [len]) {
        const target = Buffer.alloc(Math.min(n, left));
        message.read(target, target.length);
        parts.push(target);
        left -= target.length;
      }
      packets.push({ type: packetType, final, bytes: Buffer.concat(parts) });
      if (final) return;
      message.endPacket();
      failure = message.goOn();
    }
  };
  for (const [i, frame] of frames.entries()) {
    for (let at = 0; at < frame.length && failure === undefined; ) {
      const n = Math.min(message.room, frame.length - at);
      if (n <= 0) throw new Error('there is room for nothing, and nothing to hand over');
      // what is given is borrowed
      const borrowed = Buffer.from(frame.subarray(at, at + n));
      failure = message.push(borrowed, 0, n);
      borrowed.fill(0xa5);
      at += n;
      peak = Math.max(peak, usedOf(memory, max));
      // the last byte of all is known as such
      if (at < frame.length || i < frames.length - 1) handOver();
    }
  }
  failure ??= message.end();
  peak = Math.max(peak, usedOf(memory, max));
  handOver();
  message.close();
  return { packets, failure, peak, left: usedOf(memory, max) };
}

/** Types, lengths and `final` of packets. */
export const shape = ({ packets }: Outcome) => packets.map(({ type, final, bytes }) => [type, bytes.length, final]);
export const joined = ({ packets }: Outcome) => Buffer.concat(packets.map(({ bytes }) => bytes));
