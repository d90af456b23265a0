import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { checkConfig, type HttpdConfig, httpdDefaultConfig, httpdEsp32Config } from '../src/config.js';
import { ESP_ERR_INVALID_ARG } from '../src/err.js';
import { httpdStart } from '../src/httpd/start.js';
import { uriMatchWildcard } from '../src/httpd/uri.js';

type Name = keyof HttpdConfig;

const refused = (name: string) =>
  expect.objectContaining({
    code: ESP_ERR_INVALID_ARG,
    name: 'ESP_ERR_INVALID_ARG',
    message: expect.stringContaining(name),
  });
const check = (name: string, value: unknown) => checkConfig({ [name]: value } as Partial<HttpdConfig>);

const MAX = Number.MAX_SAFE_INTEGER;

/** Integers: smallest, largest, default, ESP-IDF's. */
const INTEGERS: readonly (readonly [name: Name, min: number, max: number, byDefault: number, onDevice: number])[] = [
  ['serverPort', 0, 65_535, 80, 80],
  ['backlogConn', 1, 65_535, 511, 5],
  ['maxOpenSockets', 1, 1_000_000, 10_000, 7],
  ['maxUriHandlers', 1, 1_000_000, 1_000, 8],
  ['maxRespHeaders', 0, 10_000, 64, 8],
  ['maxReqHdrLen', 64, 65_536, 16_384, 1_024],
  ['maxUriLen', 1, 32_768, 8_192, 512],
  ['maxReqBodyLen', 0, MAX, 16_777_216, 16_777_216],
  ['keepAliveIdle', 0, 32_767, 0, 0],
  ['keepAliveInterval', 0, 32_767, 0, 0],
  ['keepAliveCount', 0, 127, 0, 0],
  ['maxSessPerIp', 0, 1_000_000, 0, 0],
  ['minBodyRate', 0, MAX, 240, 0],
  ['maxWorkQueue', 1, 1_000_000, 1_024, 6],
  ['maxTxPending', 1_024, MAX, 16_777_216, 16_777_216],
  ['maxWsPending', 1_024, MAX, 268_435_456, 268_435_456],
];

/** Times in seconds: smallest, default, ESP-IDF's. */
const SECONDS: readonly (readonly [name: Name, min: number, byDefault: number, onDevice: number])[] = [
  ['recvWaitTimeout', 0.001, 5, 5],
  ['sendWaitTimeout', 0.001, 60, 5],
  ['idleTimeout', 0, 75, 0],
  ['handlerTimeout', 0, 120, 0],
  ['lingerTimeout', 0, 0, 0],
];

const BOOLEANS: readonly Name[] = [
  'lruPurgeEnable',
  'keepAliveEnable',
  'enableSoLinger',
  'lenientLineEndings',
  'closeOnNotFound',
  'reusePort',
];

const FUNCTIONS: readonly Name[] = [
  'globalUserCtxFreeFn',
  'globalTransportCtxFreeFn',
  'openFn',
  'closeFn',
  'uriMatchFn',
];

const ANYTHING: readonly Name[] = ['globalUserCtx', 'globalTransportCtx'];

describe.each(INTEGERS)('config.%s, an integer', (name, min, max, byDefault, onDevice) => {
  test(`is ${byDefault} by default, ${onDevice} on a device`, () => {
    expect(httpdDefaultConfig()[name]).toBe(byDefault);
    expect(httpdEsp32Config()[name]).toBe(onDevice);
    expect(checkConfig({})[name]).toBe(byDefault);
  });

  test.each([min, max, min + 1])('may be %d', value => {
    expect(check(name, value)[name]).toBe(value);
  });

  test.each([
    min - 1,
    max + 1,
    -1,
    min + 0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    String(min),
    true,
    null,
    [min],
    {},
    1n,
  ])('must not be %s', value => {
    expect(() => check(name, value)).toThrow(refused(`config.${name} must be an integer from ${min} to ${max}`));
  });
});

describe.each(SECONDS)('config.%s, in seconds', (name, min, byDefault, onDevice) => {
  test(`is ${byDefault} by default, ${onDevice} on a device`, () => {
    expect(httpdDefaultConfig()[name]).toBe(byDefault);
    expect(httpdEsp32Config()[name]).toBe(onDevice);
    expect(checkConfig(undefined)[name]).toBe(byDefault);
  });

  test.each([min, 0.25, 86_400])('may be %d', value => {
    expect(check(name, value)[name]).toBe(value);
  });

  test.each([min - 0.0005, -1, 86_401, Number.NaN, Number.POSITIVE_INFINITY, '5', true, null, {}])(
    'must not be %s',
    value => {
      expect(() => check(name, value)).toThrow(refused(`config.${name} must be a number of seconds from ${min}`));
    },
  );
});

