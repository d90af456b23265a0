import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';
import {
  checkClientConfig,
  type EspWebsocketClientConfig,
  WEBSOCKET_TRANSPORT_OVER_SSL,
} from '../../src/ws_client/config.js';
import { checkHeader, checkHeaders } from '../../src/ws_client/header_list.js';
import { targetOf } from '../../src/ws_client/target.js';

const invalid = expect.objectContaining({ code: ESP_ERR_INVALID_ARG });
const uri = 'ws://example.com';

describe('where to connect to', () => {
  test.each<[EspWebsocketClientConfig, object]>([
    [{ uri }, { secure: false, host: 'example.com', port: 80, authority: 'example.com', path: '/' }],
    [
      { uri: 'WSS://Example.com:443/a?b=c%20d' },
      { secure: true, host: 'example.com', port: 443, authority: 'example.com', path: '/a?b=c%20d' },
    ],
    [{ uri: 'ws://[::1]:8080/x' }, { host: '::1', port: 8080, authority: '[::1]:8080' }],
    [
      { uri, port: 4567, path: '/ignored' },
      { port: 4567, authority: 'example.com:4567', path: '/' },
    ],
    [{ uri: 'ws://example.com:123', port: 4567 }, { port: 123 }],
    [{ uri: 'ws://a:b@example.com:80', port: 4567 }, { port: 80 }],
    [{ uri: 'wss://[::1]:443?a:1', port: 4567 }, { port: 443 }],
    [{ uri: 'ws://u:1@[::1]/:80', port: 4567 }, { port: 4567 }],
    [{ host: '10.0.0.1' }, { secure: false, host: '10.0.0.1', port: 80, path: '/' }],
    [
      { host: '::1', port: 81, path: '/a?b', transport: WEBSOCKET_TRANSPORT_OVER_SSL },
      { secure: true, host: '::1', authority: '[::1]:81', path: '/a?b' },
    ],
    // a zone by name or number, in a uri behind '%25' (RFC 6874 section 2) or '%' alone; no server hears of it (section 4)
    [
      { host: 'fe80::1%eth0', port: 81 },
      { host: 'fe80::1', zone: 'eth0', port: 81, authority: '[fe80::1]:81' },
    ],
    [{ host: 'FE80::0:1%2' }, { host: 'fe80::1', zone: '2', authority: '[fe80::1]' }],
    [
      { uri: 'ws://[fe80::1%25eth0]:81/a?b%25c' },
      { host: 'fe80::1', zone: 'eth0', port: 81, authority: '[fe80::1]:81', path: '/a?b%25c' },
    ],
    [{ uri: 'wss://[fe80::1%eth0]/' }, { secure: true, host: 'fe80::1', zone: 'eth0', authority: '[fe80::1]' }],
    [
      { uri: 'ws://me:you@[fe80::1%25en%2D1]:80', port: 81 },
      { host: 'fe80::1', zone: 'en-1', port: 80 },
    ],
    [{ uri: 'ws://[fe80::1%252]' }, { zone: '2' }],
    [{ uri: 'ws://[fe80::1%2]' }, { zone: '2' }],
    [{ uri: 'ws://[fe80::1%25]' }, { zone: '25' }],
    [{ uri: 'ws://[::1]/[%25]' }, { host: '::1', zone: undefined, path: '/[%25]' }],
    [{ uri: 'ws://me:p%40ss@example.com' }, { authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}` }],
    [{ uri, username: 'é' }, { authorization: `Basic ${Buffer.from('é:').toString('base64')}` }],
  ])('%j', (config, target) => {
    expect(targetOf(config)).toMatchObject(target);
  });
});

describe('a configuration is refused', () => {
  test.each<[object]>([
    [{}],
    [{ uri: 'example.com' }],
    [{ uri: 'http://example.com' }],
    [{ uri: 'ws://example.com/#part' }],
    [{ uri: 'ws://example.com:99999' }],
    [{ uri: 'ws://example.com:0' }],
    [{ host: 'example.com:80' }],
    [{ uri: 'ws://a:%ff@b' }],
    [{ host: 'a b' }],
    [{ host: 'fe80::1%' }],
    [{ host: 'fe80::1%a%b' }],
    [{ host: 'fe80::1%a/b' }],
    [{ host: `fe80::1%${'x'.repeat(65)}` }],
    [{ host: 'a%eth0' }],
    [{ host: '127.0.0.1%eth0' }],
    [{ uri: 'ws://[fe80::1%]/' }],
    [{ uri: 'ws://[fe80::1%25%ff]/' }],
    [{ uri: 'ws://[fe80::1%25a%2Fb]/' }],
    [{ uri: 'ws://[127.0.0.1%25eth0]/' }],
    [{ uri: 'ws://example.com%25eth0/' }],
    [{ host: 'a/b' }],
    [{ host: 'a', path: 'x' }],
    [{ host: 'a', path: '/x y' }],
    [{ host: 'a', path: '/x\r\nEvil: 1' }],
    [{ host: 'a', path: '/x#y' }],
    [{ host: 'a', port: 0 }],
    [{ host: 'a', transport: 3 }],
    [{ uri, username: 'a:b' }],
    [{ uri, password: 'x' }],
    [{ uri, unknown: 1 }],
    [{ uri, subprotocol: 'a b' }],
    [{ uri, subprotocol: ['a', 'a'] }],
    [{ uri, subprotocol: '' }],
    [{ uri, subprotocol: 1 }],
    [{ uri, userAgent: 'a\r\nb' }],
    [{ uri, origin: '\u20ac' }],
    [{ uri, headers: { 'a b': 'c' } }],
    [{ uri, headers: 'no colon\r\n' }],
    [{ uri, certCommonName: '' }],
    [{ uri, skipCertCommonNameCheck: 1 }],
    [{ uri, allowSelfSigned: 'yes' }],
    [{ uri, pingIntervalSec: -1 }],
    [{ uri, pingpongTimeoutSec: 0 }],
    [{ uri, disablePingpongDiscon: 1 }],
    [{ uri, disableAutoReconnect: 1 }],
    [{ uri, enableCloseReconnect: 1 }],
    [{ uri, reconnectTimeoutMs: -1 }],
    [{ uri, reconnectTimeoutMaxMs: 2 ** 31 }],
    [{ uri, reconnectJitter: 1.5 }],
    [{ uri, networkTimeoutMs: 0 }],
    [{ uri, maxRedirects: -1 }],
    [{ uri, maxRedirects: 21 }],
    [{ uri, proxyUri: 'ftp://a' }],
    [{ uri, proxyCertPem: 1 }],
    [{ uri, keepAliveEnable: 1 }],
    [{ uri, keepAliveIdle: 0 }],
    [{ uri, bufferSize: 0 }],
    [{ uri, messageMode: 1 }],
    [{ uri, controlFrameEvents: 1 }],
    [{ uri, maxFrameLen: 0 }],
    [{ uri, maxMessageLen: 1.5 }],
    [{ uri, maxRxPending: 0 }],
    [{ uri, maxTxPending: 1023 }],
    [{ uri, fragmentLen: 15 }],
    [{ uri, ignoreEncodingErrors: 1 }],
    [{ uri, perMessageDeflate: 1 }],
    [{ uri, perMessageDeflate: { unknown: 1 } }],
    [{ uri, perMessageDeflate: { clientMaxWindowBits: 7 } }],
    [{ uri, signal: {} }],
    [{ uri, logger: {} }],
  ])('%j', config => {
    expect(() => checkClientConfig(config as EspWebsocketClientConfig)).toThrow(invalid);
  });

  test('and none is no configuration either', () => {
    expect(() => checkClientConfig(undefined as never)).toThrow(invalid);
  });
});

describe('headers', () => {
  test('may be an object, pairs, or a text as ESP-IDF has it', () => {
    const pairs = [
      ['A', '1'],
      ['B', 'x: y'],
    ] as const;
    expect(checkHeaders({ A: '1', B: 'x: y' })).toEqual(pairs);
    expect(checkHeaders(pairs)).toEqual(pairs);
    expect(checkHeaders('A: 1\r\nB:x: y\r\n')).toEqual(pairs);
    expect(checkHeaders('A: 1')).toEqual([['A', '1']]);
    expect(checkHeaders('')).toEqual([]);
  });

  test.each([
    ['Upgrade', 'x'],
    ['CONNECTION', 'x'],
    ['Sec-WebSocket-Key', 'x'],
    ['sec-websocket-protocol', 'x'],
    ['Content-Length', '1'],
    ['Transfer-Encoding', 'chunked'],
    ['A', 'b\r\nC: d'],
    ['A', 'b\0'],
    ['A', '\u20ac'],
    ['A', undefined],
    ['', 'b'],
    ['A:', 'b'],
  ])('%j: %j is refused', (name, value) => {
    expect(() => checkHeader(name, value)).toThrow(invalid);
  });

  test('have up to 16 KiB', () => {
    expect(() => checkHeaders({ A: 'x'.repeat(16_379) })).not.toThrow();
    expect(() => checkHeaders({ A: 'x'.repeat(16_380) })).toThrow(invalid);
  });
});
