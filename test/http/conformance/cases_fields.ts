/** RFC 9112 section 5, RFC 9110 sections 5.1, 5.5 and 5.6: field names, field values, line endings, limits. */
import {
  BEYOND_ASCII,
  type Case,
  CONTROLS,
  DELIMITERS,
  head,
  must,
  ok,
  refused,
  served,
  servedOr400,
  should,
  show,
  TOKEN_SIGNS,
} from './case.js';

const NAME = must(9112, '5');
const VALUE = must(9110, '5.5');

/** A GET with this text among its field lines. */
function withLines(text: string): string {
  return `GET /echo HTTP/1.1\r\nHost: a\r\n${text}\r\n\r\n`;
}

function names(): Case[] {
  const wrong = [...DELIMITERS.filter(sign => sign !== ':'), ...CONTROLS, ...BEYOND_ASCII, ' ', '\t', '\r'];
  return [
    ...wrong.map(sign => refused(NAME, `${show(sign)} in a field name`, withLines(`X${sign}Y: v`))),
    ...['\x00', '\x0b', '\x0c', '\x85', '\xa0', '\xff', '"', '(', '\r'].flatMap(sign => [
      refused(NAME, `${show(sign)} behind a field name`, withLines(`X${sign}: v`)),
      refused(NAME, `${show(sign)} in front of a field name`, withLines(`${sign}X: v`)),
    ]),
    ...TOKEN_SIGNS.map(sign => served(NAME, `${sign} in a field name`, withLines(`X${sign}Y: v`))),
    ...[' ', '\t', '  ', ' \t'].map(blank =>
      refused(must(9112, '5.1'), `${show(blank)} between name and colon`, withLines(`X-Probe${blank}: v`)),
    ),
    refused(must(9112, '5.1'), 'a space between Host and colon', 'GET /echo HTTP/1.1\r\nHost : a\r\n\r\n'),
    refused(NAME, 'an empty name', withLines(': v')),
    refused(NAME, 'a colon and nothing else', withLines(':')),
    refused(NAME, 'an empty name in the first line', 'GET /echo HTTP/1.1\r\n: v\r\nHost: a\r\n\r\n'),
    refused(NAME, 'an empty name that might end the section', withLines(`:\r\nX: chopped off`)),
    refused(NAME, 'a line without a colon', withLines('NoColon')),
    refused(NAME, 'a line without a colon, at the end of the first packet', withLines('X: y\r\nNoColon')),
    refused(NAME, 'name and value parted by a space', withLines('X-Probe v')),
    refused(NAME, 'name and value parted by =', withLines('X-Probe=v')),
    refused(NAME, 'a name over two lines', withLines('X-\r\nProbe: v')),
    refused(NAME, 'a colon on the next line', withLines('X-Probe\r\n: v')),
    refused(NAME, 'a second request line among the fields', withLines('GET /smuggled HTTP/1.1')),
    served(
      must(9110, '5.1'),
      'names in any case',
      'GET /echo HTTP/1.1\r\nhOsT: a\r\nx-PROBE: v\r\n\r\n',
      ok({ probe: 'v' }),
    ),
    served(NAME, 'a name of one letter', withLines('x: v')),
    served(NAME, 'a name of 1,000 letters', withLines(`${'x'.repeat(1000)}: v`)),
    served(NAME, 'an underscore makes another name', withLines('X_Probe: v\r\nX-Probe: w'), ok({ probe: 'w' })),
  ];
}

function folds(): Case[] {
  const fold = must(9112, '5.2');
  const first = must(9112, '2.2');
  return [
    ...[' ', '\t', '  ', ' \t '].map(blank =>
      refused(fold, `a line folded with ${show(blank)}`, withLines(`X-Probe: v\r\n${blank}w`)),
    ),
    refused(fold, 'a folded line that is blank', withLines('X-Probe: v\r\n ')),
    refused(fold, 'a line folded right behind the colon', withLines('X-Probe:\r\n v')),
    refused(fold, 'a line folded twice', withLines('X-Probe: v\r\n w\r\n x')),
    refused(fold, 'a folded line that looks like a field', withLines('X-Probe: v\r\n Content-Length: 5')),
    refused(fold, 'a folded Host', 'GET /echo HTTP/1.1\r\nHost:\r\n a\r\n\r\n'),
    refused(fold, 'a line folded with a bare LF', withLines('X-Probe: v\n w')),
    ...[' Host: a\r\n', '\tHost: a\r\n', ' \r\nHost: a\r\n', '\t\r\nHost: a\r\n', ' X: y\r\nHost: a\r\n'].map(lines =>
      refused(first, `blank behind the request line: ${show(lines)}`, `GET /echo HTTP/1.1\r\n${lines}\r\n`),
    ),
  ];
}

