import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { type BasicAuthOptions, basicAuth, basicAuthUser } from '../../src/web/basic_auth.js';
import { connectTo } from '../support/server.js';
import { errorOf, exchange, isOpen, ok, request, serve } from './support.js';

const basic = (text: string | Buffer) => `Basic ${Buffer.from(text).toString('base64')}`;

/** A server with one user, 'admin', and one with a name that is not ASCII. */
async function guarded(options: Partial<BasicAuthOptions> = {}) {
  const users = { admin: 'pass:wörd 12', jörg: 'x' };
  const server = await serve({ 'GET /admin': req => void req.respSend(`hello ${basicAuthUser(req)}`), 'GET /': ok });
  server.before('/admin', basicAuth({ realm: 'device', users, ...options }));
  return server;
}

async function statusOf(server: Awaited<ReturnType<typeof guarded>>, ...fields: string[]): Promise<number> {
  const lines = fields.map(value => `Authorization: ${value}`);
  return (await exchange(server, request('GET /admin', ...lines))).status;
}

describe('basicAuth', () => {
  test.each([
    ['the right one', basic('admin:pass:wörd 12'), 'admin'],
    ['the scheme in another case', basic('admin:pass:wörd 12').replace('Basic', 'bASIC'), 'admin'],
    ['several blanks', basic('admin:pass:wörd 12').replace(' ', '   '), 'admin'],
    ['a user that is not ASCII', basic('jörg:x'), 'jörg'],
    ['the same, decomposed', basic('jörg:x'.normalize('NFD')), 'jörg'],
  ])('lets pass %s', async (_what, field, user) => {
    const server = await guarded();
    const response = await exchange(server, request('GET /admin', `Authorization: ${field}`));
    expect([response.status, response.text]).toEqual([200, `hello ${user}`]);
  });

  test('answers others with a challenge; the connection stays open', async () => {
    const server = await guarded();
    const client = await connectTo(server);
    const response = await client.send(request('GET /admin')).readResponse();
    expect([response.status, response.headers['www-authenticate']]).toEqual([
      401,
      'Basic realm="device", charset="UTF-8"',
    ]);
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('guards what nobody has registered, and WebSockets, too', async () => {
    const server = await guarded();
    server.registerUriHandler({ uri: '/admin/ws', method: HTTP_GET, isWebsocket: true, handler: () => {} });
    expect((await exchange(server, request('GET /admin/nothing'))).status).toBe(401);
    const handshake = [
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
    ];
    expect((await exchange(server, request('GET /admin/ws', ...handshake))).status).toBe(401);
  });

  const right = basic('admin:pass:wörd 12').slice('Basic '.length);
  test.each([
    ['no user and password', basic(':')],
    ['nothing', basic('')],
    ['an empty field', ''],
    ['the scheme alone', 'Basic'],
    ['the scheme and a blank', 'Basic '],
    ['an empty password', basic('admin:')],
    ['an empty user', basic(':pass:wörd 12')],
    ['no colon', basic('admin')],
    ['a password that only begins so', basic('admin:pass:wörd 12x')],
    ['a beginning of the password', basic('admin:pass')],
    ['the password in another case', basic('admin:Pass:wörd 12')],
    ['a beginning of the user', basic('adm:pass:wörd 12')],
    ['another user', basic('root:pass:wörd 12')],
    ["another user's password", basic('jörg:pass:wörd 12')],
    ['a property of Object', basic('constructor:x')],
    ['__proto__', basic('__proto__:x')],
    ['NUL behind the user', basic('admin\0:pass:wörd 12')],
    ['NUL behind the password', basic('admin:pass:wörd 12\0')],
    ['a line ending behind the password', basic('admin:pass:wörd 12\n')],
    ['Latin-1 for UTF-8', basic(Buffer.from('admin:pass:wörd 12', 'latin1'))],
    ['a byte order mark', basic('\ufeffadmin:pass:wörd 12')],
    ['another scheme', `Bearer ${right}`],
    ['a scheme that only ends so', `XBasic ${right}`],
    ['no blank behind the scheme', `Basic${right}`],
    ['a tab behind the scheme', `Basic\t${right}`],
    ['a parameter', `Basic ${right}, realm="device"`],
    ['text behind', `Basic ${right} x`],
    ['two in one field', `Basic ${right}, Basic ${right}`],
    ['no padding', `Basic ${right.replace(/=+$/, '')}`],
    ['too much padding', `Basic ${right}=`],
    [
      'bits behind the end',
      `Basic ${right.slice(0, -3)}${String.fromCharCode(right.charCodeAt(right.length - 3) + 1)}==`,
    ],
    ['base64url', 'Basic YWRtaW46_-8='],
    ['a blank inside', `Basic ${right.slice(0, 8)} ${right.slice(8)}`],
  ])('refuses %s: %s', async (_what, field) => {
    expect(await statusOf(await guarded(), field)).toBe(401);
  });

  test('refuses more than one Authorization field, even if all are right', async () => {
    const server = await guarded();
    const field = basic('admin:pass:wörd 12');
    expect(await statusOf(server, field)).toBe(200);
    expect(await statusOf(server, field, field)).toBe(401);
    expect(await statusOf(server, 'Basic', field)).toBe(401);
    expect(await statusOf(server, field, '')).toBe(401);
  });

  test('users may be a Map, and are looked at once', async () => {
    const users = new Map([['a', '1']]);
    const server = await guarded({ users });
    users.set('b', '2').delete('a');
    expect([await statusOf(server, basic('a:1')), await statusOf(server, basic('b:2'))]).toEqual([200, 401]);
  });

  test('quotes the realm', async () => {
    const server = await guarded({ realm: 'my "lab" \\ 1' });
    const { headers } = await exchange(server, request('GET /admin'));
    expect(headers['www-authenticate']).toBe('Basic realm="my \\"lab\\" \\\\ 1", charset="UTF-8"');
  });
});

describe('verify', () => {
  const verifying = (verify: BasicAuthOptions['verify']) => guarded({ users: undefined, verify });

  test('is asked with user, password and request', async () => {
    const asked: unknown[] = [];
    const server = await verifying((user, password, req) => {
      asked.push([user, password, req.uri]);
      return true;
    });
    expect(await statusOf(server, basic('a:b:c'))).toBe(200);
    expect(asked).toEqual([['a', 'b:c', '/admin']]);
  });

  test.each([
    ['true', () => true, 200],
    ['false', () => false, 401],
    ['a promise of true', async () => true, 200],
    ['a promise of false', async () => false, 401],
    ['what is only truthy', () => 1 as unknown as boolean, 401],
    ['a promise of what is only truthy', async () => 'yes' as unknown as boolean, 401],
    ['nothing', () => undefined as unknown as boolean, 401],
    ['a throw', () => throwing(), 500],
    ['a rejection', async () => throwing(), 500],
  ])('%s', async (_what, verify, status) => {
    expect(await statusOf(await verifying(verify), basic('a:b'))).toBe(status);
  });

  test('is not asked without proper credentials', async () => {
    let asked = 0;
    const server = await verifying(() => {
      asked += 1;
      return true;
    });
    const latin1 = basic(Buffer.from('a:\xfc', 'latin1'));
    const wrong = ['', 'Basic', basic(''), basic(':'), basic('a:'), basic(':b'), basic('a'), basic('a\0:b'), latin1];
    for (const field of wrong) {
      expect(await statusOf(server, field), field).toBe(401);
    }
    expect(asked).toBe(0);
  });
});

describe('options: ESP_ERR_INVALID_ARG', () => {
  const users = { a: '1' };
  test.each<[why: string, options: unknown]>([
    ['no object', undefined],
    ['no object', null],
    ['an unknown name', { realm: 'x', users, user: 'a' }],
    ['no realm', { users }],
    ['a realm with a line ending', { realm: 'x\r\nX: y', users }],
    ['a realm that is not ASCII', { realm: 'ü', users }],
    ['neither users nor verify', { realm: 'x' }],
    ['both', { realm: 'x', users, verify: () => true }],
    ['no user at all', { realm: 'x', users: {} }],
    ['no user at all', { realm: 'x', users: new Map() }],
    ['users that are no object', { realm: 'x', users: 'a' }],
    ['users that are no object', { realm: 'x', users: null }],
    ['an empty user', { realm: 'x', users: { '': '1' } }],
    ['an empty password', { realm: 'x', users: { a: '' } }],
    ['a password that is no string', { realm: 'x', users: { a: 1 } }],
    ['a user that is no string', { realm: 'x', users: new Map([[1, '1']]) }],
    ['a user with a colon', { realm: 'x', users: { 'a:b': '1' } }],
    ['a user with a control character', { realm: 'x', users: { 'a\n': '1' } }],
    ['a password with a control character', { realm: 'x', users: { a: '1\x7f' } }],
    ['a user twice', { realm: 'x', users: { ü: '1', 'u\u0308': '2' } }],
    ['verify that is no function', { realm: 'x', verify: true }],
  ])('%s', async (_why, options) => {
    expect(await errorOf(() => basicAuth(options as BasicAuthOptions))).toBe('ESP_ERR_INVALID_ARG');
  });

  test('no message tells a password', () => {
    expect(() => basicAuth({ realm: 'x', users: { a: 'secret\n' } })).toThrow(/^(?!.*secret).*'a'/);
  });
});

test('basicAuthUser: undefined without proper credentials, and in a copy of the request the same', async () => {
  const users: (string | undefined)[] = [];
  const server = await serve({
    'GET /': (req: HttpdReq) => {
      users.push(basicAuthUser(req));
      const copy = req.asyncHandlerBegin();
      users.push(basicAuthUser(copy));
      void copy.respSend();
      copy.asyncHandlerComplete();
    },
  });
  await exchange(server, request('GET /', `Authorization: ${basic('a:b')}`));
  await exchange(server, request('GET /'));
  expect(users).toEqual(['a', 'a', undefined, undefined]);
});

function throwing(): never {
  throw Object.assign(new Error('the table of users is gone'), { code: ESP_FAIL });
}
