/** The program, started the way a user starts it. */
import { expect, test } from 'vitest';
import { Program } from '../../ws_echo_server/test/child.js';

test('npm run restful serves, logs as ESP-IDF does, and stops at Ctrl-C', async () => {
  const program = new Program('../restful_server/main.ts', ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/Open http:\/\/localhost:(\d+)\//);
  const base = `http://127.0.0.1:${port}`;
  expect(await (await fetch(base)).text()).toContain('<h1>ESP Home</h1>');
  const { raw } = (await (await fetch(`${base}/api/v1/temp/raw`)).json()) as { raw: number };
  expect(raw).toBeLessThan(20);
  const body = '{"red":160,"green":160,"blue":160}';
  const set = await fetch(`${base}/api/v1/light/brightness`, { method: 'POST', body });
  expect(await set.text()).toBe('Post control value successfully');
  program.kill('SIGINT');
  const { status, stdout, stderr } = await program.ended;
  expect(stdout.replace(/\(\d+\)/g, '(<n>)').replaceAll(String(port), '<port>')).toBe(
    'I (<n>) esp-rest: Starting HTTP Server\n' +
      'I (<n>) esp-rest: Open http://localhost:<port>/; Ctrl-C stops the server\n' +
      'I (<n>) esp-rest: File sending complete\n' +
      'I (<n>) esp-rest: Light control: red = 160, green = 160, blue = 160\n' +
      'I (<n>) esp-rest: Stopping webserver (SIGINT); the same again ends it at once\n' +
      'I (<n>) esp-rest: Stopped\n',
  );
  expect([status, stderr]).toEqual([0, '']);
});
