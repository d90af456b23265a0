import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG, EspError } from '../../src/err.js';
import { checkWsOptions, type WsOptions, type WsSettings, whyNotAllowed } from '../../src/httpd_ws/options.js';

const MAX = Number.MAX_SAFE_INTEGER;
const MIB_16 = 16 * 1024 * 1024;
const YEAR = 86_400 * 365;

const check = (options: Record<string, unknown> = {}) => checkWsOptions(options as WsOptions, '/chat');

/** The same, with nobody who listens to late failures. */
const ask = (settings: WsSettings, origin: string | undefined, host: string | undefined): boolean =>
  whyNotAllowed(settings, origin, host, () => {}) === undefined;

/** The message of the ESP_ERR_INVALID_ARG that these options must give. */
function refusal(options: Record<string, unknown>): string {
  try {
    check(options);
  } catch (error) {
    expect(error).toBeInstanceOf(EspError);
    expect((error as EspError).code).toBe(ESP_ERR_INVALID_ARG);
    return (error as Error).message;
  }
  return 'none';
}

/** The option must be refused, by name, and the message must say whose it is. */
function expectRefused(name: string, value: unknown): void {
  const message = refusal({ [name]: value });
  expect(message).toContain(name);
  expect(message).toContain("'/chat'");
}

test('without any option there are the defaults', () => {
  expect(check()).toEqual({
    messageMode: false,
    maxFrameLen: MIB_16,
    maxMessageLen: MIB_16,
    maxPacketLen: MAX,
    maxSessions: MAX,
    fragmentLen: MAX,
    pingMs: 30_000,
    pongMs: 20_000,
    inactivityMs: 0,
    messageMs: 60_000,
    lifeMs: 0,
    checkUtf8: true,
    deflate: undefined,
    allowedOrigins: undefined,
    closeCb: undefined,
  });
});

test('an option that is undefined is one that is not there', () => {
  const names: (keyof WsOptions)[] = [
    'wsMessageMode',
    'wsMaxFrameLen',
    'wsMaxMessageLen',
    'wsMaxPacketLen',
    'wsMaxSessions',
    'wsFragmentLen',
    'wsPingInterval',
    'wsPongTimeout',
    'wsInactivityTimeout',
    'wsRequestTimeout',
    'wsIgnoreEncodingErrors',
    'wsPerMessageDeflate',
    'wsAllowedOrigins',
    'wsCloseCb',
  ];
  expect(check(Object.fromEntries(names.map(name => [name, undefined])))).toEqual(check());
});

describe.each<[keyof WsOptions, keyof WsSettings, boolean]>([
  ['wsMessageMode', 'messageMode', false],
  ['wsIgnoreEncodingErrors', 'checkUtf8', true],
])('%s', (name, setting, negated) => {
  test.each([true, false])('may be %s', value => {
    expect(check({ [name]: value })[setting]).toBe(value !== negated);
  });
  test.each([0, 1, 'true', '', null, {}, []])('may not be %j', value => expectRefused(name, value));
});

/** Integers: smallest, largest; 0 means no limit. */
describe.each<[keyof WsOptions, keyof WsSettings, number, boolean]>([
  ['wsMaxFrameLen', 'maxFrameLen', 1, false],
  ['wsMaxMessageLen', 'maxMessageLen', 1, false],
  ['wsMaxPacketLen', 'maxPacketLen', 1, true],
  ['wsMaxSessions', 'maxSessions', 1, true],
  ['wsFragmentLen', 'fragmentLen', 16, true],
])('%s', (name, setting, min, offAt0) => {
  test.each([min, min + 1, 65_536, MAX])('may be %i', value => {
    expect(check({ wsMessageMode: true, [name]: value })[setting]).toBe(value);
  });
  if (offAt0) test('is off at 0', () => expect(check({ wsMessageMode: true, [name]: 0 })[setting]).toBe(MAX));
  else test('may not be 0', () => expectRefused(name, 0));
  const below = min - 1 === 0 ? -2 : min - 1;
  test.each([below, -1, 1.5, MAX + 1, Number.NaN, Number.POSITIVE_INFINITY, '100', 100n, true, null, [100], {}])(
    'may not be %s',
    value => expectRefused(name, value),
  );
});

/** Seconds: smallest. */
describe.each<[keyof WsOptions, keyof WsSettings, number]>([
  ['wsPingInterval', 'pingMs', 0],
  ['wsPongTimeout', 'pongMs', 0.001],
  ['wsInactivityTimeout', 'inactivityMs', 0],
  ['wsRequestTimeout', 'lifeMs', 0],
])('%s', (name, setting, min) => {
  test.each([min, 0.001, 0.25, 1, 3600, YEAR])('may be %d seconds', value => {
    expect(check({ [name]: value })[setting]).toBe(value * 1000);
  });
  if (min > 0) test('may not be 0', () => expectRefused(name, 0));
  test.each([-1, -0.001, YEAR + 1, Number.NaN, Number.POSITIVE_INFINITY, '5', true, null, {}, [5]])(
    'may not be %s',
    value => expectRefused(name, value),
  );
});

