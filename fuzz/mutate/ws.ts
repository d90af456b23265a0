/** Changes of frames: of their headers, lengths, masks and payloads, and of their order. */
import { deflateRawSync } from 'node:zlib';
import { buildFrame, closeBody, type FrameSpec, frameSize, parseFrame } from '../../test/support/ws_frames.js';
import type { Random } from '../random.js';
import { BYTE_MUTATIONS, type Mutation, withToken } from './bytes.js';

const OPCODES = [0, 1, 2, 8, 9, 10, 0, 1, 2, 3, 11, 15];
const MASKS = [
  [0, 0, 0, 0],
  [0x37, 0xfa, 0x21, 0x3d],
  [0xff, 0xff, 0xff, 0xff],
] as const;
/** Text that is UTF-8, and text that is not, cut anywhere. */
const TEXTS = ['', 'hello', 'κόσμε', '€', '𐐷', 'ﷺ', '\ufffd', 'x'.repeat(126), 'é'.repeat(40)].map(text =>
  Buffer.from(text),
);
const BROKEN = ['c0af', 'eda080', 'f4908080', 'f8888080', 'fe', '80', 'e282', 'f09d84', 'ce'].map(text =>
  Buffer.from(text, 'hex'),
);
const CLOSES = [
  Buffer.alloc(0),
  Buffer.from([3]),
  ...[999, 1000, 1001, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535].map(code =>
    closeBody(code),
  ),
  closeBody(1000, 'x'.repeat(123)),
  closeBody(3000, 'é'),
  Buffer.from('03e8c0af', 'hex'),
];
const LENGTHS = [0, 1, 4, 5, 15, 16, 17, 60, 61, 124, 125, 126, 127, 299, 300, 301];

const TOKENS = [
  '8100',
  '81fe',
  '81ff',
  '817e',
  '8180',
  '0080',
  '8880',
  '8980',
  '8a80',
  '8a8100000000',
  'c180',
  '0000ffff',
  '7fffffffffffffff',
  '8000000000000000',
  'f09f9880',
].map(text => Buffer.from(text, 'hex'));

/** What deflate makes of a payload, in one of the ways that are allowed (RFC 7692 section 7.2.3), or cut. */
function deflated(payload: Buffer, random: Random): Buffer {
  const level = random.pick([0, 1, 9]);
  const whole = deflateRawSync(payload, { level });
  switch (random.below(5)) {
    case 0:
      // a block marked as the last one, and an empty one behind it
      return Buffer.concat([whole, Buffer.from([0])]);
    case 1:
      return whole.subarray(0, random.below(whole.length + 1));
    case 2: {
      const stored = Buffer.alloc(5);
      stored.writeUInt16LE(payload.length & 0xffff, 1);
      stored.writeUInt16LE(~payload.length & 0xffff, 3);
      return Buffer.concat([stored, payload, Buffer.from([0])]);
    }
    default: {
      // Z_SYNC_FLUSH is 2; its tail, 00 00 ff ff, is left out
      const flushed = deflateRawSync(payload, { level, finishFlush: 2 });
      return flushed.subarray(0, flushed.length - 4);
    }
  }
}

function payloadOf(opcode: number, random: Random): Buffer {
  if (opcode === 8) return random.pick(CLOSES);
  if (random.oneIn(4)) return Buffer.alloc(random.pick(LENGTHS), random.pick(['a', 'bc', '€', '\xff']));
  const text = random.oneIn(4) ? random.pick(BROKEN) : random.pick(TEXTS);
  return random.oneIn(4) ? text.subarray(0, random.below(text.length + 1)) : text;
}

/** A frame, right in most ways. */
function frame(random: Random): Buffer {
  const opcode = random.pick(OPCODES);
  const payload = payloadOf(opcode, random);
  const packed = opcode < 3 && random.oneIn(3);
  return buildFrame({
    opcode,
    fin: opcode >= 8 || !random.oneIn(3),
    payload: packed ? deflated(payload, random) : payload,
    mask: random.pick(MASKS),
    rsv: packed && opcode !== 0 ? 4 : random.oneIn(12) ? random.below(8) : 0,
  });
}

