/** A request that can't be read: the page and the log say why, in words that help whoever has written the client. */
import { describe, expect, test } from 'vitest';
import { formParts, readForm } from '../../src/web/form.js';
import { collectLog } from '../support/server.js';
import { exchange, post, request, serve } from './support.js';

const MULTIPART = 'Content-Type: multipart/form-data';

/** A server whose log can be looked at. */
async function start() {
  const { logger, lines } = collectLog('warn');
  const server = await serve(
    {
      'GET /': req => req.respSend('ok'),
      'POST /form': async req => req.respSend(`${await readForm(req)}`),
      'POST /parts': async req => {
        for await (const part of formParts(req)) await part.text();
        await req.respSend('ok');
      },
      'POST /json': async req => req.respSend(JSON.stringify(await req.json())),
      'POST /text': async req => req.respSend(await req.text()),
      'POST /own': async req => {
        await req.text().catch(() => {
          throw new Error('a secret of the application');
        });
      },
    },
    { logger },
  );
  return { server, lines };
}

describe.each<[string, string | Buffer, number, RegExp]>([
  ['raw UTF-8 in the path', Buffer.from(request('GET /ü')), 400, /a byte above 127 in the target/],
  ['raw UTF-8 in the query', Buffer.from(request('GET /?q=ü')), 400, /a byte above 127 in the target/],
  ['raw UTF-8 in the authority', Buffer.from(request('GET http://ü/')), 400, /a byte above 127 in the target/],
  ['a quote in the path', request('GET /"a"'), 400, /in the target: it has to be written as %22/],
  ['a quote in the query', request('GET /?q="a"'), 400, /in the target: it has to be written as %22/],
  ['an angle bracket', request('GET /<a>'), 400, /in the target: it has to be written as %3C/],
  ['a lonely percent sign', request('GET /100%'), 400, /'%' in the target|&#39;%&#39; in the target/],
  ['a fragment', request('GET /#top'), 400, /a fragment is not sent/],
  ['DEL', request('GET /\x7f'), 400, /a control character in the target: it has to be written as %7F/],
  ['a URI of another scheme', request('GET ftp://a/'), 400, /begins with (?:'|&#39;)\//],
  ['an unknown coding', request('POST /', 'Transfer-Encoding: gzip, chunked'), 501, /an unknown transfer coding/],
  ['a form without a type', post('/form', 'a=1'), 400, /without a Content-Type/],
  ['a form without a boundary', post('/form', 'a=1', MULTIPART), 400, /needs a boundary/],
  ['a boundary that is none', post('/form', 'a=1', `${MULTIPART}; boundary="a\tb"`), 400, /needs a boundary/],
  ['a form that ends too soon', post('/parts', '--x\r\n', `${MULTIPART}; boundary=x`), 400, /the form is malformed/],
  ['a body that is not JSON', post('/json', '{'), 400, /the body is not JSON/],
  ['a broken chunk', `${request('POST /text', 'Transfer-Encoding: chunked')}zz\r\n`, 400, /cannot be received/],
])('%s', (_name, bytes, status, reason) => {
  test('is told on the page and in the log', async () => {
    const { server, lines } = await start();
    const response = await exchange(server, bytes);
    expect(response.status).toBe(status);
    expect(response.text).toMatch(reason);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(reason);
    if (status === 400) expect(lines[0]).not.toMatch(/method/i);
  });
});

test('what an application throws because of a broken body stays inside; what is wrong with the body does not', async () => {
  const { server } = await start();
  const { status, text } = await exchange(server, `${request('POST /own', 'Transfer-Encoding: chunked')}zz\r\n`);
  expect(status).toBe(400);
  expect(text).toContain('The reason: the body cannot be received');
  expect(text).not.toContain('secret');
});
