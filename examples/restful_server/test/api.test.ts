import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { espLog, httpdEsp32Config, uriMatchWildcard } from '../../../src/index.js';
import { chunked, exchange, isOpen, post, request } from '../../../test/http/support.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer } from '../../../test/support/server.js';
import { register } from '../app.js';
import { readLight } from '../light.js';
import { type RestParts, registerRestHandlers, SCRATCH_BUFSIZE, TAG } from '../rest_server.js';

const INFO = '/api/v1/system/info';
const TEMP = '/api/v1/temp/raw';
const LIGHT = '/api/v1/light/brightness';

/** A server, and the lines of its log that are the example's. */
async function start(parts: RestParts = {}) {
  const { logger, lines } = collectLog();
  const server = await startTestServer();
  registerRestHandlers(server, { log: espLog(TAG, logger), ...parts });
  return { server, lines };
}

const lightIs = (red: number, green: number, blue: number) =>
  `{\n\t"red":\t${red},\n\t"green":\t${green},\n\t"blue":\t${blue}\n}`;

describe('GET', () => {
  test('of the system tells version and cores, as cJSON_Print writes them', async () => {
    const { server } = await start();
    const { status, headers, text } = await exchange(server, request(`GET ${INFO}`));
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(text).toBe(`{\n\t"version":\t"${process.version}",\n\t"cores":\t${availableParallelism()}\n}`);
  });

  test('of the temperature tells what the thermometer shows', async () => {
    const { server } = await start({ readTemperature: () => 13 });
    const { status, headers, text } = await exchange(server, request(`GET ${TEMP}`));
    expect([status, headers['content-type'], text]).toEqual([200, 'application/json', '{\n\t"raw":\t13\n}']);
    expect(headers['cache-control']).toBe('no-store');
  });

  test('of the temperature is a whole number from 0 to 19 where there is no thermometer', async () => {
    const { server } = await start();
    const client = await connectTo(server);
    for (let i = 0; i < 20; i++) {
      const { raw } = JSON.parse((await client.send(request(`GET ${TEMP}`)).readResponse()).text) as { raw: number };
      expect(Array.from({ length: 20 }, (_, at) => at)).toContain(raw);
    }
  });

  test.each(['/', '/index.html', '/?from=here'])('%s is the page', async uri => {
    const { server, lines } = await start();
    const { status, headers, text } = await exchange(server, request(`GET ${uri}`));
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/]+='; /);
    expect(text).toContain('<h1>ESP Home</h1>');
    expect(lines).toEqual(['I esp-rest: File sending complete']);
  });

  test.each([
    ['/favicon.ico', '/favicon.ico'],
    ['/css/', '/css/'],
    ['/%1b[2J', '/%1b[2J'],
    ['/../../etc/passwd', '/../../etc/passwd'],
    [`/${'x'.repeat(300)}`, `/${'x'.repeat(255)}… (301 characters)`],
  ])('%s is no file: 500, as in ESP-IDF, and the connection ends', async (uri, logged) => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    const { status, text } = await client.send(request(`GET ${uri}`)).readResponse();
    expect([status, text]).toEqual([500, 'Failed to read existing file']);
    expect(await client.closed()).toBe('fin');
    expect(lines).toEqual([`E esp-rest: Failed to open file : /www${logged}`]);
  });
});

