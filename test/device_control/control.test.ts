/** The control server: what each request does to the device. */
import { describe, expect, test, vi } from 'vitest';
import { controlStart, urlOf } from '../../src/device_control/control.js';
import { guard } from '../../src/device_control/guard.js';
import type { ControlState } from '../../src/device_control/state.js';
import { ESP_ERR_HTTPD_TASK, ESP_ERR_INVALID_ARG } from '../../src/err.js';
import { HTTP_GET, HTTP_POST } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { hello, MemDevice, request } from '../device/support.js';
import { ControlRig } from './support.js';

const state = ({ json }: { json: unknown }): ControlState => json as ControlState;

describe('the control server', () => {
  test('shows the device as it is', async () => {
    const rig = await ControlRig.start({ seed: 7 });
    const conn = rig.mem.connect();
    await rig.mem.get(conn);
    const { status, headers, json } = await rig.ask('GET', '/control/state');
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(json).toEqual({
      ...JSON.parse(JSON.stringify(rig.device.snapshot())),
      chip: 'esp32',
      seed: 7,
      listeners: [{ port: rig.device.port, encrypted: false }],
    });
    expect(state({ json }).sessions).toHaveLength(1);
  });

  test.each([
    ['reboot', 'reset'],
    ['brown-out', undefined],
  ])('POST /control/%s: the device boots, and answers again', async (how, ended) => {
    const rig = await ControlRig.start();
    const conn = rig.mem.connect();
    await rig.mem.get(conn);
    const answer = await rig.ask('POST', `/control/${how}`);
    expect([answer.status, state(answer).state, state(answer).boots]).toEqual([202, 'booting', 1]);
    expect(conn.ended).toBe(ended);
    await rig.mem.until(() => rig.device.state === 'running');
    expect(state(await rig.ask('GET', '/control/state'))).toMatchObject({ state: 'running', boots: 2, sessions: [] });
    expect(rig.device.recorded()).toEqual([
      { at: expect.any(Number), [how === 'reboot' ? 'reboot' : 'brownOut']: true },
    ]);
  });

  test('with wait it answers when the device runs again, after bootSeconds', async () => {
    const rig = await ControlRig.start();
    const asked = rig.ask('POST', '/control/reboot', { body: { bootSeconds: 0.2, wait: true } });
    await expect.poll(() => rig.device.state).toBe('booting');
    expect(await rig.mem.until(() => rig.device.state === 'running')).toBe(200);
    const answer = await asked;
    expect([answer.status, state(answer).state, state(answer).boots]).toEqual([200, 'running', 2]);
  });

  test('POST /control/wifi-down: nothing gets through for so long', async () => {
    const rig = await ControlRig.start();
    const conn = rig.mem.connect();
    await rig.mem.get(conn);
    const answer = await rig.ask('POST', '/control/wifi-down', { body: { seconds: 2.5 } });
    expect([answer.status, state(answer).wifi]).toEqual([200, 'down']);
    expect(await rig.mem.get(conn)).toBeGreaterThanOrEqual(2_500);
    expect(state(await rig.ask('GET', '/control/state')).wifi).toBe('up');
  });

  test('POST /control/stall: the server task is busy for so long', async () => {
    const rig = await ControlRig.start();
    const answer = await rig.ask('POST', '/control/stall', { body: { seconds: 1 } });
    expect([answer.status, state(answer).busy]).toEqual([200, true]);
    await rig.mem.run(1_000);
    expect(state(await rig.ask('GET', '/control/state')).busy).toBe(false);
  });

  test.each(['PATCH', 'POST'])('%s /control/link changes what is named, and nothing else', async method => {
    const rig = await ControlRig.start();
    const before = rig.device.link;
    const answer = await rig.ask(method, '/control/link', { body: { latencyMs: 200, stallChance: 0.5 } });
    expect([answer.status, answer.json]).toEqual([200, { ...before, latencyMs: 200, stallChance: 0.5 }]);
    expect(rig.device.link).toEqual(answer.json);
  });

  test('a scenario is played, and what happens is recorded as a file that plays the same', async () => {
    const rig = await ControlRig.start();
    await rig.mem.run(1_000);
    const scenario = [
      { at: 0.5, setLink: { latencyMs: 1 } },
      { at: 0.25, wifiDown: 0.1 },
    ];
    const played = await rig.ask('POST', '/control/scenario', { body: scenario });
    expect([played.status, played.json]).toEqual([202, { steps: 2, seconds: 0.5 }]);
    await rig.mem.run(600);
    const { status, headers, json, text } = await rig.ask('GET', '/control/scenario');
    expect(status).toBe(200);
    expect(headers['content-disposition']).toBe('attachment; filename="scenario.json"');
    expect(json).toEqual([
      { at: 1.25, wifiDown: 0.1 },
      { at: 1.5, setLink: { latencyMs: 1 } },
    ]);
    // a step a line
    expect(text.split('\n')).toHaveLength(5);
    expect(
      (await rig.ask('POST', '/control/scenario', { body: text, headers: { 'Content-Type': 'application/json' } }))
        .status,
    ).toBe(202);
  });

  test('nothing has happened yet: the scenario is an empty list', async () => {
    const rig = await ControlRig.start();
    expect((await rig.ask('GET', '/control/scenario')).text).toBe('[]\n');
  });

  test('the log comes as text, the last 500 lines', async () => {
    const rig = await ControlRig.start();
    for (let i = 0; i < 1_203; i++) rig.log.add(`I (${i}) app: <b>line</b>`);
    const { status, headers, text } = await rig.ask('GET', '/control/log');
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(headers['x-content-type-options']).toBe('nosniff');
    const lines = text.split('\n');
    expect([lines[0], lines[499], lines[500]]).toEqual(['I (703) app: <b>line</b>', 'I (1202) app: <b>line</b>', '']);
  });

  test.each([
    ['POST', '/control/wifi-down', {}, 'wifiDown: seconds must be a number from 0 to 86400, not undefined'],
    ['POST', '/control/wifi-down', { seconds: '5' }, 'wifiDown: seconds must be a number from 0 to 86400, not 5'],
    ['POST', '/control/stall', [5], 'the body must be an object'],
    ['POST', '/control/stall', { seconds: 1, hours: 2 }, "the body has no field 'hours'; it has seconds"],
    ['POST', '/control/stall', undefined, 'a body is missing; send such as {"seconds":5}'],
    ['POST', '/control/reboot', { wait: 1 }, 'wait must be true or false'],
    ['POST', '/control/reboot', { seconds: 1 }, "the body has no field 'seconds'; it has bootSeconds, wait"],
    [
      'POST',
      '/control/brown-out',
      { bootSeconds: -1 },
      'brownOut.bootSeconds must be a number from 0 to 86400, not -1',
    ],
    ['PATCH', '/control/link', { latency: 1 }, /^setLink has no field 'latency'; it has bandwidthUp, /],
    ['PATCH', '/control/link', 'null', /^setLink must be an object/],
    ['POST', '/control/scenario', [{ at: 1 }], /^step 0 must have 'at' and one of wifiDown, /],
    ['POST', '/control/scenario', '[{]', /^the body is not JSON; send such as \[{"at":1,"wifiDown":3}/],
  ])('%s %s with %j is refused with 400 and a sentence', async (method, path, body, sentence) => {
    const rig = await ControlRig.start();
    const asked = await rig.ask(method, path, {
      body,
      headers: typeof body === 'string' ? { 'Content-Type': 'application/json' } : {},
    });
    expect([asked.status, asked.json]).toEqual([
      400,
      { error: typeof sentence === 'string' ? sentence : expect.stringMatching(sentence) },
    ]);
    expect(rig.device.recorded()).toEqual([]);
  });

  test.each([
    [
      undefined,
      /^the body must be of type application\/json, and it names no type; with curl: -H 'Content-Type: application\/json' -d '{"seconds":5}'$/,
    ],
    ['text/plain', /and it is something else/],
  ])('a body of type %s is refused with 415', async (type, sentence) => {
    const rig = await ControlRig.start();
    const headers = type === undefined ? {} : { 'Content-Type': type };
    const { status, json } = await rig.ask('POST', '/control/stall', { body: '{"seconds":1}', headers });
    expect([status, json]).toEqual([415, { error: expect.stringMatching(sentence) }]);
    const taken = { 'Content-Type': 'Application/JSON; charset=utf-8' };
    expect((await rig.ask('POST', '/control/stall', { body: '{"seconds":1}', headers: taken })).status).toBe(200);
  });

  test.each([
    ['GET', '/control/nothing', 404, undefined],
    ['GET', '/favicon.ico', 404, undefined],
    ['PUT', '/control/link', 405, 'PATCH, POST'],
    ['GET', '/control/reboot', 405, 'POST'],
    ['DELETE', '/control/scenario', 405, 'GET, HEAD, POST'],
  ])('%s %s is answered with %i, as JSON', async (method, path, status, allow) => {
    const rig = await ControlRig.start();
    const asked = await rig.ask(method, path);
    expect([asked.status, asked.headers.allow, asked.json]).toEqual([status, allow, { error: expect.any(String) }]);
  });

  test('serves the page with a policy that lets nothing in from elsewhere', async () => {
    const rig = await ControlRig.start();
    const { status, headers, text } = await rig.ask('GET', '/');
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[\w+/]+='; style-src 'sha256-[\w+/]+='; .*frame-ancestors 'none'$/,
    );
    expect(text).toContain('<title>');
    expect((await rig.ask('HEAD', '/')).text).toBe('');
  });

  test('it stops without the device, and frees its port; the device no longer tells it anything', async () => {
    const rig = await ControlRig.start();
    const { port, url } = rig.server;
    const off = vi.spyOn(rig.device, 'off');
    expect(url).toBe(`http://127.0.0.1:${port}/`);
    await rig.server.stop();
    expect(rig.server.port).toBe(0);
    expect(off.mock.calls.map(([name]) => name).sort()).toEqual(['boot', 'down', 'error', 'event']);
    rig.device.stall(0.01);
    expect(rig.device.state).toBe('running');
    await using again = await controlStart(rig.device, { port });
    expect(again.port).toBe(port);
  });

  test('rejects what it can not work with', async () => {
    const { device, server } = await ControlRig.start();
    await expect(controlStart({} as never)).rejects.toMatchObject({ code: ESP_ERR_INVALID_ARG });
    await expect(controlStart(device, null as never)).rejects.toMatchObject({ code: ESP_ERR_INVALID_ARG });
    for (const wrong of [{ hots: '::1' }, { log: {} }]) {
      await expect(controlStart(device, wrong as never)).rejects.toMatchObject({ code: ESP_ERR_INVALID_ARG });
    }
    await expect(controlStart(device, { port: -1 })).rejects.toMatchObject({ code: ESP_ERR_INVALID_ARG });
    await expect(controlStart(device, { port: server.port })).rejects.toMatchObject({
      code: ESP_ERR_HTTPD_TASK,
      cause: { code: 'EADDRINUSE' },
    });
  });

  test('whoever waits is told of a device that could not boot again', async () => {
    let boots = 0;
    const rig = await ControlRig.start({
      onBoot(server) {
        boots += 1;
        if (boots > 1) throw new Error('no');
        hello(server);
      },
    });
    const asked = rig.ask('POST', '/control/reboot', { body: { bootSeconds: 0, wait: true } });
    await rig.mem.until(() => rig.device.state === 'stopped');
    const { status, json } = await asked;
    expect([status, json]).toEqual([409, { error: 'the device has stopped, and does not run again' }]);
  });
});

