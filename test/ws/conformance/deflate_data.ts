/** Data to compress, of the kinds that the Autobahn test suite takes; the same in each run. */

const SIZE = 256 * 1024;

/** Numbers below `n` that look random and are the same in each run. */
function dice(seed: number): (n: number) => number {
  let state = seed;
  return n => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** `SIZE` bytes of what `next` gives. */
function fill(next: () => string | Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let len = 0; len < SIZE; ) {
    const part = Buffer.from(next() as string, 'latin1');
    parts.push(part);
    len += part.length;
  }
  return Buffer.concat(parts).subarray(0, SIZE);
}

const SYLLABLES =
  'ha be nun ach phi lo so phie ju ris te rei und me di zin lei der auch the o lo gie durch aus stu diert'.split(' ');

/** One kind of data: text is ASCII, so that it may be cut anywhere. */
export interface Data {
  readonly title: string;
  readonly isText: boolean;
  /** Does each piece of some length get shorter? */
  readonly shrinks: boolean;
  readonly bytes: Buffer;
}

function prose(): Buffer {
  const roll = dice(1);
  const word = () => Array.from({ length: 1 + roll(3) }, () => SYLLABLES[roll(SYLLABLES.length)]).join('');
  return fill(() => `${Array.from({ length: 4 + roll(6) }, word).join(' ')}${roll(3) === 0 ? '.' : ','}\r\n`);
}

function bitmap(): Buffer {
  const roll = dice(2);
  let row = 0;
  return fill(() => {
    row += 1;
    return Buffer.from(Array.from({ length: 512 }, (_, x) => 128 + 90 * Math.sin(x / 70 + row / 50) + roll(8)));
  });
}

function pdf(): Buffer {
  const roll = dice(3);
  let object = 0;
  return fill(() => {
    object += 1;
    const len = 500 + roll(6_000);
    const head = `${object} 0 obj\n<< /Length ${len} /Filter /FlateDecode >>\nstream\n`;
    const stream = Buffer.from(Array.from({ length: len }, () => roll(256)));
    return Buffer.concat([Buffer.from(head), stream, Buffer.from('\nendstream\nendobj\n')]);
  });
}

function json(): Buffer {
  const roll = dice(4);
  return fill(() => {
    const user = { id: roll(100_000), name: `user${roll(500)}`, active: roll(2) === 1, score: roll(1_000_000) / 100 };
    return `${JSON.stringify({ ...user, tags: Array.from({ length: roll(5) }, () => `tag-${roll(20)}`) })},\n`;
  });
}

function html(): Buffer {
  const roll = dice(5);
  return fill(
    () =>
      `<tr class="row${roll(2)}"><td><a href="/page/${roll(9_999)}">Page ${roll(99)}</a></td><td>${roll(7)}</td></tr>\n`,
  );
}

export const DATA: readonly Data[] = [
  { title: 'prose', isText: false, shrinks: true, bytes: prose() },
  { title: 'a bitmap', isText: false, shrinks: true, bytes: bitmap() },
  { title: 'a PDF', isText: false, shrinks: false, bytes: pdf() },
  { title: 'JSON', isText: true, shrinks: true, bytes: json() },
  { title: 'HTML', isText: true, shrinks: true, bytes: html() },
];

/** `count` pieces of `len` bytes, one behind the other, around the end of the data. */
export function piecesOf({ bytes }: Data, len: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const at = (i * len) % bytes.length;
    const piece = bytes.subarray(at, at + len);
    return piece.length === len ? piece : Buffer.concat([piece, bytes.subarray(0, len - piece.length)]);
  });
}
