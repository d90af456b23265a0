/**
 * The WebSocket path: frames, good and bad, to handlers of every kind.
 *
 * The input's first two bytes are controls (`manner.ts`). Of the third one the lower four bits choose the handler, the
 * next two what goes ahead of the input's frames; bit 6 lets them arrive with the handshake, bit 7 when the server has
 * sent a Ping and waits for its Pong. The frames are played whole, then cut, and both must give the same.
 */
import type { HttpdConfig } from '../../src/config.js';
import { buildFrame, handshakeRequest, PING } from '../../test/support/ws_frames.js';
import { markText } from '../coverage.js';
import { mutateWs } from '../mutate/ws.js';
import type { Random } from '../random.js';
import { WS_SEEDS } from '../seeds_ws.js';
import { demand, shown } from './finding.js';
import { readFrames } from './frames.js';
import type { Played } from './lab.js';
import { kindOf } from './log.js';
import { controls } from './manner.js';
import { compare, Pair } from './pair.js';
import type { Target } from './target.js';
import { KINDS, registerKinds } from './ws_handlers.js';

/** The length of frames that go ahead: more than is collected before a handler is called. */
const LONG = 17_000;
/** The same for handlers that get messages, which are joined whatever their length. */
const JOINED = 200;
/** Behind wsPingInterval, and before wsPongTimeout or wsInactivityTimeout, in ms. */
const PING_AFTER = 32_000;
/** So much of such a frame is left to the input. */
const LEFT = 6;

/** All but the end of a long frame. */
function ahead(opcode: number, fin: boolean, len: number): Buffer {
  const frame = buildFrame({ opcode, fin, payload: Buffer.alloc(len, 'long '), mask: [0, 0, 0, 0] });
  return frame.subarray(0, frame.length - LEFT);
}

const NOTHING = Buffer.alloc(0);
const AHEAD = KINDS.map(({ options }) => {
  const len = options.wsMessageMode ? JOINED : LONG;
  return [NOTHING, ahead(1, true, len), ahead(2, false, len), NOTHING] as const;
});

const HANDSHAKES = KINDS.map(({ extensions }, i) =>
  Buffer.from(handshakeRequest({ path: `/${i}`, headers: { 'Sec-WebSocket-Extensions': extensions } })),
);

/** The server that is short of memory for messages, and of room for slow readers. */
const SHORT = 2;

export class WsTarget implements Target {
  readonly name = 'ws';
  readonly controls = 3;
  readonly maxLen = 1_024;
  readonly seeds = WS_SEEDS;

  private constructor(private readonly pairs: readonly Pair[]) {}

  static async start(): Promise<WsTarget> {
    const short: Partial<HttpdConfig> = { maxWsPending: 1_024, maxTxPending: 1_024, txOverflow: 'drop' };
    return new WsTarget([
      await Pair.start({}, registerKinds),
      await Pair.start({}, registerKinds, true),
      await Pair.start(short, registerKinds),
    ]);
  }

  async stop(): Promise<void> {
    for (const pair of this.pairs) await pair.stop();
  }

  drop(): void {
    for (const pair of this.pairs) pair.drop();
  }

  mutate(bytes: Buffer, other: Buffer, random: Random): Buffer {
    return mutateWs(bytes, other, random);
  }

  async run(input: Buffer): Promise<void> {
    if (input.length < this.controls) return;
    const { cut, ending, server } = controls(input[0] as number, input[1] as number);
    const mode = input[2] as number;
    const short = server === SHORT;
    const pair = this.pairs[server % this.pairs.length] as Pair;
    const number = mode & 15;
    const before = AHEAD[number]?.[(mode >> 4) & 3] ?? NOTHING;
    const handshake = HANDSHAKES[number] as Buffer;
    const together = (mode & 0x40) !== 0;
    const bytes = Buffer.concat([...(together ? [handshake] : []), before, input.subarray(this.controls)]);
    const first = together ? undefined : handshake;
    // a long frame byte by byte would take too long
    const how = before.length < LONG ? cut : { ...cut, sizes: cut.sizes.map(size => size * 97) };
    const pingAfter = (mode & 0x80) === 0 ? 0 : PING_AFTER;
    const both = await pair.play(bytes, how, ending, first && { bytes: first, quietMs: pingAfter });
    // who leaves without a Close need not be answered
    const unanswered = ending === 'half';
    const pinged = first !== undefined && pingAfter > 0;
    this.check(both.whole, number, unanswered, pinged);
    this.check(both.cut, number, unanswered, pinged);
    if (!short && !unanswered) compare(both, ({ sent }) => [sent.toString('latin1')]);
  }

  replay(input: Buffer): Promise<void> {
    return this.run(input);
  }

  private check({ sent, log }: Played, number: number, unanswered: boolean, pinged: boolean): void {
    for (const line of log) markText(kindOf(line));
    const text = sent.toString('latin1');
    if (unanswered && !text.includes('\r\n\r\n')) return;
    demand(text.startsWith('HTTP/1.1 101 Switching Protocols\r\n'), 'the handshake is not answered', () => shown(text));
    const headEnd = text.indexOf('\r\n\r\n') + 4;
    const kind = KINDS[number];
    const agreed = text.slice(0, headEnd).includes('permessage-deflate');
    demand(agreed === (kind?.extensions !== undefined), 'the extension is not agreed on');
    const { frames } = readFrames(sent.subarray(headEnd), agreed, kind?.options.wsIgnoreEncodingErrors === true);
    demand(!pinged || frames[0]?.opcode === PING, 'a peer that is quiet is not pinged', () => shown(text));
    for (const { opcode, code, rsv } of frames)
      markText(`sent ${opcode} ${rsv} ${code !== undefined && code < 2_000 ? code : ''}`);
  }
}