describe('a page of elsewhere', () => {
  const own = '127.0.0.1:9000';

  /** What the hook answers; undefined if it lets the request go on. */
  async function answer(
    headers: Record<string, string | undefined>,
    { bound = '127.0.0.1', method = HTTP_POST, uri = '/control/reboot' } = {},
  ): Promise<string | undefined> {
    let status: string | undefined;
    const req = {
      method,
      uri,
      listener: { port: 9000 },
      getHdrValueStr: (name: string) => headers[name],
      respSetHdr: () => {},
      respSetType: () => {},
      respSetStatus: (text: string) => {
        status = text;
      },
      respSend: async () => {},
    };
    await guard(bound)(req as unknown as HttpdReq);
    return status;
  }
  const refused = '403 Forbidden';

  test.each([
    ['127.0.0.1', own, true],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', 'localhost:9000', true],
    ['127.0.0.1', 'LocalHost.:9000', true],
    ['127.0.0.1', 'device.localhost:9000', true],
    ['127.0.0.1', '127.9.9.9:9000', true],
    ['127.0.0.1', '[::1]:9000', true],
    ['127.0.0.1', undefined, false],
    ['127.0.0.1', '', false],
    ['127.0.0.1', 'evil.example:9000', false],
    ['127.0.0.1', '127.0.0.1.evil.example', false],
    ['127.0.0.1', 'notlocalhost', false],
    ['127.0.0.1', 'localhost.evil.example', false],
    ['127.0.0.1', '192.168.1.5:9000', false],
    ['127.0.0.1', '[::2]:9000', false],
    ['127.0.0.1', 'localhost:9000:1', false],
    ['192.168.1.5', '192.168.1.5:9000', true],
    ['192.168.1.5', '192.168.1.6:9000', false],
    ['fe80::1', '[FE80::1]:9000', true],
    ['Board.lan', 'board.LAN:9000', true],
    ['0.0.0.0', '192.168.1.5:9000', true],
    ['0.0.0.0', 'evil.example:9000', false],
    ['::', '[2001:db8::1]:9000', true],
    ['::', '1.2.3.4', true],
    ['::', 'evil.example', false],
    ['0', '192.168.1.5:9000', true],
    ['::0', '[::2]:9000', true],
    ['fe80::1%eth0', '[fe80::1]:9000', true],
    ['fe80::1%eth0', '[fe80::2]:9000', false],
    ['::0', 'evil.example', false],
    ['::ffff:127.0.0.1', '[::ffff:7f00:1]:9000', true],
    ['fe80::1%eth0', 'evil.example', false],
  ])('a server on %s that is called %s: %s (DNS rebinding)', async (bound, host, passes) => {
    expect(await answer({ Host: host }, { bound })).toBe(passes ? undefined : refused);
  });

  test.each([
    ['http://127.0.0.1:9000', true],
    ['HTTP://127.0.0.1:9000', true],
    ['http://127.0.0.1:9001', false],
    ['http://localhost:9000', false],
    ['https://127.0.0.1:9000', false],
    ['https://evil.example', false],
    ['null', false],
    ['', false],
  ])('with Origin %s: %s', async (origin, passes) => {
    for (const method of [HTTP_POST, HTTP_GET]) {
      expect(await answer({ Host: own, Origin: origin }, { method })).toBe(passes ? undefined : refused);
    }
  });

  // a port of its own is no port, on either side
  test.each([
    ['localhost:80', 'http://localhost', true],
    ['localhost', 'http://localhost:80', true],
    ['[::1]:80', 'http://[::1]', true],
    ['localhost', 'https://localhost', false],
    ['localhost:443', 'https://localhost', false],
    ['localhost', 'http://localhost:8080', false],
  ])('called %s, with Origin %s: %s', async (host, origin, passes) => {
    expect(await answer({ Host: host, Origin: origin }, { method: HTTP_POST })).toBe(passes ? undefined : refused);
  });

  test.each([
    ['same-origin', 'cors', '/control/state', true],
    ['none', 'navigate', '/control/state', true],
    ['same-site', 'no-cors', '/control/state', false],
    ['cross-site', 'no-cors', '/control/state', false],
    ['cross-site', 'navigate', '/control/state', false],
    ['cross-site', 'navigate', '/', true],
    ['cross-site', 'no-cors', '/', false],
  ])('with Sec-Fetch-Site %s and -Mode %s GET %s: %s', async (site, mode, uri, passes) => {
    const headers = { Host: own, 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': mode };
    expect(await answer(headers, { method: HTTP_GET, uri })).toBe(passes ? undefined : refused);
    if (uri === '/') expect(await answer(headers, { method: HTTP_POST, uri })).toBe(refused);
  });

  test('is told so, and nothing has happened', async () => {
    const rig = await ControlRig.start();
    const foreign = await rig.ask('POST', '/control/reboot', { headers: { Origin: 'https://evil.example' } });
    expect([foreign.status, foreign.json]).toEqual([403, { error: expect.stringContaining('(Origin)') }]);
    const rebound = await rig.ask('POST', '/control/reboot', { headers: { Host: 'evil.example' } });
    expect([rebound.status, rebound.json]).toEqual([
      403,
      { error: expect.stringContaining(`open ${rig.server.url}, or send 'Host: localhost'`) },
    ]);
    expect(rig.device.recorded()).toEqual([]);
    // what is refused is refused on every path
    expect((await rig.ask('GET', '/nothing', { headers: { Host: 'evil.example' } })).status).toBe(403);
  });
});

test.each([
  ['http', '127.0.0.1', 'http://127.0.0.1:80/'],
  ['https', '0.0.0.0', 'https://127.0.0.1:80/'],
  ['http', '::', 'http://[::1]:80/'],
  ['http', '::0', 'http://[::1]:80/'],
  ['http', '0', 'http://127.0.0.1:80/'],
  ['http', '127.1', 'http://127.0.0.1:80/'],
  ['http', 'fe80::1', 'http://[fe80::1]:80/'],
  ['http', 'fe80::1%eth0', 'http://[fe80::1%eth0]:80/'],
  ['http', 'board.lan', 'http://board.lan:80/'],
])('%s on %s is opened as %s', (scheme, host, url) => {
  expect(urlOf(scheme, host, 80)).toBe(url);
});

test('the device serves while it is watched', async () => {
  const mem = await MemDevice.start();
  await using control = await controlStart(mem.device);
  const conn = mem.connect();
  conn.deliver(request());
  await mem.until(() => conn.sent.length > 0);
  expect((await fetch(`${control.url}control/state`)).status).toBe(200);
});
