/** Group 9: messages of up to 16 MiB, in many fragments, in small chops, and many in a row. */
import { BINARY, type FrameSpec, TEXT } from '../../support/ws_frames.js';
import { conformance, either, fragments, type Row, row } from './support.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** In place of a thousand. */
const IN_A_ROW = 100;

const named = (n: number) => (n >= MIB ? `${n / MIB} MiB` : n >= KIB ? `${n / KIB} KiB` : `${n} bytes`);

/** A payload that repeats only after 251 bytes, so that a piece in a wrong place shows. */
function payloadOf(opcode: number, len: number): Buffer {
  const period = Buffer.from(Array.from({ length: 251 }, (_, i) => (opcode === TEXT ? 0x20 + (i % 95) : i)));
  return Buffer.alloc(len, period);
}

const message = (opcode: number, len: number): FrameSpec => ({ opcode, payload: payloadOf(opcode, len) });

function bySize(group: string, opcode: number): Row[] {
  return [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].map((len, i) =>
    row(`${group}.${i + 1}`, named(len), [message(opcode, len)], [message(opcode, len)]),
  );
}

function byFragment(group: string, opcode: number): Row[] {
  const payload = payloadOf(opcode, 4 * MIB);
  return [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].map((size, i) => {
    const frames = fragments(opcode, payload, size);
    return row(`${group}.${i + 1}`, `of ${named(size)}`, frames, either(frames, [{ opcode, payload }]));
  });
}

function byChop(group: string, opcode: number): Row[] {
  const frame = message(opcode, MIB);
  return [64, 128, 256, 512, KIB, 2 * KIB].map((chop, i) =>
    row(`${group}.${i + 1}`, `of ${named(chop)}`, [frame], [frame], { chop }),
  );
}

/** One at a time: the next is sent when the echo of the one before has come. */
function oneByOne(group: string, opcode: number): Row[] {
  return [0, 16, 64, 256, KIB, 4 * KIB].map((len, i) => {
    const part = { send: [message(opcode, len)], back: [message(opcode, len)] };
    return { id: `${group}.${i + 1}`, title: `of ${named(len)}`, parts: new Array(IN_A_ROW).fill(part) };
  });
}

conformance('9.1 text', bySize('9.1', TEXT));
conformance('9.2 binary', bySize('9.2', BINARY));
conformance('9.3 4 MiB of text in fragments', byFragment('9.3', TEXT));
conformance('9.4 4 MiB of binary in fragments', byFragment('9.4', BINARY));
conformance('9.5 1 MiB of text in chops', byChop('9.5', TEXT));
conformance('9.6 1 MiB of binary in chops', byChop('9.6', BINARY));
conformance('9.7 many texts, one by one', oneByOne('9.7', TEXT));
conformance('9.8 many binary messages, one by one', oneByOne('9.8', BINARY));
