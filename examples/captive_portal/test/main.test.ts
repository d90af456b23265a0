/** The program, started the way a user starts it. */
import { Resolver } from 'node:dns/promises';
import { expect, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';

const MAIN = '../captive_portal/main.ts';

test('npm run captive redirects, answers DNS questions, logs as ESP-IDF does, and stops at Ctrl-C', async () => {
  const program = new Program(MAIN, ['0'], { HOST: '127.0.0.1', DNS_PORT: '0' });
  const [, port] = await program.printed(/Open http:\/\/localhost:(\d+)\//);
  const [, dnsPort] = await program.printed(/Socket bound, port (\d+)\n/);
  const response = await fetch(`http://127.0.0.1:${port}/generate_204`, { redirect: 'manual' });
  expect([response.status, await response.text()]).toEqual([302, 'Redirect to the captive portal']);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  expect(await resolver.resolve4('www.example.com')).toEqual(['127.0.0.1']);
  program.kill('SIGINT');
  const { status, stdout, stderr } = await program.ended;
  for (const line of [
    'example: Set up softAP with IP: 127.0.0.1',
    "example: wifi_init_softap finished. SSID:'esp32_ssid' password:'esp32_pwd'",
    `example: Starting server on port: '${port}'`,
    'example: Registering URI handlers',
    'example: Redirecting to root',
    'example_dns_redirect_server: Received 33 bytes from 127.0.0.1 | DNS reply with len: 49',
    'example_dns_redirect_server: Shutting down socket',
  ]) {
    expect(stdout.replace(/\(\d+\) /g, '')).toContain(`I ${line}\n`);
  }
  expect(stdout).toMatch(/example: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});

test.skipIf(ELSEWHERE)('npm run captive tells in words that DNS_PORT is no port', async () => {
  const { status, stdout, stderr } = await new Program(MAIN, ['0'], { DNS_PORT: 'dns' }).ended;
  expect(stderr).toContain("the port in the environment variable DNS_PORT must be a number from 0 to 65535, not 'dns'");
  expect([status, stdout]).toEqual([1, '']);
});
