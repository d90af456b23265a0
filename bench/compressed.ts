/**
 * Messages that are compressed before a run, and what a server answers to them. The load generator knows no DEFLATE: it
 * notes the different answers that each message got, and what they inflate to is looked at here.
 */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

/** How many messages take turns. */
const VARIANTS = 16;
/** What a flush ends with, and a message does not carry (RFC 7692 section 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/** A text, whole and compressed. */
const FIRST_BYTE = 0xc1;
const MASKED = 0x80;
const KEY = Buffer.from([0x12, 0x34, 0x56, 0x78]);
const { Z_SYNC_FLUSH } = constants;

/** Payloads of frames, in hexadecimal: of each message all that came back for it. */
export type SeenAnswers = readonly (readonly string[])[];

export class CompressedMessages {
  private readonly messages: readonly Buffer[];

  /** @param size of each message, before it is compressed */
  constructor(size: number) {
    this.messages = Array.from({ length: VARIANTS }, (_, i) => Buffer.from(jsonMessage(i, size)));
  }

  /** What the load generator reads: how many there are, the length of each, and the frames to send. */
  get input(): Buffer {
    const frames = this.messages.map(message => frame(deflate(message)));
    const numbers = [frames.length, ...frames.map(({ length }) => length)];
    const bytes = Buffer.alloc(numbers.length * 4);
    for (const [i, number] of numbers.entries()) bytes.writeUInt32LE(number, i * 4);
    return Buffer.concat([bytes, ...frames]);
  }

  /** @throws Error unless each answer is the message that was sent, compressed */
  check(seen: SeenAnswers): void {
    for (const [i, message] of this.messages.entries()) {
      const answers = seen[i] ?? [];
      if (answers.length === 0) throw new Error(`message ${i} was not answered`);
      for (const answer of answers) {
        const inflated = inflate(Buffer.from(answer, 'hex'));
        if (!inflated.equals(message)) throw new Error(`message ${i} was answered with another one: ${inflated}`);
      }
    }
  }
}

function deflate(message: Buffer): Buffer {
  const options = { level: 6, memLevel: 8, windowBits: 15, finishFlush: Z_SYNC_FLUSH };
  return deflateRawSync(message, options).subarray(0, -TAIL.length);
}

function inflate(payload: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: Z_SYNC_FLUSH });
}

/** A client's frame. */
function frame(payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? [MASKED | length] : [MASKED | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([FIRST_BYTE, ...head]), KEY, payload.map((byte, i) => byte ^ (KEY[i & 3] ?? 0))]);
}

const WORDS = 'the pump in hall three runs hot again please have a look before the night shift begins'.split(' ');
const NAMES = ['Ada', 'Edsger', 'Grace', 'Barbara', 'Donald', 'Frances', 'Ken', 'Radia'];

/** What people and devices may send each other: `size` bytes, and always the same for a `variant`. */
function jsonMessage(variant: number, size: number): string {
  let state = Math.imul(variant + 1, 0x9e3779b1);
  // a linear congruential generator: all that is needed is that values differ
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const readings = ['temperature', 'pressure', 'humidity', 'vibration'].map(sensor => ({
    sensor,
    value: next(100_000) / 1000,
    at: new Date(1_700_000_000_000 + next(1e10)).toISOString(),
    ok: next(10) > 0,
  }));
  const message = {
    type: 'message',
    id: next(2 ** 32)
      .toString(16)
      .padStart(8, '0'),
    room: `hall-${next(20)}`,
    user: { id: next(100_000), name: NAMES[next(NAMES.length)], roles: ['member', ...(next(2) > 0 ? ['admin'] : [])] },
    readings,
    text: '',
  };
  const room = size - JSON.stringify(message).length;
  while (message.text.length < room) message.text += `${WORDS[next(WORDS.length)]} `;
  message.text = message.text.slice(0, room);
  return JSON.stringify(message);
}
