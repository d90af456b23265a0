import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { escapeForLog, espLog, httpdLogs } from '../src/log.js';
import { compiledUrl } from './support/compiled.js';
import { collectLog } from './support/server.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What a program prints that logs a line of each level with the tag `app`, then one with a peer's text. */
async function printed(env: Record<string, string | undefined>): Promise<string[]> {
  const program = `
    const { espLog, escapeForLog } = await import(${JSON.stringify(compiledUrl('src/log.ts'))});
    const log = espLog('app');
    log.debug('a detail');
    log.info("Starting server on port: '80'");
    log.warn('careful');
    log.error('broken: ' + escapeForLog('a\\r\\nI (1) app: forged'));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    env: { ...process.env, HTTPD_LOG: undefined, HTTPD_LOG_FORMAT: undefined, ...env },
  });
  return stdout.split('\n').filter(line => line !== '');
}

describe('the log that nobody has given another logger for', () => {
  test("prints ESP-IDF's form, from level info on, with times since the start", async () => {
    const lines = await printed({});
    expect(lines).toEqual([
      expect.stringMatching(/^I \(\d{1,5}\) app: Starting server on port: '80'$/),
      expect.stringMatching(/^W \(\d{1,5}\) app: careful$/),
      expect.stringMatching(/^E \(\d{1,5}\) app: broken: a\\x0d\\x0aI \(1\) app: forged$/),
    ]);
  });

  test.each([
    ['debug', 'DIWE'],
    ['info', 'IWE'],
    ['warn', 'WE'],
    ['error', 'E'],
    ['silent', ''],
    ['', 'IWE'],
    ['nonsense', 'IWE'],
    ['toString', 'IWE'],
  ])("HTTPD_LOG='%s' lets through %s", async (level, letters) => {
    const lines = await printed({ HTTPD_LOG: level });
    expect(lines.map(line => line.charAt(0)).join('')).toBe(letters);
  });

  test("HTTPD_LOG_FORMAT=json gives pino's lines", async () => {
    const lines = await printed({ HTTPD_LOG_FORMAT: 'json', HTTPD_LOG: 'debug' });
    const entries = lines.map(line => JSON.parse(line) as Record<string, unknown>);
    expect(entries).toEqual([
      { level: 20, time: expect.any(Number), tag: 'app', msg: 'a detail' },
      { level: 30, time: expect.any(Number), tag: 'app', msg: "Starting server on port: '80'" },
      { level: 40, time: expect.any(Number), tag: 'app', msg: 'careful' },
      { level: 50, time: expect.any(Number), tag: 'app', msg: 'broken: a\\x0d\\x0aI (1) app: forged' },
    ]);
  });
});

describe('an error with a line', () => {
  const program = `
    const { espLog, logThrown, tapLog } = await import(${JSON.stringify(compiledUrl('src/log.ts'))});
    const { EspError } = await import(${JSON.stringify(compiledUrl('src/err.ts'))});
    const seen = [];
    tapLog(line => seen.push(line));
    function inner() { return new Error('two\\nlines \\x1b[2J', { cause: new Error('why\\nI (1) app: forged') }); }
    logThrown(espLog('app'), 'it failed', inner());
    logThrown(espLog('app'), 'it failed', new EspError(258, 'not so'), 'warn');
    logThrown(espLog('app'), 'it failed', 'a text');
    process.stderr.write(JSON.stringify(seen));
  `;
  const print = (format: string) =>
    run(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, HTTPD_LOG: 'info', HTTPD_LOG_FORMAT: format },
    });

  test('is printed with its stack, set in, in which nothing can pass for a line; an EspError is one line', async () => {
    const { stdout, stderr } = await print('');
    const lines = stdout.trimEnd().split('\n');
    const heads = lines.filter(line => !line.startsWith('    '));
    expect(heads.map(line => line.replace(/\(\d+\) /, ''))).toEqual([
      'E app: it failed: Error: two lines  [2J',
      'W app: it failed: ESP_ERR_INVALID_ARG: not so',
      'E app: it failed: a text',
    ]);
    const at = lines.indexOf(heads[1] as string);
    expect(lines[1]).toMatch(/^ {4}at inner /);
    expect(lines.slice(1, at).join()).toContain('    caused by: Error: why');
    expect(lines.slice(at + 1)).toEqual([heads[2]]);
    expect(JSON.parse(stderr)).toEqual(lines);
  });

  test('is cut off behind 30 lines', async () => {
    const deep = `
      const { espLog, logThrown } = await import(${JSON.stringify(compiledUrl('src/log.ts'))});
      Error.stackTraceLimit = 100;
      const dive = n => { if (n > 0) dive(n - 1); else throw new Error('deep'); };
      try { dive(80); } catch (error) { logThrown(espLog('app'), 'it failed', error); }
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', deep], {
      env: { ...process.env, HTTPD_LOG: 'info', HTTPD_LOG_FORMAT: '' },
    });
    expect(stdout.trimEnd().split('\n')).toHaveLength(30);
  });

  test('is err in JSON lines', async () => {
    const entries = (await print('json')).stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { level: number; err?: { type: string; stack: string } });
    expect(entries.map(({ level, err }) => [level, err?.type])).toEqual([
      [50, 'Error'],
      [40, undefined],
      [50, undefined],
    ]);
    expect(entries[0]?.err?.stack).toContain('at inner');
  });
});

describe('a logger of a tag', () => {
  test('writes to the logger that it is given, with its tag', () => {
    const { logger, lines } = collectLog();
    const log = espLog('ws_echo_server', logger);
    log.debug('d');
    log.info('i');
    log.warn('w');
    log.error('e');
    expect(lines).toEqual(['D ws_echo_server: d', 'I ws_echo_server: i', 'W ws_echo_server: w', 'E ws_echo_server: e']);
  });

  test.each([
    ['debug', true],
    ['trace', true],
    ['info', false],
    ['silent', false],
  ])('of level %s says %s to debugOn', (level, on) => {
    expect(espLog('x', collectLog(level).logger).debugOn).toBe(on);
  });

  test('the server has one for each file of ESP-IDF', () => {
    const { logger, lines } = collectLog();
    for (const log of Object.values(httpdLogs(logger))) log.info('here');
    expect(lines).toEqual(
      ['httpd', 'httpd_sess', 'httpd_parse', 'httpd_txrx', 'httpd_uri', 'httpd_ws'].map(tag => `I ${tag}: here`),
    );
  });
});

describe("a peer's text in the log", () => {
  test.each([
    ['plain /path?x=1', 'plain /path?x=1'],
    ['line\r\nbreak', 'line\\x0d\\x0abreak'],
    ['\x1b[31mred', '\\x1b[31mred'],
    ['nul\0', 'nul\\x00'],
    ['del\x7f', 'del\\x7f'],
    ['latin \xe9', 'latin \\xe9'],
    ['snow \u2603', 'snow \\u2603'],
    ['\u202eright to left', '\\u202eright to left'],
    ['back\\slash \\x0d', 'back\\\\slash \\\\x0d'],
    ['', ''],
  ])('%j is shown as %s', (text, shown) => {
    expect(escapeForLog(text)).toBe(shown);
  });

  test('any character comes out as printable ASCII, and no two texts look the same', () => {
    const shown = new Set<string>();
    for (let code = 0; code < 0x300; code++) {
      const text = escapeForLog(String.fromCharCode(code));
      expect(text).toMatch(/^[\x20-\x7e]+$/);
      shown.add(text);
    }
    expect(shown.size).toBe(0x300);
  });
});