describe.each(BOOLEANS)('config.%s, a switch', name => {
  test('is off by default; of these a device has closeOnNotFound on', () => {
    expect(httpdDefaultConfig()[name]).toBe(false);
    expect(httpdEsp32Config()[name]).toBe(name === 'closeOnNotFound');
  });

  test.each([true, false])('may be %s', value => {
    expect(check(name, value)[name]).toBe(value);
  });

  test.each([0, 1, 'true', '', null, {}])('must not be %j', value => {
    expect(() => check(name, value)).toThrow(refused(`config.${name} must be true or false`));
  });
});

describe.each(FUNCTIONS)('config.%s, a function', name => {
  test('is not there by default', () => {
    expect(httpdDefaultConfig()[name]).toBeUndefined();
    expect(httpdEsp32Config()[name]).toBeUndefined();
  });

  test('may be a function, or undefined', () => {
    const fn = () => {};
    expect(check(name, fn)[name]).toBe(fn);
    expect(check(name, undefined)[name]).toBeUndefined();
  });

  test.each([null, 'free', 5, {}, true])('must not be %j', value => {
    expect(() => check(name, value)).toThrow(refused(`config.${name} must be a function`));
  });
});

describe.each(ANYTHING)('config.%s', name => {
  test.each([undefined, null, 0, 'text', { any: 'thing' }])('may be anything, such as %j', value => {
    expect(httpdDefaultConfig()[name]).toBeUndefined();
    expect(check(name, value)[name]).toBe(value);
  });
});

describe('config.host', () => {
  test('binds every address by default', () => {
    expect(httpdDefaultConfig().host).toBeUndefined();
  });

  test.each(['127.0.0.1', '::1', 'localhost'])('may be %s', value => {
    expect(check('host', value).host).toBe(value);
  });

  test.each(['', null, 5, true, {}])('must not be %j', value => {
    expect(() => check('host', value)).toThrow(refused('config.host must be an address or a host name'));
  });
});

describe('config.listeners', () => {
  /** What the address of a Unix socket holds. */
  const PATH_MAX = process.platform === 'linux' ? 107 : 103;

  test('is not there by default', () => {
    expect(httpdDefaultConfig().listeners).toBeUndefined();
    expect(httpdEsp32Config().listeners).toBeUndefined();
  });

  test.each([
    [[{ port: 0 }]],
    [[{ port: 65_535, host: '::1' }, { path: '/run/a.sock' }]],
    [[{ port: 443, tls: { servercert: 'cert.pem', prvtkeyPem: 'key.pem' } }]],
    [Array.from({ length: 64 }, () => ({ port: 0 }))],
    [[{ path: `/${'a'.repeat(PATH_MAX - 1)}` }]],
  ])('may be %j', value => {
    expect(check('listeners', value).listeners).toBe(value);
  });

  test.each([
    [null, 'must be a list of 1 to 64 listeners'],
    [{ port: 80 }, 'must be a list of 1 to 64 listeners'],
    [[], 'must be a list of 1 to 64 listeners'],
    [Array.from({ length: 65 }, () => ({ port: 0 })), 'must be a list of 1 to 64 listeners'],
    [[{ port: 0 }, 80], '[1] must be an object such as { port: 8080 }'],
    [[null], '[0] must be an object such as { port: 8080 }'],
    [[{}], '[0] must have a port or a path'],
    [[{ host: '::1' }], '[0] must have a port or a path'],
    [[{ port: 80, path: '/run/a.sock' }], '[0] must have a port or a path'],
    [[{ path: '' }], '[0] must have a path that is a string'],
    [[{ path: 5 }], '[0] must have a path that is a string'],
    [[{ path: '/run/a.sock', host: '::1' }], 'no host with it'],
    [[{ path: '\0name' }], '[0] must have a path of at most'],
    [[{ path: '/run/a\0b' }], 'and without NUL (unix(7))'],
    [[{ path: `/${'a'.repeat(PATH_MAX)}` }], `at most ${PATH_MAX} bytes, counted from the root`],
    [[{ path: `/${'ä'.repeat(54)}` }], '[0] must have a path of at most'],
    [[{ path: `./${'a'.repeat(PATH_MAX - 2)}` }], '[0] must have a path of at most'],
    [[{ port: 65_536 }], '[0].port must be an integer from 0 to 65535'],
    [[{ port: '80' }], '[0].port must be an integer from 0 to 65535'],
    [[{ port: 80, host: '' }], '[0].host must be an address or a host name'],
    [[{ port: 80, hosts: '::1' }], "[0] has no field 'hosts'"],
  ])('must not be %j', (value, message) => {
    expect(() => check('listeners', value)).toThrow(refused('config.listeners'));
    expect(() => check('listeners', value)).toThrow(refused(message));
  });

  test.each(['serverPort', 'host'])('takes the place of %s', name => {
    const given = { listeners: [{ port: 0 }], [name]: name === 'host' ? '::1' : 80 };
    expect(() => checkConfig(given)).toThrow(refused('takes the place of serverPort and host'));
  });
});

