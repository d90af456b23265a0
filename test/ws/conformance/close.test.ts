/** Group 7: the closing handshake, and what may stand in a Close frame. */
import { CLOSE, type FrameSpec } from '../../support/ws_frames.js';
import { answered, close, conformance, cont, either, failed, ping, type Row, row, text, textMore } from './support.js';

const NORMAL = { close: answered(1000) };
const HELLO = text('Hello World!');
const LONG = text('BAsd7&jh23'.repeat(26_215).slice(0, 262_144));

conformance('7.1 a Close, and what may come with it', [
  row('7.1.1', 'behind a text', [HELLO, close(1000)], [HELLO], NORMAL),
  row('7.1.2', 'twice', [close(1000), close(1000)], [], NORMAL),
  row('7.1.3', 'before a ping', [close(1000), ping()], [], NORMAL),
  row('7.1.4', 'before a text', [close(1000), HELLO], [], NORMAL),
  row(
    '7.1.5',
    'between two fragments',
    [textMore('fragment1'), close(1000), cont('fragment2')],
    either([textMore('fragment1')], []),
    NORMAL,
  ),
  row('7.1.6', 'behind 256 KiB and a text, before a ping', [LONG, HELLO, close(1000), ping()], [LONG, HELLO], NORMAL),
]);

const closeWith = (payload: Buffer): FrameSpec => ({ opcode: CLOSE, payload });

conformance('7.3 the length of its payload', [
  row('7.3.1', '0', [close()], [], { close: answered(undefined) }),
  row('7.3.2', '1', [closeWith(Buffer.from('a'))], [], { close: failed(1002) }),
  row('7.3.3', '2', [close(1000)], [], NORMAL),
  row('7.3.4', 'a code and a reason', [close(1000, 'Hello World!')], [], NORMAL),
  row('7.3.5', '125', [close(1000, '*'.repeat(123))], [], NORMAL),
  row('7.3.6', '126', [close(1000, '*'.repeat(124))], [], { close: failed(1002) }),
]);

const NOT_UTF8 = Buffer.concat([Buffer.from('03e8', 'hex'), Buffer.from('κόσμε'), Buffer.from('eda080', 'hex')]);

conformance('7.5 its reason', [
  row('7.5.1', 'is not UTF-8', [closeWith(Buffer.concat([NOT_UTF8, Buffer.from('edited')]))], [], {
    close: failed(1007),
  }),
  row('7.5.1a', 'ends inside a character', [closeWith(Buffer.from('03e8cebac3', 'hex'))], [], { close: failed(1007) }),
]);

const RIGHT = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
/** Registered with IANA behind RFC 6455. */
const REGISTERED = [1012, 1013, 1014];
const WRONG = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
/** TLS failures are never on the wire (RFC 6455 section 7.4.1), and the rest of 16 bits has no meaning. */
const WRONG_TOO = [1, 1015, 1999, 0x8000];

const withCode = (id: string, code: number, isRight: boolean): Row =>
  row(id, String(code), [close(code)], [], { close: isRight ? answered(code) : failed(1002) });

conformance('7.7 codes that may be sent', [
  ...RIGHT.map((code, i) => withCode(`7.7.${i + 1}`, code, true)),
  ...REGISTERED.map((code, i) => withCode(`7.7.13${'abc'[i]}`, code, true)),
]);
conformance('7.9 codes that must not be sent', [
  ...WRONG.map((code, i) => withCode(`7.9.${i + 1}`, code, false)),
  ...WRONG_TOO.map((code, i) => withCode(`7.9.9${'abcd'[i]}`, code, false)),
]);
conformance('7.13 codes without a meaning', [withCode('7.13.1', 5000, false), withCode('7.13.2', 65_535, false)]);