/** Whole frames, and what is left behind them. */
function split(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let rest = bytes;
  for (let size = frameSize(rest); size >= 0; size = frameSize(rest)) {
    found.push(rest.subarray(0, size));
    rest = rest.subarray(size);
  }
  if (rest.length > 0) found.push(rest);
  return found;
}

/** Frames more, fewer, or in another order. */
const framesMoved: Mutation = (bytes, other, random) => {
  const list = split(bytes);
  const others = split(other);
  const at = random.below(list.length + 1);
  const made = others.length > 0 && random.oneIn(3) ? random.pick(others) : frame(random);
  list.splice(at, random.below(3) >> 1, ...(random.oneIn(5) ? [] : [made]));
  return Buffer.concat(list);
};

/** One whole frame becomes others. */
function reframed(change: (spec: FrameSpec & { payload: Buffer }, random: Random) => readonly FrameSpec[]): Mutation {
  return (bytes, _other, random) => {
    const list = split(bytes);
    const whole = list.filter(piece => frameSize(piece) === piece.length);
    if (whole.length === 0) return Buffer.concat([bytes, frame(random)]);
    const old = random.pick(whole);
    const { fin, rsv, opcode, payload, masked } = parseFrame(old);
    const mask = masked ? random.pick(MASKS) : false;
    const specs = change({ fin, rsv, opcode, payload, mask }, random);
    return Buffer.concat(list.flatMap(piece => (piece === old ? specs.map(buildFrame) : [piece])));
  };
}

const headChanged = reframed((spec, random) => {
  switch (random.below(6)) {
    case 0:
      return [{ ...spec, opcode: random.pick(OPCODES) }];
    case 1:
      return [{ ...spec, fin: !spec.fin }];
    case 2:
      return [{ ...spec, rsv: random.pick([0, 4, random.below(8)]) }];
    case 3:
      return [
        { ...spec, mask: random.oneIn(4) ? false : [random.byte(), random.byte(), random.byte(), random.byte()] },
      ];
    case 4:
      return [{ ...spec, lengthForm: random.pick([16, 64]) }];
    default:
      return [{ ...spec, claimedLen: Math.min(65_535, Math.max(0, spec.payload.length + random.from(-2, 9))) }];
  }
});

const payloadChanged = reframed((spec, random) => {
  const { payload } = spec;
  const change = random.pick(BYTE_MUTATIONS);
  const next = random.oneIn(3) ? payloadOf(spec.opcode, random) : change(payload, TEXTS[1] as Buffer, random);
  return [{ ...spec, payload: next }];
});

/** A message in fragments, with a control frame between them. */
const fragmented = reframed((spec, random) => {
  const { payload, fin, opcode } = spec;
  if (opcode >= 8) return [spec, spec];
  const at = random.below(payload.length + 1);
  const between: FrameSpec = {
    opcode: random.pick([9, 10]),
    payload: random.pick(TEXTS.slice(0, 3)),
    mask: spec.mask ?? false,
  };
  return [
    { ...spec, fin: false, payload: payload.subarray(0, at) },
    ...(random.oneIn(2) ? [between] : []),
    { ...spec, fin, rsv: 0, opcode: 0, payload: payload.subarray(at) },
  ];
});

const compressed = reframed((spec, random) => [{ ...spec, rsv: 4, payload: deflated(spec.payload, random) }]);

const MUTATIONS: readonly Mutation[] = [
  ...BYTE_MUTATIONS,
  withToken(TOKENS),
  framesMoved,
  framesMoved,
  framesMoved,
  framesMoved,
  headChanged,
  headChanged,
  headChanged,
  payloadChanged,
  payloadChanged,
  fragmented,
  fragmented,
  compressed,
];

export function mutateWs(bytes: Buffer, other: Buffer, random: Random): Buffer {
  return random.pick(MUTATIONS)(bytes, other, random);
}
