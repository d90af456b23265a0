/** `esp-httpd device`, started the way a user starts it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { Program } from '../../examples/ws_echo_server/test/child.js';
import type { ControlState } from '../../src/device_control/state.js';
import { certificates } from '../support/certificates.js';

const MAIN = '../../src/cli/main.ts';
/** An application without any import; with FAIL=1 it boots only once. */
const APP = `
let boots = 0;
export const config = { serverPort: 1, host: 'nowhere.invalid', listeners: [{ port: 1 }], maxUriHandlers: 1 };
export async function register(server) {
  await null;
  boots += 1;
  if (process.env.FAIL && boots > 1) throw new Error('no more');
  server.registerUriHandler({ uri: '/', method: 1, handler: req => req.respSend('boot ' + boots) });
  // nobody ends it
  if (boots === 1) setInterval(() => {}, 1000);
}`;

let folder: string;
let app: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'esp httpd '));
  app = join(folder, 'app.mjs');
  writeFileSync(app, APP);
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** A device with a control server, on ports that the system chooses. */
async function start(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ program: Program; url: string; control: string }> {
  const program = new Program(MAIN, ['device', ...args, '--port', '0', '--control', '0'], env);
  const [, url = '', control = ''] = await program.printed(
    /^I \(\d+\) device: .*: (https?:\/\/127\.0\.0\.1:\d+\/)\n(?:.*\n)*?I \(\d+\) device: control page: (http:\/\/127\.0\.0\.1:\d+\/)\n/m,
  );
  return { program, url, control };
}

const post = (url: string, body?: unknown): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

describe('esp-httpd device', () => {
  test('boots an application, plays its scenario, boots it again, and ends at Ctrl-C', async () => {
    const scenario = write('scenario.json', '[{ "at": 0, "setLink": { "latencyMs": 7, "jitterMs": 0 } }]');
    const { program, url, control } = await start([
      app,
      '--profile',
      'esp32-c3',
      '--seed',
      '7',
      '--scenario',
      scenario,
    ]);
    const state = async (): Promise<ControlState> =>
      (await fetch(`${control}control/state`)).json() as Promise<ControlState>;
    await expect.poll(state).toMatchObject({ chip: 'esp32-c3', seed: 7, boots: 1, link: { latencyMs: 7 } });
    expect(await (await fetch(url)).text()).toBe('boot 1');
    expect((await post(`${control}control/reboot`, { bootSeconds: 0, wait: true })).status).toBe(200);
    expect(await (await fetch(url)).text()).toBe('boot 2');
    expect(await (await fetch(control)).text()).toContain('<title>Device</title>');
    // what was printed is what the page shows
    const log = await (await fetch(`${control}control/log`)).text();
    expect(log.split('\n')[0]).toMatch(/^I \(\d+\) device: rst: POWERON_RESET, chip esp32-c3, seed 7, boot 1$/);
    // what the scripts of ESP-IDF's examples read
    expect(log).toMatch(
      /example_common: - IPv4 address: 127\.0\.0\.1,\nI \(\d+\) main_task: Returned from app_main\(\)\n/,
    );
    expect(log).toContain('rst: SW_CPU_RESET, chip esp32-c3, seed 7, boot 2');
    await expect.poll(() => program.stdout).toBe(log);
    program.kill('SIGINT');
    const { status, stdout, stderr } = await program.ended;
    expect(stdout).toMatch(
      /I \(\d+\) device: Stopping \(SIGINT\); the same again ends it at once\nI \(\d+\) device: Stopped\n$/,
    );
    expect([status, stderr]).toEqual([0, '']);
  });

  test('runs TypeScript, with another copy of the library in it; its log and its sessions are seen', async () => {
    const { program, url, control } = await start(['examples/ws_chat_server/app.ts']);
    const socket = new WebSocket(`${url.replace('http', 'ws')}chat?name=Ada`, 'lws-minimal');
    onTestFinished(() => socket.terminate());
    const [hello] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(hello.toString())).toMatchObject({ type: 'hello' });
    await program.printed(/I \(\d+\) ws_chat_server: Ada has joined, 1 here\n/);
    expect(await (await fetch(`${control}control/log`)).text()).toContain('ws_chat_server: Ada has joined, 1 here');
    const { sessions } = (await (await fetch(`${control}control/state`)).json()) as ControlState;
    expect(sessions).toMatchObject([{ protocol: 'WebSocket', encrypted: false, lruRank: 1 }]);
    const closed = once(socket, 'close');
    program.kill('SIGTERM');
    expect((await closed)[0]).toBe(1001);
    expect((await program.ended).status).toBe(0);
  });

  test('is encrypted with --tls-cert and --tls-key; ends with status 1 when it can not boot again', async () => {
    const { server, ca } = certificates();
    const pair = ['--tls-cert', write('cert.pem', server.cert), '--tls-key', write('key.pem', server.key)];
    // as an editor on Windows may write it
    const quick = write('quick.json', '\uFEFF[{ "at": 0, "setLink": { "tlsHandshakeMs": 0 } }]');
    const { program, url, control } = await start([app, ...pair, '--scenario', quick], { FAIL: '1' });
    expect(url).toMatch(/^https:/);
    const request = https.get(url, { ca: ca.cert, servername: 'localhost', agent: false });
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
    expect(await text(response)).toBe('boot 1');
    await post(`${control}control/reboot`, { bootSeconds: 0 });
    const { status, stderr } = await program.ended;
    expect(stderr).toMatch(/^The device could not boot again:\nError: no more\n +at .*register/);
    expect(status).toBe(1);
  });

  test('tells in words that a module never comes to its end', async () => {
    const stuck = write('stuck.mjs', 'await new Promise(() => {}); export function register() {}');
    const { status, stderr } = await new Program(MAIN, ['device', stuck], {}).ended;
    expect(stderr).toContain("stuck.mjs' can't be loaded:\nError: its top-level await never ends");
    expect(status).toBe(1);
  });

  test('tells in words that a port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as { port: number };
    const device = new Program(MAIN, ['device', app, '--port', `${port}`], {}).ended;
    // a device that has no control server is switched off again, and its application with it
    const tidy = write(
      'tidy.mjs',
      "export const register = server => server.on('stop', () => console.log('tidied up'));",
    );
    const control = new Program(MAIN, ['device', tidy, '--port', '0', '--control', `${port}`], {}).ended;
    for (const [ended, option] of [
      [await device, '--port'],
      [await control, '--control'],
    ] as const) {
      expect(ended.stderr).toBe(
        `Port ${port} is in use: another program listens there. Stop it, or choose another port: ${option} ${port + 1}\n`,
      );
      expect(ended.status).toBe(1);
    }
    expect((await control).stdout).toMatch(/^tidied up$/m);
  });
});
