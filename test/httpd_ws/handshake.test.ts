import { describe, expect, test } from 'vitest';
import { acceptKey, checkHandshake, type HandshakeFields, keyWithGuid } from '../../src/httpd_ws/handshake.js';
import { acceptFor, SAMPLE_KEY } from '../support/ws_frames.js';

const GOOD: HandshakeFields = {
  upgrade: 'websocket',
  key: SAMPLE_KEY,
  version: '13',
  protocol: undefined,
  extensions: undefined,
};
const check = (fields: Partial<HandshakeFields>, supported: readonly string[] = []) =>
  checkHandshake({ ...GOOD, ...fields }, supported);
/** Headers of a 426: RFC 9110 sections 15.5.22 and 7.8, RFC 6455 section 4.4. */
const UPGRADE = [
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Version', '13'],
];
const badRequest = (message: string) => ({
  status: '400 Bad Request',
  headers: [],
  message: expect.stringContaining(message),
});

describe('the opening handshake', () => {
  test('the example of RFC 6455 section 1.3', () => {
    expect(acceptKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(check({})).toEqual({ accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', protocol: undefined });
  });

  test("the key's digest is SHA-1 of key and GUID, in base64", () => {
    const key = Buffer.from('0123456789abcdef').toString('base64');
    expect(check({ key })).toEqual({ accept: acceptFor(key), protocol: undefined });
    expect(keyWithGuid(key)).toBe(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  });

  test.each(['websocket', 'WebSocket', 'WEBSOCKET', 'h2c, websocket', 'websocket ,h2c', ' websocket '])(
    'Upgrade: %j asks for a WebSocket',
    upgrade => {
      expect(check({ upgrade })).toMatchObject({ accept: expect.any(String) });
    },
  );

  test.each([undefined, '', 'h2c', 'websockets', 'web socket', 'websocket/13', 'xwebsocket'])(
    'Upgrade: %j does not, and gets 426',
    upgrade => {
      expect(check({ upgrade })).toMatchObject({
        status: '426 Upgrade Required',
        headers: UPGRADE,
      });
    },
  );

  test.each(['12', '8', '0', '14', '', '013', '13.0', '13, 8', '8, 13', '+13', '1e1', 'thirteen'])(
    'version %j gets 426 with the version that is spoken (RFC 6455 section 4.4)',
    version => {
      expect(check({ version })).toMatchObject({
        status: '426 Upgrade Required',
        headers: UPGRADE,
        message: expect.stringContaining('version 13'),
      });
    },
  );

  test('no version gets 400', () => {
    expect(check({ version: undefined })).toEqual(badRequest('Sec-WebSocket-Version header is missing'));
  });

  test('no key gets 400', () => {
    expect(check({ key: undefined })).toEqual(badRequest('Sec-WebSocket-Key header is missing'));
  });

  test.each([
    ['empty', ''],
    ['15 bytes', Buffer.alloc(15).toString('base64')],
    ['17 bytes', Buffer.alloc(17).toString('base64')],
    ['32 bytes', Buffer.alloc(32).toString('base64')],
    ['without its padding', 'dGhlIHNhbXBsZSBub25jZQ'],
    ['with one padding character', 'dGhlIHNhbXBsZSBub25jZQ='],
    ['with a character that is not base64', 'dGhlIHNhbXBsZSBub25j*Q=='],
    ['base64url', '-_hlIHNhbXBsZSBub25jZQ=='],
    ['of 22 characters and three of padding', 'dGhlIHNhbXBsZSBub25jZQ==='],
    ['two keys joined', `${SAMPLE_KEY}, ${SAMPLE_KEY}`],
    ['with a blank inside', 'dGhlIHNhbXBsZ SBub25jZQ=='],
    ['with a line behind it', `${SAMPLE_KEY}\n`],
    ['very long', 'A'.repeat(100_000)],
  ])('a key that is %s gets 400', (_name, key) => {
    expect(check({ key })).toEqual(badRequest('not the base64 of 16 bytes'));
  });

  test('a key of any 16 bytes is taken', () => {
    for (let i = 0; i < 256; i++) {
      const key = Buffer.alloc(16, i)
        .fill(255 - i, 8)
        .toString('base64');
      expect(check({ key })).toEqual({ accept: acceptFor(key), protocol: undefined });
    }
  });

  test.each(['Q', 'R', 'f', 'x', '0', '9', '+', '/'])(
    'a key whose last character is %s is taken as it is: its last four bits are of no byte',
    last => {
      const key = `dGhlIHNhbXBsZSBub25jZ${last}==`;
      expect(check({ key })).toEqual({ accept: acceptFor(key), protocol: undefined });
    },
  );

  test('the checks come in their order: upgrade, version, key, subprotocol', () => {
    expect(check({ upgrade: undefined, version: undefined, key: undefined, protocol: '@' })).toMatchObject({
      status: '426 Upgrade Required',
    });
    expect(check({ version: undefined, key: undefined, protocol: '@' })).toEqual(badRequest('Version'));
    expect(check({ key: undefined, protocol: '@' })).toEqual(badRequest('Key'));
    expect(check({ protocol: '@' })).toEqual(badRequest('Protocol'));
  });
});

describe('subprotocols', () => {
  test.each<readonly [offered: string | undefined, supported: string[], chosen: string | undefined]>([
    [undefined, [], undefined],
    [undefined, ['chat'], undefined],
    // an empty list (RFC 9110 section 5.6.1.2) offers none
    ['', ['chat'], undefined],
    [',', ['chat'], undefined],
    [' ,\t, ', [], undefined],
    ['chat', [], undefined],
    ['chat', ['chat'], 'chat'],
    ['chat, superchat', ['superchat'], 'superchat'],
    ['chat, superchat', ['superchat', 'chat'], 'superchat'],
    ['superchat, chat', ['chat', 'superchat'], 'chat'],
    ['chat,superchat', ['superchat'], 'superchat'],
    ['chat ,\tsuperchat', ['superchat'], 'superchat'],
    [', chat, ,', ['chat'], 'chat'],
    ['superchat', ['chat'], undefined],
    ['chatter', ['chat'], undefined],
    ['cha', ['chat'], undefined],
    ['Chat', ['chat'], undefined],
    ['v10.stomp, v11.stomp', ['v11.stomp', 'v10.stomp'], 'v11.stomp'],
    ['constructor, __proto__', ['chat'], undefined],
    ["!#$%&'*+-.^_`|~0aZ", ["!#$%&'*+-.^_`|~0aZ"], "!#$%&'*+-.^_`|~0aZ"],
  ])('offered %j, supported %j: %j', (protocol, supported, chosen) => {
    expect(check({ protocol }, supported)).toEqual({ accept: expect.any(String), protocol: chosen });
  });

  test.each([
    'chat chat',
    'chat, chat',
    'a, b, a',
    'cha(t)',
    'chät',
    '"chat"',
    'a=b',
    'chat; q=1',
    'chat/1',
    'a,b\u0000',
  ])('%j is no list of distinct tokens: 400, with or without supported ones', protocol => {
    expect(check({ protocol }, ['chat'])).toEqual(badRequest('Sec-WebSocket-Protocol'));
    expect(check({ protocol }, [])).toEqual(badRequest('Sec-WebSocket-Protocol'));
  });

  test('blanks inside a list cost no more than their number', () => {
    // a search that begins anew at each of them would take minutes
    const blanks = ' \t'.repeat(100_000);
    expect(check({ protocol: `chat, a${blanks}b` }, ['chat'])).toEqual(badRequest('Sec-WebSocket-Protocol'));
    expect(check({ upgrade: `h2c${blanks}x, websocket` })).toMatchObject({ accept: expect.any(String) });
  });

  test('a list of ten thousand is read in one go (ws CVE-2021-32640)', () => {
    const protocol = `${Array.from({ length: 10_000 }, (_, i) => `p${i}`).join(',')}${' '.repeat(50_000)}, chat`;
    expect(check({ protocol }, ['chat'])).toMatchObject({ protocol: 'chat' });
  });
});
