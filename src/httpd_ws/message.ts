/**
 * A message whose frames are joined, inflated if it is compressed, and handed over in packets. Knows no socket, timer
 * or handler.
 *
 * Its bytes wait in a queue that costs no more than twice their number, however small the fragments that they come in,
 * and is freed as they are handed over.
 */
import { ByteQueue } from '../sess/byte_queue.js';
import { FAIL, type Failure } from './close.js';
import type { Inflater, Inflaters } from './deflate.js';
import { HTTPD_WS_TYPE_CONTINUE, HTTPD_WS_TYPE_TEXT } from './frame_type.js';
import type { RecvRules } from './recv.js';
import { Utf8Check } from './utf8.js';

/** What an inflater at work costs, some bytes more or less. */
const INFLATER_COST = 44 * 1024;

/** What incomplete messages of all connections may cost together. */
export class MessageMemory {
  /** In bytes. */
  used = 0;

  /** @param max in bytes */
  constructor(private readonly max: number) {}

  /** @returns whether there is room; if not, nothing is taken */
  take(bytes: number): boolean {
    if (this.used + bytes > this.max) return false;
    this.used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}

export class Message {
  /** Type of the next packet: the message's, then CONTINUE. */
  type: number;
  /** Does the next packet end with the message's last byte? */
  complete = false;
  /** Bytes that wait to be handed over; one more than a packet if it was inflated to see whether there is more. */
  private waiting = 0;
  /** Length of the message so far. */
  private total = 0;
  /** Bytes of the packet that was handed over last, and have not been received. */
  private packetLeft = 0;
  private readonly queue = new ByteQueue();
  /** Checks what has been inflated; what comes as it is has been checked. */
  private readonly utf8: Utf8Check | undefined;
  private inflater: Inflater | undefined;
  private inflaterCost = 0;
  /** May the inflater have more, without further input? */
  private more = false;
  /** Has the last frame come? */
  private ends = false;

  /** @param inflaters of a compressed message */
  constructor(
    type: number,
    private readonly rules: RecvRules,
    private readonly memory: MessageMemory,
    private readonly inflaters: Inflaters | undefined,
  ) {
    this.type = type;
    if (inflaters === undefined) return;
    this.inflater = inflaters.take();
    if (type === HTTPD_WS_TYPE_TEXT && rules.checkUtf8) this.utf8 = new Utf8Check();
  }

  /** Length of the next packet. */
  get len(): number {
    return Math.min(this.waiting, this.rules.maxPacketLen);
  }

  /**
   * Is there something to hand over? Of a compressed message only when the byte behind it is there too, or its end is
   * known: else it would depend on where the input was cut which packet is the last one, or comes before a failure.
   */
  get ready(): boolean {
    const { maxPacketLen } = this.rules;
    return this.complete || this.waiting > (this.inflater === undefined ? maxPacketLen - 1 : maxPacketLen);
  }

  /** How many bytes may be pushed at a time: what the packet has room for; what is compressed is inflated piece by piece. */
  get room(): number {
    return this.inflater === undefined ? this.rules.maxPacketLen - this.waiting : Number.MAX_SAFE_INTEGER;
  }

  /** Will there be another packet, without further input? */
  get hasMore(): boolean {
    return this.more;
  }

  /** Payload has come: `bytes[from, to)`, no more of it than there is room for. */
  push(bytes: Buffer, from: number, to: number): Failure | undefined {
    const { inflater } = this;
    if (inflater === undefined) return this.append(bytes, from, to);
    if (this.inflaterCost === 0) {
      if (!this.memory.take(INFLATER_COST)) return FAIL.NO_MEMORY;
      this.inflaterCost = INFLATER_COST;
    }
    inflater.give(bytes, from, to);
    return this.inflate(inflater);
  }

  /** The last frame's payload has come. */
  end(): Failure | undefined {
    this.ends = true;
    return this.goOn();
  }

  /** Gets the next packet ready from what has been received. */
  goOn(): Failure | undefined {
    const { inflater } = this;
    if (inflater !== undefined && this.more) {
      const failure = this.inflate(inflater);
      if (failure !== undefined) return failure;
    }
    if (!this.ends || this.more) return undefined;
    // an empty message need not have even the byte that it should have (RFC 7692 section 7.2.3.6)
    if (inflater !== undefined && this.inflaterCost > 0 && !inflater.inTail) {
      inflater.giveTail();
      const failure = this.inflate(inflater);
      if (failure !== undefined || this.more) return failure;
    }
    this.complete = true;
    this.giveInflater();
    return this.utf8 === undefined || this.utf8.end() ? undefined : FAIL.UTF8;
  }

  /** The next packet is handed over. */
  beginPacket(): void {
    this.packetLeft = this.len;
  }

  /** Moves `n` bytes of the packet to the start of `target`. */
  read(target: Uint8Array, n: number): void {
    this.take(n, target);
    this.packetLeft -= n;
  }

  /** The handler has ended. What it has not received of the packet is dropped. */
  endPacket(): void {
    this.take(this.packetLeft);
    this.packetLeft = 0;
    this.type = HTTPD_WS_TYPE_CONTINUE;
  }

  /** The message is over, complete or not. */
  close(): void {
    this.take(this.waiting);
    this.giveInflater();
  }

  private take(n: number, target?: Uint8Array): void {
    this.queue.take(n, target);
    this.waiting -= n;
    this.memory.give(n);
  }

  private giveInflater(): void {
    const { inflater } = this;
    this.inflater = undefined;
    if (inflater === undefined) return;
    this.inflaters?.give(inflater);
    this.memory.give(this.inflaterCost);
    this.inflaterCost = 0;
  }

  private append(bytes: Buffer, from: number, to: number): Failure | undefined {
    const n = to - from;
    if (!this.memory.take(n)) return FAIL.NO_MEMORY;
    this.queue.copy(bytes, from, to);
    this.waiting += n;
    this.total += n;
    return undefined;
  }

  /** Inflates until the input is used up, or the packet is full and one byte of the next one is there. */
  private inflate(inflater: Inflater): Failure | undefined {
    const { maxPacketLen, maxMessageLen } = this.rules;
    do {
      const room = maxPacketLen - this.waiting + 1;
      this.more = true;
      if (room <= 0) break;
      // a byte more than is allowed shows that there are too many
      const bytes = inflater.next(Math.min(room, maxMessageLen - this.total + 1));
      if (inflater.failed) return FAIL.DEFLATE;
      const within = Math.min(bytes.length, maxMessageLen - this.total);
      if (this.utf8 !== undefined && !this.utf8.push(bytes, 0, within)) return FAIL.UTF8;
      if (within < bytes.length) return FAIL.MESSAGE_LENGTH;
      const failure = this.append(bytes, 0, bytes.length);
      if (failure !== undefined) return failure;
      this.more = !inflater.inputUsed;
    } while (this.more);
    if (this.more) inflater.keepInput();
    return undefined;
  }
}