test('wsMaxPacketLen is for message mode only', () => {
  expect(check({ wsMessageMode: false, wsMaxPacketLen: 10 }).maxPacketLen).toBe(MAX);
});

test('wsInactivityTimeout says how long a message may wait for its next frame too; else it is 60 seconds', () => {
  expect(check({ wsInactivityTimeout: 7 }).messageMs).toBe(7_000);
  expect(check({ wsInactivityTimeout: 600 }).messageMs).toBe(600_000);
  expect(check({ wsInactivityTimeout: 0 }).messageMs).toBe(60_000);
});

describe('wsCloseCb', () => {
  test('may be a function', () => {
    const fn = () => {};
    expect(check({ wsCloseCb: fn }).closeCb).toBe(fn);
  });
  test.each([null, 'close', 0, {}, true])('may not be %j', value => expectRefused('wsCloseCb', value));
});

describe('wsPerMessageDeflate', () => {
  const byDefault = {
    threshold: 1024,
    level: 6,
    memLevel: 8,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };

  test('false turns it off, true and {} take the defaults', () => {
    expect(check({ wsPerMessageDeflate: false }).deflate).toBeUndefined();
    expect(check({ wsPerMessageDeflate: true }).deflate).toEqual(byDefault);
    expect(check({ wsPerMessageDeflate: {} }).deflate).toEqual(byDefault);
  });

  test.each([null, 0, 1, 'true', 15, []])('may not be %j', value => expectRefused('wsPerMessageDeflate', value));

  test.each([
    ['threshold', 0, MAX],
    ['level', 0, 9],
    ['memLevel', 1, 9],
    ['serverMaxWindowBits', 8, 15],
    ['clientMaxWindowBits', 8, 15],
  ])('%s is an integer from %i to %i', (name, min, max) => {
    for (const value of [min, max]) {
      expect(check({ wsPerMessageDeflate: { [name]: value } }).deflate).toEqual({ ...byDefault, [name]: value });
    }
    for (const value of [min - 1, max + 1, min + 0.5, String(min), null, true, Number.NaN]) {
      const message = refusal({ wsPerMessageDeflate: { [name]: value } });
      expect(message).toContain(name);
      expect(message).toContain('wsPerMessageDeflate');
      expect(message).toContain("'/chat'");
    }
  });

  test.each(['serverNoContextTakeover', 'clientNoContextTakeover'])('%s is true or false', name => {
    for (const value of [true, false]) {
      expect(check({ wsPerMessageDeflate: { [name]: value } }).deflate).toEqual({ ...byDefault, [name]: value });
    }
    for (const value of [0, 1, 'false', null, {}]) {
      const message = refusal({ wsPerMessageDeflate: { [name]: value } });
      expect(message).toContain(name);
      expect(message).toContain("'/chat'");
    }
  });

  test.each(['windowBits', 'Level', 'server_max_window_bits', '__proto__', 'constructor'])('has no field %s', name => {
    const message = refusal({ wsPerMessageDeflate: { [name]: 1 } });
    expect(message).toContain(name);
    expect(message).toContain("'/chat'");
  });
});

describe('wsAllowedOrigins', () => {
  test.each([
    [['https://example.com']],
    [['https://example.com', 'http://localhost:8080', 'http://[::1]:3000', 'null']],
    [['capacitor://localhost', 'moz-extension://8c2d3f5e']],
    [[]],
    ['same-origin'],
  ])('may be %j', value => {
    const { allowedOrigins } = check({ wsAllowedOrigins: value });
    expect(typeof allowedOrigins === 'object' ? [...allowedOrigins] : allowedOrigins).toEqual(value);
  });

  test.each([
    null,
    true,
    '*',
    'https://example.com',
    '',
    {},
    [1],
    [undefined],
    ['*'],
    ['example.com'],
    ['https://'],
    ['https://example.com/'],
    ['https://example.com/chat'],
    ['https://example.com?x'],
    ['https://example.com#x'],
    ['//example.com'],
    ['https://good.example', 'bad.example'],
    // what no browser sends
    ['https://example.com:443'],
    ['http://example.com:80'],
    ['https://*.example.com'],
    ['https://user@example.com'],
    ['https://exam ple.com'],
  ])('may not be %j', value => expectRefused('wsAllowedOrigins', value));

  test('is copied: a list that is changed later changes nothing', () => {
    const list = ['https://example.com'];
    const settings = check({ wsAllowedOrigins: list });
    list.push('https://evil.example');
    expect(ask(settings, 'https://evil.example', 'x')).toBe(false);
  });
});

