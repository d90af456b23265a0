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
  private used = 0;

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
  /** Bytes that wait to be handed over. */
  len = 0;
  /** Is the last byte among them? */
  complete = false;
  /** Length of the message so far. */
  private total = 0;
  private readonly queue = new ByteQueue();
  /** Checks what has been inflated; what comes as it is has been checked. */
  private readonly utf8: Utf8Check | undefined;
  private readonly inflater: Inflater | undefined;
  private inflaterCost = 0;
  /** May the inflater have more, without further input? */
  private more = false;
  /** Has the last frame come? */
  private ends = false;
  private tailGiven = false;

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

  /** Is there something to hand over? */
  get ready(): boolean {
    return this.complete || this.len >= this.rules.maxPacketLen;
  }

  /** How many bytes the packet has room for. */
  get room(): number {
    return this.rules.maxPacketLen - this.len;
  }

  /** Payload has come: `bytes[from, to)`, no more of it than there is room for, unless it is compressed. */
  push(bytes: Buffer, from: number, to: number): Failure | undefined {
    if (this.inflater === undefined) return this.append(bytes, from, to);
    if (this.inflaterCost === 0) {
      if (!this.memory.take(INFLATER_COST)) return FAIL.NO_MEMORY;
      this.inflaterCost = INFLATER_COST;
    }
    this.inflater.give(bytes, from, to);
    return this.inflate(this.inflater);
  }

  /** The last frame's payload has come. */
  end(): Failure | undefined {
    this.ends = true;
    return this.goOn();
  }

  /** A packet has been handed over: gets the next one ready from what has been received. */
  goOn(): Failure | undefined {
    if (this.more && this.inflater !== undefined) {
      const failure = this.inflate(this.inflater);
      if (failure !== undefined || this.more) return failure;
    }
    if (!this.ends) return undefined;
    // an empty message need not have even the byte that it should have (RFC 7692 section 7.2.3.6)
    if (this.inflater !== undefined && this.inflaterCost > 0 && !this.tailGiven) {
      this.tailGiven = true;
      this.inflater.giveTail();
      const failure = this.inflate(this.inflater);
      if (failure !== undefined) return failure;
    }
    if (this.more) return undefined;
    this.complete = true;
    return this.utf8 === undefined || this.utf8.end() ? undefined : FAIL.UTF8;
  }

  /** Moves `n` bytes of the packet to the start of `target`. */
  read(target: Uint8Array, n: number): void {
    this.queue.read(target, n);
    this.drop(n);
  }

  /** The handler has ended. What it has not received of the packet is dropped. */
  endPacket(): void {
    this.queue.clear();
    this.drop(this.len);
    this.type = HTTPD_WS_TYPE_CONTINUE;
  }

  /** The message is over, complete or not. */
  close(): void {
    this.endPacket();
    this.memory.give(this.inflaterCost);
    this.inflaterCost = 0;
    if (this.inflater !== undefined) this.inflaters?.give(this.inflater);
  }

  private drop(n: number): void {
    this.len -= n;
    this.memory.give(n);
  }

  private append(bytes: Buffer, from: number, to: number): Failure | undefined {
    const n = to - from;
    if (!this.memory.take(n)) return FAIL.NO_MEMORY;
    this.queue.copy(bytes, from, to);
    this.len += n;
    this.total += n;
    return undefined;
  }

  /** Inflates until the input is used up or the packet is full. */
  private inflate(inflater: Inflater): Failure | undefined {
    this.more = true;
    while (this.more && this.room > 0) {
      // one byte more than is allowed shows that there are too many
      const max = Math.min(this.room, this.rules.maxMessageLen - this.total + 1);
      const bytes = inflater.next(max);
      if (inflater.failed) return FAIL.DEFLATE;
      if (this.total + bytes.length > this.rules.maxMessageLen) return FAIL.MESSAGE_LENGTH;
      if (this.utf8 !== undefined && !this.utf8.push(bytes, 0, bytes.length)) return FAIL.UTF8;
      const failure = this.append(bytes, 0, bytes.length);
      if (failure !== undefined) return failure;
      this.more = !inflater.inputUsed;
    }
    if (this.more) inflater.keepInput();
    return undefined;
  }
}
