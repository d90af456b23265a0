/** Groups 1 to 5 and 10: framing, pings and pongs, reserved bits, opcodes, fragmentation. */
import { BINARY, CLOSE, type FrameSpec, PING, PONG, TEXT } from '../../support/ws_frames.js';
import {
  binary,
  close,
  conformance,
  cont,
  contMore,
  either,
  failed,
  fragments,
  ping,
  pong,
  type Row,
  row,
  text,
  textMore,
} from './support.js';

const VIOLATION = failed(1002);
/** Bytes that are no text. */
const ODD = Buffer.from('00fffefdfcfb00ff', 'hex');

const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536];

function echoes(group: string, frame: (payload: Uint8Array) => FrameSpec, fill: number): Row[] {
  const rows = LENGTHS.map((len, i) => {
    const message = frame(Buffer.alloc(len, fill));
    return row(`${group}.${i + 1}`, `${len} bytes`, [message], [message]);
  });
  const long = frame(Buffer.alloc(65_536, fill));
  return [...rows, row(`${group}.8`, '65536 bytes in chops of 997', [long], [long], { chop: 997 })];
}

conformance('1.1 text messages', echoes('1.1', text, 0x2a));
conformance('1.2 binary messages', echoes('1.2', binary, 0xfe));

const FE_125 = Buffer.alloc(125, 0xfe);
const TEN = Array.from({ length: 10 }, (_, i) => `ping number ${i}`);

conformance('2 pings and pongs', [
  row('2.1', 'a ping without payload', [ping()], [pong()]),
  row('2.2', 'a ping with text', [ping('Hello, world!')], [pong('Hello, world!')]),
  row('2.3', 'a ping with bytes that are no text', [ping(ODD)], [pong(ODD)]),
  row('2.4', 'a ping of 125 bytes', [ping(FE_125)], [pong(FE_125)]),
  row('2.5', 'a ping of 126 bytes', [ping(Buffer.alloc(126, 0xfe))], [], { close: VIOLATION }),
  row('2.6', 'a ping of 125 bytes, byte by byte', [ping(FE_125)], [pong(FE_125)], { chop: 1 }),
  // in frame mode a Pong is for the handler, which echoes it
  row('2.7', 'a pong that nobody has asked for', [pong()], either([pong()], [])),
  row('2.8', 'such a pong with payload', [pong('not asked for')], either([pong('not asked for')], [])),
  row(
    '2.9',
    'such a pong and a ping',
    [pong('not asked for'), ping('asked')],
    either([pong('not asked for'), pong('asked')], [pong('asked')]),
  ),
  row('2.10', 'ten pings at once', TEN.map(ping), TEN.map(pong)),
  row('2.11', 'ten pings, byte by byte', TEN.map(ping), TEN.map(pong), { chop: 1 }),
]);

const HELLO = text('Hello, world!');
const withRsv = (rsv: number, frame: FrameSpec): FrameSpec => ({ ...frame, rsv });

conformance('3 reserved bits', [
  row('3.1', 'RSV3 of a text frame', [withRsv(1, HELLO)], [], { close: VIOLATION }),
  row('3.2', 'RSV2 of the second text frame', [HELLO, withRsv(2, HELLO), ping()], [HELLO], { close: VIOLATION }),
  row('3.3', 'RSV2 and RSV3, frame by frame', [HELLO, withRsv(3, HELLO), ping()], [HELLO], {
    chop: 'frames',
    close: VIOLATION,
  }),
  row('3.4', 'RSV1, byte by byte', [HELLO, withRsv(4, HELLO), ping()], [HELLO], { chop: 1, close: VIOLATION }),
  row('3.5', 'RSV1 and RSV3 of a binary frame', [withRsv(5, binary(ODD))], [], { close: VIOLATION }),
  row('3.6', 'RSV1 and RSV2 of a ping', [withRsv(6, ping('Hello, world!'))], [], { close: VIOLATION }),
  row('3.7', 'all of them, of a Close', [withRsv(7, close(1000))], [], { close: VIOLATION }),
]);

/** Reserved opcodes: the first two of them alone, empty or not, the others between a text and a ping. */
function reserved(group: string, opcodes: readonly number[]): Row[] {
  return opcodes.map((opcode, i) => {
    const odd: FrameSpec = { opcode, payload: i % 2 === 0 && i < 4 ? '' : 'reserved' };
    const title = `opcode 0x${opcode.toString(16)}`;
    if (i < 2) return row(`${group}.${i + 1}`, title, [odd], [], { close: VIOLATION });
    const chop = i === 4 ? 1 : i === 3 ? 'frames' : 'together';
    return row(`${group}.${i + 1}`, `${title} behind a text`, [HELLO, odd, ping()], [HELLO], {
      chop,
      close: VIOLATION,
    });
  });
}

