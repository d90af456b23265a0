/** RFC 9112 section 3.2, RFC 9110 section 7.2: the Host field. */
import { type Case, must, ok, post, refused, served, servedOr400, show } from './case.js';

const RULE = must(9112, '3.2');

/** A GET with exactly these fields. */
function get(version: string, ...fields: string[]): string {
  return [`GET /echo ${version}`, ...fields, '', ''].join('\r\n');
}

const VALID = [
  ...['a', 'a.b.c', 'A.EXAMPLE', 'localhost:80', 'a:', 'a:0', 'a:65535', 'a:00080', '127.0.0.1', '127.0.0.1:8080'],
  ...['[::1]', '[::1]:80', '[::]', '[2001:db8::1]:8080', '[::ffff:1.2.3.4]', '[1:2:3:4:5:6:7:8]', '[FE80::abcd]:'],
  ...['xn--bcher-kva.example', 'a_b', 'a-b', '-a-', 'a..b', 'a.', '%41.example', 'a%2eb', "a!$&'()*+;=b", '0', '1.2.3'],
];

/** Allowed by the grammar, but of no use to a server: some refuse them. */
const DUBIOUS = ['a,b', ':80', '[v1.fe:x]', '[::1%25eth0]', 'a:99999', 'a:65536', `${'a'.repeat(300)}.b`];

const INVALID = [
  ...['a b', 'a\tb', 'a, b', 'a ,b', 'a/b', 'a/', '/', 'a?x', '?', 'a#x', '#', 'http://a', 'http://a/', '//a', 'a\\b'],
  ...['user@a', 'user:pw@a', '@a', 'a@', '@', 'a:b', 'a:80:80', 'a:-1', 'a:+80', 'a:8 0', 'a: 80', 'a :80', 'a:0x50'],
  ...['a:80a', 'a:8.0', 'a:80/', 'a:80?', 'a:80#', 'a:80@b', '::1', '1:2:3:4:5:6:7:8', '[', ']', '[]', '[]:80'],
  ...['[::1', '::1]', '[::1]x', '[::1]:x', '[::1]80', 'a[::1]', '[::1]]', '[[::1]]', '[g::]', '[1.2.3.4]', '[a]'],
  ...[
    '[:::1]',
    '[::1::]',
    '[1:2]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3:4:5:6:7:8::]',
    '[12345::]',
    '[::1.2.3]',
    '[::256.1.1.1]',
  ],
  ...[
    'a"b',
    '"a"',
    'a<b',
    'a>b',
    'a^b',
    'a`b',
    'a{b',
    'a|b',
    'a}b',
    'a%',
    'a%4',
    'a%zz',
    '%',
    'a\x7f',
    'a\x80',
    '\xc3\xa9',
  ],
  ...['\xffa\xff', '\x85a', 'a\xa0', '*:80:', 'a:\xb2', 'a\x00', 'a\x0b', '\x0ca'],
];

function values(): Case[] {
  return [
    ...VALID.map(host => served(RULE, `Host ${host}`, get('HTTP/1.1', `Host: ${host}`), ok({ host }))),
    ...DUBIOUS.map(host => servedOr400(RULE, `Host ${show(host)}`, get('HTTP/1.1', `Host: ${host}`), ok({ host }))),
    ...INVALID.map(host => refused(RULE, `no host: ${show(host)}`, get('HTTP/1.1', `Host: ${host}`))),
    served(RULE, 'an empty Host', get('HTTP/1.1', 'Host:'), ok({ host: '' })),
    served(RULE, 'a blank Host', get('HTTP/1.1', 'Host: \t'), ok({ host: '' })),
    served(RULE, 'white space around Host', get('HTTP/1.1', 'Host:\t a:80 \t'), ok({ host: 'a:80' })),
    served(RULE, 'no space behind the colon', get('HTTP/1.1', 'Host:a'), ok({ host: 'a' })),
    ...['a b', 'user@a', 'a/b', 'a:b', '[::1'].map(host =>
      refused(RULE, `HTTP/1.0 with the Host ${host}`, get('HTTP/1.0', `Host: ${host}`, 'Connection: keep-alive')),
    ),
  ];
}

function counts(): Case[] {
  const alive = 'Connection: keep-alive';
  return [
    refused(RULE, 'no Host', get('HTTP/1.1')),
    refused(RULE, 'no Host, but other fields', get('HTTP/1.1', 'X-Host: a', 'Hos: a', 'Hosts: a', 'X: Host: a')),
    refused(RULE, 'no Host with POST', 'POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab'),
    refused(RULE, 'no Host with OPTIONS *', 'OPTIONS * HTTP/1.1\r\n\r\n'),
    refused(RULE, 'no Host with an absolute target', 'GET http://a/echo HTTP/1.1\r\n\r\n'),
    refused(
      RULE,
      'Host in the trailer section only',
      'POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n',
    ),
    refused(RULE, 'two equal Hosts', get('HTTP/1.1', 'Host: a', 'Host: a')),
    refused(RULE, 'two Hosts', get('HTTP/1.1', 'Host: a', 'Host: b')),
    refused(RULE, 'two Hosts, the first one empty', get('HTTP/1.1', 'Host:', 'Host: a')),
    refused(RULE, 'two Hosts, the second one empty', get('HTTP/1.1', 'Host: a', 'Host:')),
    refused(RULE, 'two empty Hosts', get('HTTP/1.1', 'Host:', 'Host:')),
    refused(RULE, 'two Hosts in other letters', get('HTTP/1.1', 'Host: a', 'hOST: a')),
    refused(RULE, 'two Hosts, far apart', get('HTTP/1.1', 'Host: a', ...Array(40).fill('X: y'), 'Host: a')),
    refused(RULE, 'three Hosts', get('HTTP/1.1', 'Host: a', 'Host: a', 'Host: a')),
    refused(RULE, 'two Hosts with an absolute target', 'GET http://a/echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'),
    refused(RULE, 'HTTP/1.0 with two Hosts', get('HTTP/1.0', 'Host: a', 'Host: a', alive)),
    served(RULE, 'HTTP/1.0 without Host', get('HTTP/1.0', alive)),
    served(RULE, 'HTTP/1.0 with Host', get('HTTP/1.0', 'Host: a', alive), ok({ host: 'a' })),
    refused(RULE, 'Host folded onto a line of its own', get('HTTP/1.1', 'X: y', ' Host: a')),
    refused(RULE, 'an invalid Host with a body', post('ab', 'Content-Length: 2').replace('Host: a', 'Host: a b')),
  ];
}

export const CASES: readonly Case[] = [...values(), ...counts()];
