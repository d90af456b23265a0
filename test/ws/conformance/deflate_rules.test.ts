/** RFC 7692 section 7.2: its examples, and what breaks its rules. Not in the Autobahn test suite. */
import { constants, deflateRawSync } from 'node:zlib';
import { BINARY, CONTINUE, type FrameSpec, TEXT } from '../../support/ws_frames.js';
import {
  binary,
  close,
  conformance,
  cont,
  contMore,
  either,
  failed,
  ping,
  pong,
  row,
  text,
  textMore,
} from './support.js';

const hex = (bytes: string) => Buffer.from(bytes, 'hex');
const HELLO = hex('f248cdc9c90700');
const LINKED = hex('f200110000');
const VIOLATION = failed(1002);
const BROKEN = failed(1007);

/** The first frame of a compressed message. */
const first = (payload: Uint8Array, fin = true, opcode = TEXT): FrameSpec => ({ opcode, payload, fin, rsv: 4 });

function compressed(payload: string | Buffer): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

const offer = (params = '') => ({ 'Sec-WebSocket-Extensions': `permessage-deflate${params}` });
/** Echoes are shorter than its threshold, so they come back as they are. */
const FORGETFUL = { uri: { wsPerMessageDeflate: true }, headers: offer() };
const KEEPING = {
  uri: { wsPerMessageDeflate: { serverNoContextTakeover: false, clientNoContextTakeover: false } },
  headers: offer(),
};
const WRONG_TEXT = Buffer.concat([Buffer.from('κόσμε'), hex('eda080'), Buffer.from('edited')]);
const EURO = compressed('€'.repeat(50));
const TWO_BLOCKS = hex('f248050000' + '00ffffcac9c90700');

conformance(
  'RFC 7692, examples',
  [
    row('section 7.2.3.1:', 'one message', [first(HELLO)], [text('Hello')]),
    row(
      'section 7.2.3.1:',
      'in two fragments',
      [first(HELLO.subarray(0, 3), false), cont(HELLO.subarray(3))],
      [text('Hello')],
    ),
    row(
      'section 7.2.3.1:',
      'in two fragments with a ping between',
      [first(HELLO.subarray(0, 3), false), ping('p'), cont(HELLO.subarray(3))],
      [pong('p'), text('Hello')],
    ),
    row(
      'section 7.2.3.1:',
      'in fragments of one byte and empty ones, byte by byte',
      [first(Buffer.alloc(0), false), ...[...HELLO].flatMap(byte => [contMore(Buffer.of(byte)), contMore()]), cont()],
      [text('Hello')],
      { chop: 1 },
    ),
    row('section 7.2.3.2:', 'each message on its own', [first(HELLO), first(HELLO)], [text('Hello'), text('Hello')]),
    row('section 7.2.3.3:', 'a block without compression', [first(hex('000500faff48656c6c6f00'))], [text('Hello')]),
    row('section 7.2.3.4:', 'a block with BFINAL', [first(hex('f348cdc9c9070000'))], [text('Hello')]),
    row(
      'section 7.2.3.4:',
      'the same, and a message behind it',
      [first(hex('f348cdc9c9070000')), first(HELLO)],
      [text('Hello'), text('Hello')],
    ),
    row('section 7.2.3.5:', 'two blocks', [first(TWO_BLOCKS)], [text('Hello')]),
    row(
      'section 7.2.3.6:',
      'an empty message',
      [first(hex('00')), first(hex('0200'), true, BINARY)],
      [text(), binary()],
    ),
  ],
  FORGETFUL,
);

conformance(
  'RFC 7692, a context that is kept',
  [
    row(
      'section 7.2.3.2:',
      'the second message refers to the first',
      [first(HELLO), first(LINKED)],
      [text('Hello'), text('Hello')],
    ),
    row(
      'section 7.2.3.2:',
      'past a message that is not compressed',
      [first(HELLO), text('plain'), ping('p'), first(LINKED)],
      [text('Hello'), text('plain'), pong('p'), text('Hello')],
    ),
  ],
  KEEPING,
);

const IN_TWO = [textMore('fragment1'), cont('fragment2')];

conformance(
  'RFC 7692, messages that are not compressed',
  [
    row('section 6:', 'one', [text('Hello')], [text('Hello')]),
    row('section 6:', 'in two fragments', IN_TWO, either(IN_TWO, [text('fragment1fragment2')])),
    row(
      'section 6:',
      'among compressed ones',
      [first(HELLO), text('plain'), first(HELLO, true, BINARY), binary('plain')],
      [text('Hello'), text('plain'), binary('Hello'), binary('plain')],
    ),
  ],
  FORGETFUL,
);