conformance('4.1 reserved opcodes of data frames', reserved('4.1', [3, 4, 5, 6, 7]));
conformance('4.2 reserved opcodes of control frames', reserved('4.2', [0xb, 0xc, 0xd, 0xe, 0xf]));

const IN_TWO = [textMore('fragment1'), cont('fragment2')];
const JOINED = [text('fragment1fragment2')];
const PINGED = [textMore('fragment1'), ping('between'), cont('fragment2')];
const PONGED = either(
  [textMore('fragment1'), pong('between'), cont('fragment2')],
  [pong('between'), text('fragment1fragment2')],
);
const LONE_END = [cont('nothing to continue'), text('behind')];
const LONE_MIDDLE = [contMore('nothing to continue'), text('behind')];
const twice = (lone: FrameSpec) => [lone, ...IN_TWO, lone, ...IN_TWO];

function inFive(id: string, title: string, chop: 'together' | 'frames'): Row {
  return {
    id,
    title,
    parts: [
      {
        send: [textMore('fragment1'), contMore('fragment2'), ping('ping 1')],
        chop,
        back: either([textMore('fragment1'), contMore('fragment2'), pong('ping 1')], [pong('ping 1')]),
      },
      {
        send: [contMore('fragment3'), contMore('fragment4'), ping('ping 2'), cont('fragment5')],
        chop,
        back: either(
          [contMore('fragment3'), contMore('fragment4'), pong('ping 2'), cont('fragment5')],
          [pong('ping 2'), text('fragment1fragment2fragment3fragment4fragment5')],
        ),
      },
    ],
  };
}

conformance('5 fragmentation', [
  row('5.1', 'a ping in two fragments', [{ opcode: PING, payload: 'fragment1', fin: false }, cont('fragment2')], [], {
    close: VIOLATION,
  }),
  row('5.2', 'a pong in two fragments', [{ opcode: PONG, payload: 'fragment1', fin: false }, cont('fragment2')], [], {
    close: VIOLATION,
  }),
  row('5.2a', 'a Close in two fragments', [{ opcode: CLOSE, payload: ODD, fin: false }, cont('fragment2')], [], {
    close: VIOLATION,
  }),
  row('5.3', 'text in two fragments', IN_TWO, either(IN_TWO, JOINED)),
  row('5.4', 'the same, frame by frame', IN_TWO, either(IN_TWO, JOINED), { chop: 'frames' }),
  row('5.5', 'the same, byte by byte', IN_TWO, either(IN_TWO, JOINED), { chop: 1 }),
  row('5.6', 'a ping between two fragments', PINGED, PONGED),
  row('5.7', 'the same, frame by frame', PINGED, PONGED, { chop: 'frames' }),
  row('5.8', 'the same, byte by byte', PINGED, PONGED, { chop: 1 }),
  row('5.9', 'a last fragment without a first', LONE_END, [], { close: VIOLATION }),
  row('5.10', 'the same, frame by frame', LONE_END, [], { chop: 'frames', close: VIOLATION }),
  row('5.11', 'the same, byte by byte', LONE_END, [], { chop: 1, close: VIOLATION }),
  row('5.12', 'a middle fragment without a first', LONE_MIDDLE, [], { close: VIOLATION }),
  row('5.13', 'the same, frame by frame', LONE_MIDDLE, [], { chop: 'frames', close: VIOLATION }),
  row('5.14', 'the same, byte by byte', LONE_MIDDLE, [], { chop: 1, close: VIOLATION }),
  row(
    '5.15',
    'a middle fragment behind the end of a message',
    [...IN_TWO, contMore('fragment3'), text('fragment4')],
    either(IN_TWO, JOINED),
    { close: VIOLATION },
  ),
  row('5.16', 'a middle fragment before a message, twice', twice(contMore('fragment0')), [], { close: VIOLATION }),
  row('5.17', 'a last fragment before a message, twice', twice(cont('fragment0')), [], { close: VIOLATION }),
  row(
    '5.18',
    'a second fragment that is no continuation',
    [textMore('fragment1'), text('fragment2')],
    either([textMore('fragment1')], []),
    { close: VIOLATION },
  ),
  inFive('5.19', 'five fragments, two pings and a pause', 'together'),
  inFive('5.20', 'the same, frame by frame', 'frames'),
]);

const STARS = Buffer.alloc(65_536, 0x2a);
const BY_1300 = fragments(TEXT, STARS, 1_300);

conformance('10.1 fragments of a sender that cuts', [
  row('10.1.1', '65536 bytes in fragments of 1300', BY_1300, either(BY_1300, [text(STARS)])),
  row(
    '10.1.1a',
    'the same of a binary message',
    fragments(BINARY, STARS, 1_300),
    either(fragments(BINARY, STARS, 1_300), [binary(STARS)]),
  ),
]);
