import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { connectTo, startTestServer } from '../support/server.js';
import { handshakeRequest } from '../support/ws_frames.js';
import { echo, errorOf, foreignClient, startWs } from './ws_server.js';

async function offer(supported: string | string[] | undefined, lines: string[]) {
  const { server } = await startWs(supported === undefined ? {} : { supportedSubprotocol: supported });
  const client = await connectTo(server);
  const fields = lines.map(line => `Sec-WebSocket-Protocol: ${line}\r\n`).join('');
  client.send(`${handshakeRequest().slice(0, -2)}${fields}\r\n`);
  return client.readResponse();
}

describe('the subprotocol', () => {
  test.each<[string, string | string[] | undefined, string[], string | undefined]>([
    ['the only one offered and supported', 'chat', ['chat'], 'chat'],
    ['one of several offered', 'chat', ['superchat, chat, other'], 'chat'],
    ['the one that the server prefers, not the client', ['b', 'a'], ['a, b'], 'b'],
    ['the next best if the best is not offered', ['c', 'b', 'a'], ['a, b'], 'b'],
    ['found in a second line', 'chat', ['superchat', 'chat'], 'chat'],
    ['found without blanks', 'chat', ['a,chat,b'], 'chat'],
    ['found among blanks and tabs', 'chat', ['a ,\t chat \t,b'], 'chat'],
    ['found behind empty elements', 'chat', [',, chat,'], 'chat'],
    ['a token with every special character', "!#$%&'*+-.^_`|~", ["!#$%&'*+-.^_`|~"], "!#$%&'*+-.^_`|~"],
    ['left out if none is supported', undefined, ['chat'], undefined],
    ['left out if none fits', 'chat', ['superchat'], undefined],
    ['left out if only a part fits', 'chat', ['chatter, cha'], undefined],
    ['left out if only its case differs (names are compared as they are)', 'chat', ['Chat'], undefined],
    ['left out if the client offers none', 'chat', [], undefined],
    ['left out if the client offers nothing in an empty field', 'chat', [''], undefined],
    ['left out if the client offers nothing in two empty fields', 'chat', ['', ''], undefined],
    ['left out if the client offers commas only', 'chat', [', ,'], undefined],
    ['found behind an empty field', 'chat', ['', 'chat'], 'chat'],
    ['not a name of Object.prototype', 'chat', ['__proto__, constructor'], undefined],
  ])('is %s', async (_name, supported, lines, chosen) => {
    const response = await offer(supported, lines);
    expect(response.status).toBe(101);
    expect(response.headers['sec-websocket-protocol']).toBe(chosen);
    expect(response.headerLines.filter(line => /^sec-websocket-protocol/i.test(line))).toHaveLength(
      chosen === undefined ? 0 : 1,
    );
  });

  test.each([
    ['a blank in a name', ['super chat, chat']],
    ['a quoted name', ['"chat"']],
    ['a slash', ['chat/1']],
    ['the same name twice', ['chat, chat']],
    ['the same name in two lines', ['chat', 'chat']],
    ['a byte above 127', ['ch\xe4t']],
    ['a no-break space around the name', ['\xa0chat\xa0']],
  ])('list with %s gets 400', async (_name, lines) => {
    expect((await offer('chat', lines)).status).toBe(400);
  });

  test('list of very many names is read in time that grows with its length', async () => {
    const names = Array.from({ length: 2_500 }, (_, i) => `n${i}`);
    const response = await offer('chat', [`${names.join(',')},chat`]);
    expect([response.status, response.headers['sec-websocket-protocol']]).toEqual([101, 'chat']);
  });

  test.each<[string, unknown]>([
    ['a number', 7],
    ['an empty string', ''],
    ['a name with a blank', 'super chat'],
    ['a list with something else', ['chat', 1]],
    ['CR LF', 'chat\r\nX: y'],
  ])('of a URI handler can not be %s', async (_name, supportedSubprotocol) => {
    const server = await startTestServer();
    const uri = { uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: echo, supportedSubprotocol };
    expect(await errorOf(() => server.registerUriHandler(uri as never))).toBe('ESP_ERR_INVALID_ARG');
  });

  test('is what the ws client learns', async () => {
    const { server } = await startWs({ supportedSubprotocol: ['chat', 'superchat'] });
    const ws = foreignClient(server.port, ['superchat', 'chat']);
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    expect(ws.protocol).toBe('chat');
    ws.terminate();
  });
});
