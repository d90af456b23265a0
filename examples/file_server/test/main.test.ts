/** The program, started the way a user starts it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EPOLL_HERE } from '../../../test/support/epoll.js';
import { SELECT_LOOP } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { MAX_FILE_SIZE } from '../file_server.js';
import { type Options, readOptions } from '../options.js';
import { newFolder } from './support.js';

const MAIN = '../file_server/main.ts';

// a program is the same on every select loop, and takes its time to start
describe.skipIf(SELECT_LOOP === 'net' && EPOLL_HERE)('npm run files', () => {
  test('makes the folder, serves it with the limit that is set, logs what is done, and stops at Ctrl-C', async () => {
    const root = join(newFolder(), 'data');
    const args = ['--port', '0', '--root', root, '--max-size', '1K'];
    const program = new Program(MAIN, args, { HOST: '127.0.0.1' });
    const [, port] = await program.printed(/Open http:\/\/localhost:(\d+)\//);
    const send = (name: string, length: number) =>
      fetch(`http://127.0.0.1:${port}/upload/${name}`, { method: 'POST', body: Buffer.alloc(length, 'x') });
    expect(await (await send('a.txt', 1024)).text()).toContain('>a.txt<');
    expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe('x'.repeat(1024));
    const refused = await send('b.txt', 1025);
    expect([refused.status, await refused.text()]).toEqual([413, 'File size must be less than 1KB!']);
    program.kill('SIGINT');
    const { status, stdout, stderr } = await program.ended;
    expect(
      stdout
        .replace(/^(\w) \(\d+\)/gm, '$1')
        .replace(/'\d+'|:\d+\//g, '<n>')
        .split('\n'),
    ).toEqual([
      'I example: Starting example',
      `I file_server: Files are in ${root}, up to 1024 bytes each`,
      'I file_server: Starting HTTP Server on port: <n>',
      'I example: File server started',
      'I file_server: Open http://localhost<n>; Ctrl-C stops the server',
      'I file_server: Receiving file : /a.txt...',
      'I file_server: Remaining size : 1024',
      'I file_server: File reception complete',
      'I file_server: Found file : a.txt (1024 bytes)',
      'E file_server: File too large : 1025 bytes',
      'I file_server: Stopping webserver (SIGINT); the same again ends it at once',
      'I file_server: Stopped',
      '',
    ]);
    expect([status, stderr]).toEqual([0, '']);
  });

  test('ends with status 2 and some help if an argument is wrong', async () => {
    const { status, stdout, stderr } = await new Program(MAIN, ['--max-size', '0'], { PORT: '0' }).ended;
    expect(stderr).toMatch(/^--max-size must be a number of bytes such as .*, not '0'\.\n\nUsage: npm run files/);
    expect([status, stdout]).toEqual([2, '']);
  });
});

describe('the arguments', () => {
  test.each<[string, Partial<Options>]>([
    ['', { port: [], root: './file_server_data', maxSize: MAX_FILE_SIZE }],
    ['8081', { port: ['8081'] }],
    ['--port 8081', { port: ['8081'] }],
    ['--port=8081 --root=/srv/files', { port: ['8081'], root: '/srv/files' }],
    ['--max-size 1', { maxSize: 1 }],
    ['--max-size 5000', { maxSize: 5000 }],
    ['--max-size 10k', { maxSize: 10_240 }],
    ['--max-size 3M', { maxSize: 3 * 1024 ** 2 }],
    ['--max-size 2G', { maxSize: 2 * 1024 ** 3 }],
  ])('%s', (line, expected) => {
    expect(readOptions(line.split(' ').filter(word => word !== ''))).toMatchObject(expected);
  });

  test.each([
    ['--max-size 0', '--max-size must be a number of bytes'],
    ['--max-size -1', 'ambiguous'],
    ['--max-size 1.5', '--max-size must be a number of bytes'],
    ['--max-size 1T', '--max-size must be a number of bytes'],
    ['--max-size 999999999999G', '--max-size must be a number of bytes'],
    ['--max-size', 'argument missing'],
    ['--colour', 'Unknown option'],
  ])('%s is refused', (line, why) => {
    expect(() => readOptions(line.split(' '))).toThrow(why);
  });
});