conformance(
  'RFC 7692, violations',
  [
    row('section 6:', 'RSV1 of a continuation', [first(HELLO.subarray(0, 3), false), { ...cont(HELLO), rsv: 4 }], [], {
      close: VIOLATION,
    }),
    row(
      'section 6:',
      'RSV1 of a continuation of plain text',
      [textMore('a'), { ...cont('b'), rsv: 4 }],
      either([textMore('a')], []),
      {
        close: VIOLATION,
      },
    ),
    row('section 6:', 'RSV1 of a ping', [{ ...ping('p'), rsv: 4 }], [], { close: VIOLATION }),
    row('section 6:', 'RSV1 of a Close', [{ ...close(1000), rsv: 4 }], [], { close: VIOLATION }),
    row('section 6:', 'RSV1 and RSV2', [{ ...first(HELLO), rsv: 6 }], [], { close: VIOLATION }),
    row('section 6:', 'RSV3', [{ ...text('x'), rsv: 1 }], [], { close: VIOLATION }),
    row('section 6:', 'RSV1 of a reserved opcode', [{ opcode: 3, payload: HELLO, rsv: 4 }], [], { close: VIOLATION }),
    row('section 5:', 'a new message in a compressed one', [first(HELLO.subarray(0, 3), false), first(HELLO)], [], {
      close: VIOLATION,
    }),
    row('section 7.2.2:', 'a block type that does not exist', [first(hex('ffffffff'))], [], { close: BROKEN }),
    row('section 7.2.2:', 'the same, behind a message', [first(HELLO), first(hex('ffffffff'))], [text('Hello')], {
      close: BROKEN,
    }),
    row('section 7.2.2:', 'a context that was not agreed on', [first(HELLO), first(LINKED)], [text('Hello')], {
      close: BROKEN,
    }),
    ...[1, 2, 3, 4, 5, 6].map(n =>
      row('section 7.2.2:', `a message cut off behind ${n} bytes`, [first(HELLO.subarray(0, n))], [], {
        close: BROKEN,
      }),
    ),
    row('section 7.2.2:', 'lengths of a block that do not match', [first(hex('000500fbff48656c6c6f00'))], [], {
      close: BROKEN,
    }),
  ],
  FORGETFUL,
);

conformance(
  'RFC 7692, UTF-8',
  [
    row('as 6.3.1:', 'text that is wrong', [first(compressed(WRONG_TEXT))], [], { close: BROKEN }),
    row('as 6.3.1:', 'the same as binary', [first(compressed(WRONG_TEXT), true, BINARY)], [binary(WRONG_TEXT)]),
    row('as 6.6.1:', 'text that ends inside a character', [first(compressed(hex('61e282')))], [], { close: BROKEN }),
    row(
      'as 6.6.1:',
      'the next one does not go on with it',
      [first(compressed(hex('61e282ac'))), first(compressed(hex('82')))],
      [text('a€')],
      { close: BROKEN },
    ),
    row(
      'as 6.2.3:',
      'text in fragments of one byte',
      [first(EURO.subarray(0, 1), false), ...[...EURO.subarray(1)].map(byte => contMore(Buffer.of(byte))), cont()],
      [text('€'.repeat(50))],
    ),
    {
      id: 'as 6.4.1:',
      title: 'text that is wrong is refused before its last fragment',
      parts: [
        { send: [first(Buffer.concat([compressed('κόσμε'), hex('0000ffff')]), false)], back: [] },
        {
          send: [
            { opcode: CONTINUE, payload: Buffer.concat([compressed(hex('f4908080')), hex('0000ffff')]), fin: false },
          ],
          back: [],
        },
      ],
      close: BROKEN,
    },
  ],
  FORGETFUL,
);

const MIB_16 = 16 * 1024 * 1024;

conformance(
  'RFC 7692, limits',
  [
    row(
      'as 9.2.6:',
      '16 MiB that were compressed',
      [first(compressed(Buffer.alloc(MIB_16)), true, BINARY)],
      [binary(Buffer.alloc(MIB_16))],
    ),
    row('as 9.2.6:', 'a byte more', [first(compressed(Buffer.alloc(MIB_16 + 1)), true, BINARY)], [], {
      close: failed(1009),
    }),
  ],
  FORGETFUL,
);