describe('config.txOverflow', () => {
  test.each(['close', 'drop', 'error'])("may be '%s'", value => {
    expect(check('txOverflow', value).txOverflow).toBe(value);
  });

  test("is 'close' by default", () => {
    expect(httpdDefaultConfig().txOverflow).toBe('close');
  });

  test.each(['Close', '', null, 1, ['close']])('must not be %j', value => {
    expect(() => check('txOverflow', value)).toThrow(refused("config.txOverflow must be one of 'close', 'drop'"));
  });
});

describe('config.port', () => {
  test.each(['auto', 'epoll', 'net'])("may be '%s'", value => {
    expect(check('port', value).port).toBe(value);
  });

  test.each(['select', null, 80, ''])('must not be %j', value => {
    expect(() => check('port', value)).toThrow(refused('config.port must be one of'));
  });
});

describe('config.logger', () => {
  test('may be a pino logger', () => {
    const logger = pino({ level: 'silent' });
    expect(check('logger', logger).logger).toBe(logger);
  });

  test.each([null, {}, 'pino', console.log])('must not be %s', value => {
    expect(() => check('logger', value)).toThrow(refused('config.logger must be a pino logger'));
  });
});

describe('the configuration as a whole', () => {
  test('every field has a check of its own above', () => {
    const tested = [
      ...INTEGERS.map(([name]) => name),
      ...SECONDS.map(([name]) => name),
      ...BOOLEANS,
      ...FUNCTIONS,
      ...ANYTHING,
      'host',
      'listeners',
      'txOverflow',
      'port',
      'logger',
    ];
    expect(Object.keys(httpdDefaultConfig()).sort()).toEqual(tested.sort());
  });

  test('the defaults, and those of a device, are accepted and new each time', () => {
    for (const make of [httpdDefaultConfig, httpdEsp32Config]) {
      expect(checkConfig(make())).toEqual(make());
      expect(make()).not.toBe(make());
    }
  });

  test('a field that is undefined takes its default', () => {
    expect(checkConfig({ serverPort: undefined, idleTimeout: undefined })).toEqual(httpdDefaultConfig());
  });

  test('what was given is not changed', () => {
    const given = Object.freeze({ serverPort: 8080, uriMatchFn: uriMatchWildcard });
    expect(checkConfig(given)).toEqual({ ...httpdDefaultConfig(), ...given });
  });

  test.each(['server_port', 'maxopensockets', 'toString', 'constructor', ''])(
    "a field '%s' that does not exist is refused by its name",
    name => {
      expect(() => check(name, 1)).toThrow(refused(`no field '${name}'`));
    },
  );

  test('a field __proto__ is refused too', () => {
    expect(() => checkConfig(JSON.parse('{"__proto__": {"serverPort": 1}}'))).toThrow(refused("no field '__proto__'"));
  });

  test.each([null, 'config', 80, true, [], [{ serverPort: 80 }], () => {}])('%s is no configuration', given => {
    expect(() => checkConfig(given as Partial<HttpdConfig>)).toThrow(refused('must be an object'));
  });

  test('httpdStart() refuses a wrong one by rejection, before it listens', async () => {
    await expect(httpdStart({ maxUriLen: 0 })).rejects.toThrow(refused('config.maxUriLen'));
    await expect(httpdStart({ maxUriLength: 5 } as Partial<HttpdConfig>)).rejects.toThrow(refused("'maxUriLength'"));
  });
});