describe('POST to the light', () => {
  test.each([
    ['of one piece', post(LIGHT, '{"red":50,"green":85,"blue":28}')],
    [
      'of chunks',
      `${request(`POST ${LIGHT}`, 'Transfer-Encoding: chunked')}${chunked(Buffer.from('{"red":50,"green":85,"blue":28}'), 7)}`,
    ],
    ['of a browser on this page', post(LIGHT, '{"red":50,"green":85,"blue":28}', 'Origin: http://localhost')],
  ])('%s is logged, answered, and remembered', async (_what, bytes) => {
    const { server, lines } = await start();
    expect((await exchange(server, request(`GET ${LIGHT}`))).text).toBe(lightIs(0, 0, 0));
    const { status, text } = await exchange(server, bytes);
    expect([status, text]).toEqual([200, 'Post control value successfully']);
    expect(lines).toEqual(['I esp-rest: Light control: red = 50, green = 85, blue = 28']);
    expect((await exchange(server, request(`GET ${LIGHT}`))).text).toBe(lightIs(50, 85, 28));
  });

  test('that asks for no light that there is gets 400; the light and the connection stay', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    for (const body of ['', '{', 'null', '{"red":1,"green":2}', '{"red":256,"green":0,"blue":0}']) {
      const { status, text } = await client.send(post(LIGHT, body)).readResponse();
      expect([status, text]).toEqual([400, 'red, green and blue must be whole numbers from 0 to 255, in JSON']);
    }
    expect((await client.send(request(`GET ${LIGHT}`)).readResponse()).text).toBe(lightIs(0, 0, 0));
    expect(lines).toEqual([]);
  });

  test('that is announced too long gets 500 at once, before it comes', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    client.send(request(`POST ${LIGHT}`, `Content-Length: ${SCRATCH_BUFSIZE}`));
    const { status, text } = await client.readResponse();
    expect([status, text]).toEqual([500, 'content too long']);
    expect(lines).toEqual([]);
  });

  test.each([
    [SCRATCH_BUFSIZE - 1, 200],
    [SCRATCH_BUFSIZE, 500],
  ])('of %i bytes in chunks gets %i', async (length, expected) => {
    const { server } = await start();
    const body = Buffer.alloc(length, ' ');
    body.write('{"red":1,"green":2,"blue":3}');
    const head = request(`POST ${LIGHT}`, 'Transfer-Encoding: chunked');
    const { status } = await exchange(server, Buffer.concat([Buffer.from(head), chunked(body, 4096)]));
    expect(status).toBe(expected);
  });

  test.each(['Origin: http://evil.example', 'Sec-Fetch-Site: cross-site'])(
    'by a page of another site is refused: %s',
    async header => {
      const { server, lines } = await start();
      const { status } = await exchange(server, post(LIGHT, '{"red":1,"green":2,"blue":3}', header));
      expect([status, lines]).toEqual([403, []]);
    },
  );
});

test.each([
  ['POST', '/'],
  ['POST', INFO],
  ['DELETE', LIGHT],
  ['PUT', '/anything'],
])('%s %s gets 405', async (method, uri) => {
  const { server } = await start();
  const { status, headers } = await exchange(server, request(`${method} ${uri}`, 'Content-Length: 0'));
  expect([status, headers.allow]).toEqual([405, uri === LIGHT ? 'GET, HEAD, POST' : 'GET, HEAD']);
});

test('two servers have a light each, and one that is started again has it off', async () => {
  const [one, two] = [await start(), await start()];
  await exchange(one.server, post(LIGHT, '{"red":1,"green":2,"blue":3}'));
  expect((await exchange(two.server, request(`GET ${LIGHT}`))).text).toBe(lightIs(0, 0, 0));
  await one.server.stop({ grace: 0 });
  const again = await start();
  expect((await exchange(again.server, request(`GET ${LIGHT}`))).text).toBe(lightIs(0, 0, 0));
});

describe.skipIf(ELSEWHERE)('the app', () => {
  test.each([
    ['the default configuration', {}],
    ['wildcards', { uriMatchFn: uriMatchWildcard }],
    ["a device's limits", httpdEsp32Config()],
  ])('serves all of that with %s', async (_what, config) => {
    const server = await startTestServer({ ...config, serverPort: 0 });
    register(server);
    const client = await connectTo(server);
    for (const uri of ['/', INFO, TEMP, LIGHT]) expect(await isOpen(client, uri)).toBe(true);
    expect((await client.send(post(LIGHT, '{"red":1,"green":2,"blue":3}')).readResponse()).status).toBe(200);
    expect((await client.send(request('GET /nothing')).readResponse()).status).toBe(500);
  });
});

describe.skipIf(ELSEWHERE)('readLight', () => {
  const light = { red: 0, green: 128, blue: 255 };

  test.each([
    ['{"red":0,"green":128,"blue":255}', light],
    [' {"blue":255.0,"more":[{}],"red":0e3,\n"green":128} ', light],
    ['', undefined],
    ['0', undefined],
    ['null', undefined],
    ['[0,128,255]', undefined],
    ['"red"', undefined],
    ['{"red":0,"green":128,"blue":255}x', undefined],
    ['{"red":0,"green":128}', undefined],
    ['{"red":"0","green":128,"blue":255}', undefined],
    ['{"red":-1,"green":128,"blue":255}', undefined],
    ['{"red":0,"green":128,"blue":256}', undefined],
    ['{"red":0.5,"green":128,"blue":255}', undefined],
    ['{"red":1e999,"green":128,"blue":255}', undefined],
    ['{"red":null,"green":128,"blue":255}', undefined],
    ['{"__proto__":{"red":0,"green":128,"blue":255}}', undefined],
    ['{"constructor":{},"green":128,"blue":255}', undefined],
  ])('%s', (text, expected) => {
    expect(readLight(text)).toEqual(expected);
  });
});
