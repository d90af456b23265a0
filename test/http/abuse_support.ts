/** Clients that behave badly, each in its own way, and the same way in each run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '../support/raw_client.js';
import { buildFrame, handshakeRequest, SAMPLE_KEY } from '../support/ws_frames.js';
import { chunked, post, request } from './support.js';

/** Chance that repeats itself (mulberry32). */
export class Chance {
  constructor(private state: number) {}

  /** From 0 to below 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  bytes(n: number): Buffer {
    const bytes = Buffer.allocUnsafe(n);
    for (let i = 0; i < n; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/** A frame that may be right, or wrong in any of its fields. */
function anyFrame(chance: Chance): Buffer {
  const fair = chance.below(3) > 0;
  return buildFrame({
    opcode: fair ? chance.of([1, 2, 8, 9, 10]) : chance.below(16),
    payload: chance.bytes(chance.of([0, 1, 2, 125, 126, 1_000, 20_000])),
    fin: fair || chance.below(2) === 0,
    rsv: fair ? 0 : chance.below(8),
    ...(fair ? {} : { mask: chance.below(2) === 0 ? false : ([1, 2, 3, 4] as const) }),
    ...(chance.below(8) === 0 ? { claimedLen: chance.below(2 ** 31), lengthForm: 64 as const } : {}),
  });
}

/** What a client may say: half of it is right, at least at its beginning. */
export function anySpeech(chance: Chance): Buffer {
  const text = chance.bytes(chance.below(3_000)).toString('latin1');
  const speech = chance.of<() => (string | Uint8Array)[]>([
    () => [chance.bytes(1 + chance.below(2_000))],
    () => Array.from({ length: 1 + chance.below(20) }, () => request('GET /')),
    () => [post('/echo', 'x'.repeat(chance.below(20_000)))],
    () => [request('POST /echo', 'Transfer-Encoding: chunked'), chunked(chance.bytes(5_000), 1 + chance.below(900))],
    () => [request('POST /echo', 'Content-Length: 3000'), text],
    () => [request(`GET /${text}`), request('GET /', `X: ${text}`)],
    () => [request('POST /echo', 'Expect: 100-continue', 'Content-Length: 10'), '0123456789'],
    () => [handshakeRequest(), ...Array.from({ length: 1 + chance.below(10) }, () => anyFrame(chance))],
    () => [handshakeRequest({ key: text }), handshakeRequest({ key: SAMPLE_KEY, headers: { Upgrade: text } })],
  ])();
  const bytes = Buffer.concat(speech.map(part => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  // some bytes come out wrong
  if (chance.below(3) === 0)
    for (let i = chance.below(5); i > 0; i--) bytes[chance.below(bytes.length)] = chance.below(256);
  return bytes;
}

/** Cuts bytes at random places. */
function pieces(chance: Chance, bytes: Buffer): Buffer[] {
  const cuts = Array.from({ length: chance.below(4) }, () => chance.below(bytes.length + 1)).sort((a, b) => a - b);
  return [...cuts, bytes.length]
    .map((cut, i) => bytes.subarray(cuts[i - 1] ?? 0, cut))
    .filter(({ length }) => length > 0);
}

type Way = (client: RawClient, chance: Chance) => Promise<unknown>;

/** Sends something, in pieces; how much of it is left to the caller. */
async function say(client: RawClient, chance: Chance, bytes = anySpeech(chance)): Promise<void> {
  for (const piece of pieces(chance, bytes)) {
    if (client.over) return;
    client.send(piece);
    await sleep(chance.below(5));
  }
}

/** How a connection can be abused, by what such clients are called. */
export const WAYS = {
  /** Says anything, hears the answer, leaves. */
  babbler: async (client, chance) => {
    await say(client, chance);
    await sleep(chance.below(30));
  },
  /** Resets at any point. */
  resetter: async (client, chance) => {
    const speech = anySpeech(chance);
    await say(client, chance, speech.subarray(0, chance.below(speech.length + 1)));
    if (chance.below(2) === 0) await sleep(chance.below(10));
    client.reset();
  },
  /** Sends FIN at any point and listens on. */
  halfCloser: async (client, chance) => {
    const speech = anySpeech(chance);
    await say(client, chance, speech.subarray(0, chance.below(speech.length + 1)));
    client.end();
    if (chance.below(3) > 0) await Promise.race([client.closed(), sleep(200)]);
  },
  /** Stops in the middle, or reads nothing, and leaves later, some when the server has lost its patience. */
  staller: async (client, chance) => {
    const slow = chance.of([
      () => request('GET /').slice(0, chance.below(30)),
      () => post('/echo', 'x'.repeat(10_000)).slice(0, -chance.below(9_000)),
      () => request('GET /much').repeat(3),
      () => Buffer.concat([Buffer.from(handshakeRequest()), ...Array.from({ length: 30 }, () => anyFrame(chance))]),
      () => Buffer.concat([Buffer.from(handshakeRequest()), anyFrame(chance).subarray(0, 1 + chance.below(6))]),
      () => '',
    ])();
    if (chance.below(2) === 0) client.pause();
    if (slow.length > 0) client.send(slow);
    await sleep(chance.below(4) === 0 ? 2_500 : chance.below(400));
    if (chance.below(2) === 0) client.resume();
  },
} satisfies Record<string, Way>;

/** Goes on with one way of abuse until `isOver`. @returns how many connections that took */
export async function abuse(port: number, way: Way, seed: number, isOver: () => boolean): Promise<number> {
  const chance = new Chance(seed);
  let n = 0;
  for (; !isOver(); n++) {
    const client = (await RawClient.connect(port)).discard();
    await way(client, chance);
    client.destroy();
    await sleep(chance.below(10));
  }
  return n;
}
