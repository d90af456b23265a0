import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { ESP_OK } from '../../src/err.js';
import { HTTPD_403_FORBIDDEN } from '../../src/httpd/http_err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { WsOriginCheck } from '../../src/httpd_ws/options.js';
import { collectLog, connectTo, startTestServer } from '../support/server.js';
import { handshakeRequest } from '../support/ws_frames.js';
import { startWs } from './ws_server.js';
import { endLog, turns } from './ws_watch.js';

const HERE = 'https://example.com';

/** The status that a handshake with these headers gets. */
async function statusOf(
  wsAllowedOrigins: HttpdUri['wsAllowedOrigins'],
  headers: Record<string, string | undefined>,
  uri: Partial<HttpdUri> = {},
  config: Partial<HttpdConfig> = {},
): Promise<number> {
  const { server } = await startWs({ ...uri, ...(wsAllowedOrigins !== undefined && { wsAllowedOrigins }) }, config);
  const client = await connectTo(server);
  client.send(handshakeRequest({ headers }));
  return (await client.readResponse()).status;
}

describe('wsAllowedOrigins', () => {
  test.each<[given: HttpdUri['wsAllowedOrigins'], headers: Record<string, string>, status: number]>([
    [undefined, { Origin: 'https://evil.example' }, 101],
    [[HERE], { Origin: HERE }, 101],
    [[HERE], { origin: 'HTTPS://Example.COM' }, 101],
    [[HERE], {}, 101],
    [[HERE], { Origin: 'https://evil.example' }, 403],
    [[HERE], { Origin: '' }, 403],
    [[HERE], { Origin: 'null' }, 403],
    [[HERE], { Origin: HERE, oRIGIN: 'https://evil.example' }, 403],
    [[HERE], { Origin: HERE, oRIGIN: HERE }, 403],
    [[], { Origin: HERE }, 403],
    ['same-origin', { Origin: 'http://device.local', Host: 'device.local' }, 101],
    ['same-origin', { Origin: 'http://Device.local:8080', Host: 'DEVICE.local:8080' }, 101],
    ['same-origin', { Origin: 'https://device.local', Host: 'device.local' }, 101],
    ['same-origin', { Origin: 'http://[::1]:8080', Host: '[::1]:8080' }, 101],
    ['same-origin', { Origin: 'https://device.local', Host: 'device.local:443' }, 101],
    ['same-origin', { Origin: 'http://[::1]', Host: '[::1]:80' }, 101],
    ['same-origin', { Origin: 'http://device.local', Host: 'device.local:443' }, 403],
    ['same-origin', { Host: 'device.local' }, 101],
    ['same-origin', { Origin: 'http://device.local', Host: 'device.local:8080' }, 403],
    ['same-origin', { Origin: 'http://device.local.evil.example', Host: 'device.local' }, 403],
    ['same-origin', { Origin: 'http://evil.example', Host: 'device.local' }, 403],
    ['same-origin', { Origin: 'http://evil.example', Host: 'device.local', 'X-Forwarded-Host': 'evil.example' }, 403],
  ])('%j: a handshake with %j gets %i', async (given, headers, status) => {
    expect(await statusOf(given, headers)).toBe(status);
  });

  test.each<[given: HttpdUri['wsAllowedOrigins'], origin: string, line: string]>([
    [[HERE], 'https://evil.example', "the Origin 'https://evil.example' is not in wsAllowedOrigins"],
    [
      'same-origin',
      'https://evil.example',
      "the Origin 'https://evil.example' is not that of the Host 'localhost' (wsAllowedOrigins: 'same-origin')",
    ],
    [() => false, 'https://evil.example', "wsAllowedOrigins does not allow 'https://evil.example' as an Origin"],
    [[HERE], 'a\\\xff', "the Origin 'a\\\\\\xff' is not in wsAllowedOrigins"],
    [[HERE], `https://${'x'.repeat(5_000)}`, `the Origin 'https://${'x'.repeat(262)}\\u2026' is not in`],
  ])('%j: that %j may not connect is told in one line of the log', async (given, origin, line) => {
    const { logger, lines } = collectLog();
    expect(await statusOf(given, { Origin: origin, Host: 'localhost' }, {}, { logger })).toBe(403);
    const told = lines.filter(text => text.includes('wsAllowedOrigins'));
    expect(told).toEqual([expect.stringContaining(line)]);
    expect(told[0]).toMatch(/^W /);
    expect(told[0]?.length).toBeLessThan(500);
  });

  test('is not what fails: no event error, and an error handler learns why', async () => {
    const { server } = await startWs({ wsAllowedOrigins: [HERE] });
    const events: number[] = [];
    server.on('error', code => events.push(code));
    const reasons: (string | undefined)[] = [];
    server.registerErrHandler(HTTPD_403_FORBIDDEN, (req, _code, error) => {
      reasons.push(error?.message);
      return req.respSendCustomErr('403 Forbidden', 'no');
    });
    const client = await connectTo(server);
    client.send(handshakeRequest({ headers: { Origin: 'https://evil.example' } }));
    expect(await client.readResponse()).toMatchObject({ status: 403, text: 'no' });
    expect(reasons).toEqual(["the Origin 'https://evil.example' is not in wsAllowedOrigins"]);
    expect(events).toEqual([]);
  });

  test('may be a function, which is asked once and gets undefined without an Origin', async () => {
    const asked: (string | undefined)[] = [];
    const check: WsOriginCheck = origin => {
      asked.push(origin);
      return origin !== 'https://evil.example';
    };
    expect(await statusOf(check, { Origin: HERE })).toBe(101);
    expect(await statusOf(check, {})).toBe(101);
    expect(await statusOf(check, { Origin: 'https://evil.example' })).toBe(403);
    expect(asked).toEqual([HERE, undefined, 'https://evil.example']);
  });

  test('a function that throws lets nobody in: 500, and the server goes on', async () => {
    const { logger, lines } = collectLog();
    const { server } = await startWs(
      {
        wsAllowedOrigins: () => {
          throw new Error('no database');
        },
      },
      { logger },
    );
    for (let i = 0; i < 2; i++) {
      const client = await connectTo(server);
      client.send(handshakeRequest({ headers: { Origin: HERE } }));
      expect((await client.readResponse()).status).toBe(500);
    }
    expect(lines.filter(line => line.includes('no database'))).toHaveLength(2);
  });

  test('a function that returns a promise lets nobody in, whatever becomes of that', async () => {
    const late = (promise: () => Promise<boolean>) => promise as unknown as WsOriginCheck;
    expect(
      await statusOf(
        late(async () => true),
        { Origin: HERE },
      ),
    ).toBe(403);
    const rejects = async () => {
      throw new Error('too late');
    };
    // a rejection that nobody handles would end the process
    expect(await statusOf(late(rejects), { Origin: HERE })).toBe(403);
    await turns();
  });

  test('is asked before all other callbacks, and not for what is no right handshake', async () => {
    const called: string[] = [];
    const note = (name: string) => () => {
      called.push(name);
    };
    const { ended, wsCloseCb } = endLog();
    const uri = { handler: note('handler'), wsPreHandshakeCb: note('pre'), wsPostHandshakeCb: note('post'), wsCloseCb };
    const refuse: WsOriginCheck = () => called.push('origin') < 0;
    expect(await statusOf(refuse, { Origin: HERE }, uri)).toBe(403);
    expect(called).toEqual(['origin']);
    expect(await statusOf(refuse, { Origin: HERE, Upgrade: undefined as never }, uri)).toBe(426);
    expect(called).toEqual(['origin']);
    expect(ended).toEqual([]);
  });

  test('a refused page may not learn more than that: no Upgrade, no Sec-WebSocket-Accept', async () => {
    const { server } = await startWs({ wsAllowedOrigins: [HERE], supportedSubprotocol: 'chat' });
    const client = await connectTo(server);
    client.send(handshakeRequest({ headers: { Origin: 'https://evil.example', 'Sec-WebSocket-Protocol': 'chat' } }));
    const { status, headerLines } = await client.readResponse();
    expect(status).toBe(403);
    expect(headerLines.filter(line => /^(upgrade|sec-websocket|access-control)/i.test(line))).toEqual([]);
  });
});

test.each(['wsMessageMode', 'wsAllowedOrigins', 'wsCloseCb'] as const)(
  '%s of a handler that is no WebSocket is refused',
  async name => {
    const server = await startTestServer();
    const value = { wsMessageMode: true, wsAllowedOrigins: 'same-origin', wsCloseCb: () => {} }[name];
    expect(() =>
      server.registerUriHandler({ uri: '/plain', method: HTTP_GET, handler: () => ESP_OK, [name]: value }),
    ).toThrow(`${name} of '/plain' is for WebSockets: set isWebsocket`);
  },
);
