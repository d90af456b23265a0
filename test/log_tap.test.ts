import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compiledUrl } from './support/compiled.js';

const run = promisify(execFile);

test.each(['', 'json'])(
  'a tap sees the lines of each copy of the library until it ends (format "%s")',
  async format => {
    const log = compiledUrl('src/log.ts');
    const program = `
    const { espLog, tapLog, sideLogger } = await import(${JSON.stringify(log)});
    const { espLog: otherLog } = await import(${JSON.stringify(`${log}?another copy`)});
    const seen = [];
    espLog('app').info('too early');
    const end = tapLog(line => seen.push(line));
    espLog('app').info('one');
    otherLog('other').warn('two\\n\\x1b[2J');
    espLog('app').debug('below the level');
    espLog('httpd', sideLogger('side: ')).warn('not serious');
    espLog('httpd', sideLogger('side: ')).error('three');
    end();
    otherLog('other').info('too late');
    process.stderr.write(JSON.stringify(seen));
  `;
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, HTTPD_LOG: 'info', HTTPD_LOG_FORMAT: format },
    });
    const seen = JSON.parse(stderr) as string[];
    expect(seen).toEqual([
      expect.stringMatching(/^I \(\d+\) app: one$/),
      expect.stringMatching(/^W \(\d+\) other: two\\x0a\\x1b\[2J$/),
      expect.stringMatching(/^E \(\d+\) httpd: side: three$/),
    ]);
    const printed = stdout.trimEnd().split('\n');
    expect(printed).toHaveLength(5);
    if (format === '') expect(printed.slice(1, 4)).toEqual(seen);
    else expect(printed.map(line => (JSON.parse(line) as { msg: string }).msg)).toContain('one');
    // one log: its times don't go back where the other copy writes
    const times = seen.map(line => Number(/\((\d+)\)/.exec(line)?.[1]));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  },
);

test.each([
  ['silent', ''],
  ['debug', 'E'],
])('a side logger says errors only, and none where HTTPD_LOG is %s', async (level, letters) => {
  const program = `
    const { espLog, sideLogger } = await import(${JSON.stringify(compiledUrl('src/log.ts'))});
    const log = espLog('httpd', sideLogger('side: '));
    for (const name of ['debug', 'info', 'warn', 'error']) log[name]('said');
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, HTTPD_LOG: level, HTTPD_LOG_FORMAT: '' },
  });
  expect(stdout.replace(/ [\s\S]*/, '')).toBe(letters);
});
