/** Frames to begin with: the examples of RFC 6455 section 5.7 and RFC 7692 section 7.2.3, and violations of each rule. */
import { buildFrame, closeBody, type FrameSpec, hex } from '../test/support/ws_frames.js';
import { KINDS } from './targets/ws_handlers.js';

const CONTINUE = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** `mode` is the third byte of an input. */
const seed = (
  mode: number,
  frames: readonly (FrameSpec | Buffer)[],
  controls: readonly [number, number] = [0x05, 0x01],
) =>
  Buffer.concat([
    Buffer.from([...controls, mode]),
    ...frames.map(frame => (frame instanceof Uint8Array ? frame : buildFrame(frame))),
  ]);

const hello: FrameSpec = { opcode: TEXT, payload: 'Hello' };
const bye: FrameSpec = { opcode: CLOSE, payload: closeBody(1000, 'bye') };
const fragments: readonly FrameSpec[] = [
  { opcode: TEXT, fin: false, payload: 'Hel' },
  { opcode: PING, payload: 'p' },
  { opcode: CONTINUE, fin: false, payload: '' },
  { opcode: CONTINUE, payload: 'lo' },
];

/** What each handler gets. */
const STREAMS: readonly (readonly (FrameSpec | Buffer)[])[] = [
  [hello, bye],
  [...fragments, bye],
  [{ opcode: BINARY, payload: Buffer.alloc(126, 7) }, { opcode: BINARY, payload: '' }, { opcode: PING }, hello],
];

/** Payloads of RFC 7692 section 7.2.3, masked: one block, two messages that share a window, one not compressed, BFINAL. */
const DEFLATED = [
  'f248cdc9c90700',
  'f200110000',
  '000500faff48656c6c6f00',
  'f348cdc9c9070000',
  'f24805000000ffffcac9c90700',
  '00',
  '',
].map(hex);

const BROKEN: readonly (FrameSpec | Buffer)[] = [
  { ...hello, rsv: 4 },
  { ...hello, rsv: 1 },
  { opcode: 3 },
  { opcode: 11 },
  { ...hello, mask: false },
  { opcode: PING, fin: false },
  { opcode: PING, payload: Buffer.alloc(126) },
  { opcode: CONTINUE, payload: 'x' },
  { ...hello, lengthForm: 16 },
  { ...hello, lengthForm: 64 },
  { opcode: BINARY, lengthForm: 64, claimedLen: 2n ** 63n },
  { opcode: BINARY, lengthForm: 64, claimedLen: 2n ** 53n },
  { opcode: BINARY, lengthForm: 64, claimedLen: 100_000 },
  { opcode: CLOSE, payload: 'x' },
  { opcode: CLOSE, payload: closeBody(1005) },
  { opcode: CLOSE, payload: closeBody(65_535) },
  { opcode: CLOSE, payload: hex('03e8c0af') },
  { opcode: CLOSE },
  { opcode: TEXT, payload: hex('cebae1bdb9cf83cebcceb5eda080656469746564') },
  { opcode: TEXT, payload: hex('e282') },
  { opcode: TEXT, payload: hex('f4908080') },
  { opcode: TEXT, payload: Buffer.alloc(61, 'x') },
  { opcode: TEXT, payload: 'close' },
  { opcode: TEXT, payload: 'end' },
  { opcode: TEXT, payload: 'fail' },
  { opcode: TEXT, payload: 'throw' },
  { opcode: TEXT, payload: 'several' },
  hex('8185'),
  hex('81fe00'),
];

/** Pongs: that nobody has asked for, between the fragments of a message, behind a Close; and the answer to a Ping. */
const PONGS: readonly (readonly FrameSpec[])[] = [
  [{ opcode: PONG, payload: 'q' }, { opcode: PONG }, { opcode: PONG }, hello, bye],
  [
    { opcode: TEXT, fin: false, payload: 'Hel' },
    { opcode: PONG },
    { opcode: PONG, payload: 'p' },
    { opcode: CONTINUE },
  ],
  [bye, { opcode: PONG }],
];
const PINGED = 0x80;

export const WS_SEEDS: readonly Buffer[] = [
  ...KINDS.flatMap((_kind, kind) => STREAMS.map((stream, i) => seed(kind, stream, [kind * 16 + i, i << 4]))),
  ...KINDS.flatMap((_kind, kind) =>
    PONGS.flatMap((stream, i) => [seed(kind, stream, [kind, i << 4]), seed(PINGED | kind, stream, [kind, 1])]),
  ),
  // a long frame ahead, which these end
  ...[0, 1, 2, 6, 7, 10].map(kind => seed(0x10 | kind, [Buffer.from('\0end.\0'), hello])),
  ...[0, 1, 6, 7].map(kind => seed(0x20 | kind, [Buffer.from('123456'), { opcode: CONTINUE, payload: 'last' }])),
  seed(0x10, [hex('e28280ff8081')]),
  seed(0x40, [hello]),
  ...[10, 11, 12, 13, 14].flatMap(kind =>
    DEFLATED.map((payload, i) =>
      seed(
        kind,
        [
          { opcode: TEXT, rsv: 4, payload },
          { opcode: BINARY, rsv: 4, payload },
        ],
        [i, 0],
      ),
    ),
  ),
  ...[11, 13].map(kind =>
    seed(kind, [
      { opcode: TEXT, rsv: 4, fin: false, payload: hex('f248') },
      { opcode: CONTINUE, payload: hex('cdc9c90700') },
      bye,
    ]),
  ),
  ...BROKEN.flatMap((frame, i) => [
    seed(0, [frame, hello], [i, 0]),
    seed(5 + (i % 5), [{ ...hello, fin: i % 4 !== 0 }, frame], [i, 1]),
  ]),
];