function values(): Case[] {
  const seen = (probe: string) => ok({ probe });
  return [
    ...['\x00', '\r', '\n'].flatMap(sign => [
      refused(VALUE, `${show(sign)} in a value`, withLines(`X-Probe: v${sign}w`)),
      refused(VALUE, `${show(sign)} in front of a value`, withLines(`X-Probe:${sign}v`)),
      refused(VALUE, `${show(sign)} behind a value`, withLines(`X-Probe: v${sign}`)),
    ]),
    ...CONTROLS.filter(sign => sign !== '\x00').map(sign =>
      refused(should(9110, '5.5'), `${show(sign)} in a value`, withLines(`X-Probe: v${sign}w`)),
    ),
    refused(should(9110, '5.5'), 'several control characters in a value', withLines('X-Probe: a\x07\x08\x0bb')),
    ...BEYOND_ASCII.map(sign => {
      const value = `${sign}v${sign}`;
      return served(VALUE, `${show(value)} is kept as it is`, withLines(`X-Probe: ${value}`), seen(value));
    }),
    ...['v', ' v', '\tv', ' v ', '\tv\t', ' \t v \t ', 'v\t', `${' '.repeat(100)}v${' '.repeat(100)}`].map(text =>
      served(must(9110, '5.5'), `white space around ${show(text)}`, withLines(`X-Probe:${text}`), seen('v')),
    ),
    served(VALUE, 'an empty value', withLines('X-Probe:'), seen('')),
    served(VALUE, 'a blank value', withLines('X-Probe: \t '), seen('')),
    served(VALUE, 'white space inside a value', withLines('X-Probe: v \t w'), seen('v \t w')),
    served(VALUE, 'colons in a value', withLines('X-Probe: a:b: c'), seen('a:b: c')),
    served(
      VALUE,
      'all visible characters',
      withLines('X-Probe: !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'),
      seen('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'),
    ),
    served(must(9110, '5.3'), 'many fields of the same name', withLines(Array(50).fill('X-Other: v').join('\r\n'))),
    served(should(9110, '5.5'), 'two Content-Types', withLines('Content-Type: a/b\r\nContent-Type: c/d')),
  ];
}

function lineEndings(): Case[] {
  const rule = must(9112, '2.2');
  const raw = [
    ['a bare LF behind a field', 'Host: a\nX: y\r\n\r\n'],
    ['a bare LF behind the last field', 'Host: a\n\r\n'],
    ['a bare LF for the empty line', 'Host: a\r\n\n'],
    ['two bare LFs at the end', 'Host: a\n\n'],
    ['a bare CR behind a field', 'Host: a\rX: y\r\n\r\n'],
    ['a bare CR for the empty line', 'Host: a\r\n\rX: y\r\n\r\n'],
    ['CR CR LF behind a field', 'Host: a\r\r\nX: y\r\n\r\n'],
    ['CR CR LF for the empty line', 'Host: a\r\n\r\r\n'],
    ['LF CR behind a field', 'Host: a\n\rX: y\r\n\r\n'],
    ['CR and a letter for the empty line, and a request', 'Host: a\r\n\rZGET /smuggled: HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a field hidden behind a bare CR', 'X: y\rHost: b\r\nHost: a\r\n\r\n'],
    ['a field hidden behind a bare LF', 'X: y\nHost: b\r\nHost: a\r\n\r\n'],
    ['a field hidden behind NUL and CR', 'Host: a\r\nX: y\x00\rz\r\n\r\n'],
    ['a blank value that goes on behind a bare LF', 'Host: a\r\nX:\n\nGET /smuggled HTTP/1.1\r\n\r\n'],
  ] as const;
  return raw.map(([name, lines]) => refused(rule, name, `GET /echo HTTP/1.1\r\n${lines}`));
}

function limits(): Case[] {
  const tooLarge = must(9110, '5.4');
  const max = 16_384;
  const fixed = 'Host: a\r\nX: \r\n'.length;
  const full = (n: number) => withLines(`X: ${'v'.repeat(n - fixed)}`);
  const lines = (n: number) => Array.from({ length: n }, (_, i) => `X-H-${i}: value`).join('\r\n');
  return [
    served(tooLarge, 'a header section as long as maxReqHdrLen', full(max)),
    refused(tooLarge, 'a header section one byte longer', full(max + 1), [431]),
    refused(tooLarge, 'a value of 100,000 bytes', full(100_000), [431]),
    refused(tooLarge, 'a name of 100,000 bytes', withLines(`${'x'.repeat(100_000)}: v`), [431]),
    refused(tooLarge, '10,000 fields', withLines(lines(10_000)), [431]),
    served(tooLarge, '500 fields', withLines(lines(500))),
    servedOr400(should(9110, '5.4'), 'a name of 10,000 bytes', withLines(`${'x'.repeat(10_000)}: v`)),
    served(
      must(9110, '5.3'),
      'Host as the last of 100 fields',
      `GET /echo HTTP/1.1\r\n${lines(99)}\r\nHost: a\r\n\r\n`,
      ok({ host: 'a' }),
    ),
    served(must(9110, '5.3'), 'a Cookie in two lines', head('GET /echo', 'Cookie: a=b', 'Cookie: c=d')),
  ];
}

export const CASES: readonly Case[] = [...names(), ...folds(), ...values(), ...lineEndings(), ...limits()];