describe('whyNotAllowed', () => {
  const LIST = ['https://Example.com', 'http://localhost:8080', 'null'];
  const SAME = 'same-origin';
  test.each<[given: unknown, origin: string | undefined, host: string | undefined, allowed: boolean]>([
    [undefined, 'https://evil.example', 'example.com', true],
    [undefined, undefined, undefined, true],
    [LIST, 'https://example.com', 'x', true],
    [LIST, 'HTTPS://EXAMPLE.COM', 'x', true],
    [LIST, 'http://localhost:8080', 'x', true],
    [LIST, 'https://example.com:443', 'x', true],
    [LIST, 'https://example.com:80', 'x', false],
    [LIST, 'null', 'x', true],
    [LIST, undefined, 'x', true],
    [LIST, 'http://example.com', 'x', false],
    [LIST, 'https://example.com:8443', 'x', false],
    [LIST, 'https://example.com/', 'x', false],
    [LIST, 'https://example.com.evil.example', 'x', false],
    [LIST, 'https://sub.example.com', 'x', false],
    [LIST, 'https://evil.example', 'example.com', false],
    [LIST, '', 'x', false],
    // two Origin headers
    [LIST, 'https://example.com, https://evil.example', 'x', false],
    [[], 'https://example.com', 'x', false],
    [[], undefined, 'x', true],
    [SAME, 'http://example.com', 'example.com', true],
    [SAME, 'https://example.com', 'example.com', true],
    [SAME, 'http://EXAMPLE.com', 'Example.COM', true],
    [SAME, 'http://example.com:8080', 'example.com:8080', true],
    [SAME, 'http://[::1]:8080', '[::1]:8080', true],
    [SAME, 'http://[2001:DB8::1]', '[2001:db8::1]', true],
    // a port of its own is no port, on either side (RFC 6454 section 4)
    [SAME, 'https://example.com', 'example.com:443', true],
    [SAME, 'https://example.com:443', 'example.com', true],
    [SAME, 'http://example.com', 'example.com:80', true],
    [SAME, 'http://example.com:80', 'Example.com', true],
    [SAME, 'HTTPS://Example.com', 'EXAMPLE.com:443', true],
    [SAME, 'https://[2001:db8::1]', '[2001:DB8:0::1]:443', true],
    [SAME, 'http://[0:0:0:0:0:0:0:1]:8080', '[::1]:8080', true],
    // no URL, though the same
    [SAME, 'http://[fe80::1%25eth0]', '[FE80::1%25eth0]', true],
    [SAME, 'http://[fe80::1%25eth0]', '[fe80::1%25eth1]', false],
    [SAME, 'http://example.com', 'example.com:443', false],
    [SAME, 'https://example.com', 'example.com:80', false],
    [SAME, 'https://[::1]', '[::1]:80', false],
    [SAME, 'https://evil.example', 'example.com:443', false],
    [SAME, 'https://example.com@evil.example', 'example.com:443', false],
    [SAME, 'https://evil.example', 'x@evil.example', false],
    [SAME, 'https://evil.example', 'evil.example/', false],
    [SAME, undefined, 'example.com', true],
    [SAME, 'http://example.com', 'example.com:8080', false],
    [SAME, 'http://example.com:8080', 'example.com', false],
    [SAME, 'http://example.com:80800', 'example.com:8080', false],
    [SAME, 'http://example.com.evil.example', 'example.com', false],
    [SAME, 'http://evil.example', 'example.com', false],
    [SAME, 'ftp://example.com', 'example.com', false],
    [SAME, 'null', 'null', false],
    [SAME, '', '', false],
    [SAME, 'http://example.com', undefined, false],
  ])('%j: origin %j at host %j → %s', (given, origin, host, allowed) => {
    expect(ask(check({ wsAllowedOrigins: given }), origin, host)).toBe(allowed);
  });

  test('asks a function for each, also without an origin; only true is yes', () => {
    const asked: (string | undefined)[] = [];
    let answer: unknown = true;
    const settings = check({
      wsAllowedOrigins: (origin: string | undefined) => {
        asked.push(origin);
        return answer;
      },
    });
    expect(ask(settings, 'https://a.example', 'x')).toBe(true);
    expect(ask(settings, undefined, 'x')).toBe(true);
    expect(asked).toEqual(['https://a.example', undefined]);
    for (answer of [false, undefined, null, 0, 1, 'yes', {}, Promise.resolve(true)]) {
      expect(ask(settings, 'https://a.example', 'x')).toBe(false);
    }
  });

  test('watches a promise that it does not wait for', async () => {
    const failures: unknown[] = [];
    const settings = check({ wsAllowedOrigins: () => Promise.reject(new Error('too late')) });
    expect(whyNotAllowed(settings, 'https://a.example', 'x', thrown => failures.push(thrown))).toContain(
      'wsAllowedOrigins',
    );
    await Promise.resolve();
    await Promise.resolve();
    expect(failures).toMatchObject([{ message: 'too late' }]);
  });

  test('lets through what a function throws', () => {
    const settings = check({
      wsAllowedOrigins: () => {
        throw new Error('no database');
      },
    });
    expect(() => ask(settings, 'https://a.example', 'x')).toThrow('no database');
  });
});
