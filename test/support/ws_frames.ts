import { createHash } from 'node:crypto';
import { RawClient, type RawResponse, settled } from './raw_client.js';

/** A frame to build; by default a whole, masked one in its shortest form. */
export interface FrameSpec {
  readonly fin?: boolean;
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  /** The masking key, or false for an unmasked frame. */
  readonly mask?: readonly [number, number, number, number] | false;
  /** The three reserved bits as a number: 4, 2, 1 are RSV1, RSV2, RSV3. */
  readonly rsv?: number;
  /** Bits of the length field, where it is not to be the shortest form. */
  readonly lengthForm?: 7 | 16 | 64;
  /** The length that the header gives, where it is not the payload's. */
  readonly claimedLen?: number | bigint;
}

export const CONTINUE = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** The key of RFC 6455 section 1.3. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

const DEFAULT_MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** `81 85 …` as bytes; blanks are ignored. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ''), 'hex');
}

/** The bytes of a client's frame. */
export function buildFrame(spec: FrameSpec): Buffer {
  const payload = typeof spec.payload === 'string' ? Buffer.from(spec.payload) : Buffer.from(spec.payload ?? []);
  const mask = spec.mask ?? DEFAULT_MASK;
  const len = BigInt(spec.claimedLen ?? payload.length);
  const form = spec.lengthForm ?? (len < 126n ? 7 : len < 65_536n ? 16 : 64);
  const first = ((spec.fin ?? true) ? 0x80 : 0) | ((spec.rsv ?? 0) << 4) | spec.opcode;
  const maskBit = mask === false ? 0 : 0x80;
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = first;
  if (form === 7) {
    head[1] = maskBit | Number(len);
  } else if (form === 16) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(Number(len), 2);
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(len, 2);
  }
  if (mask === false) return Buffer.concat([head, payload]);
  // a loop: tests send megabytes
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] as number) ^ (mask[i & 3] as number);
  return Buffer.concat([head, Buffer.from(mask), payload]);
}

/** The payload of a Close frame. */
export function closeBody(code: number, reason = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** A frame that a server has sent. */
export interface ServerFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
  readonly text: string;
  /** Header and payload as they came. */
  readonly bytes: Buffer;
  /** Of a Close frame: its code, undefined if it has none. */
  readonly code: number | undefined;
}

/** How many bytes the first frame in `bytes` has; -1 if it is not complete. */
export function frameSize(bytes: Buffer): number {
  if (bytes.length < 2) return -1;
  const second = bytes[1] as number;
  const short = second & 0x7f;
  const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + ((second & 0x80) !== 0 ? 4 : 0);
  if (bytes.length < head) return -1;
  const len = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return bytes.length < head + len ? -1 : head + len;
}

/** The one frame that `bytes` are. */
export function parseFrame(bytes: Buffer): ServerFrame {
  const first = bytes[0] as number;
  const second = bytes[1] as number;
  const short = second & 0x7f;
  const masked = (second & 0x80) !== 0;
  const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + (masked ? 4 : 0);
  const payload = Buffer.from(bytes.subarray(head));
  if (masked)
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[head - 4 + (i & 3)] ?? 0);
  const opcode = first & 0x0f;
  return {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode,
    masked,
    payload,
    text: payload.toString(),
    bytes: Buffer.from(bytes),
    code: opcode === CLOSE && payload.length >= 2 ? payload.readUInt16BE(0) : undefined,
  };
}

/** All complete frames in `bytes`, and what is left behind them. */
export function parseFrames(bytes: Buffer): { frames: ServerFrame[]; rest: Buffer } {
  const frames: ServerFrame[] = [];
  let rest = bytes;
  for (let size = frameSize(rest); size >= 0; size = frameSize(rest)) {
    frames.push(parseFrame(rest.subarray(0, size)));
    rest = rest.subarray(size);
  }
  return { frames, rest };
}

/** Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

export interface HandshakeSpec {
  readonly path?: string;
  readonly key?: string;
  /** More headers, or others in place of the usual ones; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** The text of a client's handshake. */
export function handshakeRequest(spec: HandshakeSpec = {}): string {
  const fields: Record<string, string | undefined> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': spec.key ?? SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...spec.headers,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [`GET ${spec.path ?? '/ws'} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** A WebSocket client that can break every rule. */
export class WsRawClient {
  private constructor(
    readonly raw: RawClient,
    /** The answer to the handshake. */
    readonly response: RawResponse,
  ) {}

  /** Connects and shakes hands; `first` is sent in the same write as the handshake. */
  static async connect(port: number, spec: HandshakeSpec = {}, first?: Uint8Array): Promise<WsRawClient> {
    return WsRawClient.upgrade(await RawClient.connect(port), spec, first);
  }

  /** Shakes hands on a connection. */
  static async upgrade(raw: RawClient, spec: HandshakeSpec = {}, first?: Uint8Array): Promise<WsRawClient> {
    raw.send(Buffer.concat([Buffer.from(handshakeRequest(spec)), first ?? Buffer.alloc(0)]));
    const response = await raw.readResponse();
    if (response.status !== 101) throw new Error(`the handshake got '${response.statusLine}': ${response.text}`);
    await settled();
    return new WsRawClient(raw, response);
  }

  send(...frames: (FrameSpec | Uint8Array)[]): this {
    const bytes = frames.map(frame => (frame instanceof Uint8Array ? frame : buildFrame(frame)));
    this.raw.send(Buffer.concat(bytes));
    return this;
  }

  async readFrame(): Promise<ServerFrame> {
    return parseFrame(await this.raw.readUntil(frameSize));
  }

  closed(): Promise<'fin' | 'reset'> {
    return this.raw.closed();
  }

  destroy(): void {
    this.raw.destroy();
  }
}
