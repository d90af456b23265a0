import { describe, expect, test } from 'vitest';
import type { UriHandler } from '../../src/httpd/route.js';
import { formParts, readForm } from '../../src/web/form.js';
import type { FormOptions } from '../../src/web/form_options.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { MULTIPART, multipart, URLENCODED } from '../web/form_support.js';
import {
  chunked,
  deferred,
  errorOf,
  exchange,
  isOpen,
  ok,
  pattern,
  request,
  serve,
  stillServes,
  turns,
} from './support.js';

/** A POST of a form. */
function form(type: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from(request('POST /', `Content-Type: ${type}`, `Content-Length: ${bytes.length}`)),
    bytes,
  ]);
}

/** Answers with each part: name, file name, type and length of its content. */
const list =
  (options?: FormOptions): UriHandler =>
  async req => {
    const lines: string[] = [];
    for await (const part of formParts(req, options)) {
      lines.push([part.name, part.filename ?? '-', part.type, (await part.bytes()).length].join('|'));
    }
    await req.respSend(lines.join('\n'));
  };

const BODY = multipart({ content: '1' }, { name: 'f', filename: 'x.bin', type: 'a/b', content: pattern(40_000) });

/** The beginning of an upload. */
const BEGUN = form(MULTIPART, multipart({ filename: 'x', content: pattern(10_000) })).subarray(0, 5_000);

describe('formParts', () => {
  test('reads a form, and the connection is good for the next request', async () => {
    const server = await serve({ 'POST /': list(), 'GET /': ok });
    const client = await connectTo(server);
    const { text } = await client.send(form(MULTIPART, BODY)).readResponse();
    expect(text).toBe('a|-|text/plain|1\nf|x.bin|a/b|40000');
    expect((await client.send(form(URLENCODED, 'a=1&b=%C3%BC')).readResponse()).text).toBe(
      'a|-|text/plain|1\nb|-|text/plain|2',
    );
    expect(await isOpen(client, '/')).toBe(true);
  });

  test.each([1, 700, 100_000])('reads one in chunks of %i bytes', async size => {
    const server = await serve({ 'POST /': list(), 'GET /': ok });
    const body = multipart({ content: '1' }, { name: 'f', filename: '', content: pattern(3_000) });
    const client = await connectTo(server);
    client
      .send(request('POST /', `Content-Type: ${MULTIPART}`, 'Transfer-Encoding: chunked'))
      .send(chunked(body, size));
    expect((await client.readResponse()).text).toBe('a|-|text/plain|1\nf||text/plain|3000');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('works on a copy made by asyncHandlerBegin', async () => {
    const server = await serve({
      'POST /': req => {
        const copy = req.asyncHandlerBegin();
        void readForm(copy).then(async fields => {
          await copy.respSend(fields.toString());
          copy.asyncHandlerComplete();
        });
      },
    });
    expect((await exchange(server, form(URLENCODED, 'a=1&b=2'))).text).toBe('a=1&b=2');
  });

  test.each<[what: string, status: number, bytes: Buffer | string, options: FormOptions]>([
    ['no Content-Type', 400, request('POST /', 'Content-Length: 3').concat('a=1'), {}],
    ['another Content-Type', 400, form('application/json', '{}'), {}],
    ['no boundary', 400, form('multipart/form-data', BODY), {}],
    ['a form without its end', 400, form(MULTIPART, BODY.subarray(0, 20_000)), {}],
    ['a part without a name', 400, form(MULTIPART, multipart({ head: 'X: y\r\n' })), {}],
    ['too many parts', 413, form(MULTIPART, BODY), { maxParts: 1 }],
    ['a file that is too long', 413, form(MULTIPART, BODY), { maxFileLen: 39_999 }],
    ['a field that is too long', 413, form(URLENCODED, 'a=12'), { maxFieldLen: 1 }],
    ['a body that is too long', 413, form(MULTIPART, multipart({ content: pattern(60_000) })), {}],
  ])('%s gets %i if the handler lets it through', async (_what, status, bytes, options) => {
    const server = await serve({ 'POST /': list(options), 'GET /': ok }, { maxReqBodyLen: 50_000 });
    expect((await exchange(server, bytes)).status).toBe(status);
    await stillServes(server, '/');
  });

  test('a body in chunks that is longer than maxReqBodyLen gets 413', async () => {
    const server = await serve({ 'POST /': list() }, { maxReqBodyLen: 10_000 });
    const head = request('POST /', `Content-Type: ${MULTIPART}`, 'Transfer-Encoding: chunked');
    const body = chunked(multipart({ filename: 'x', content: pattern(60_000) }), 1_000);
    expect((await exchange(server, Buffer.concat([Buffer.from(head), body]))).status).toBe(413);
  });

  test('a handler may answer a form that failed as it likes', async () => {
    const server = await serve({
      'POST /': async req => {
        const error = await errorOf(() => readForm(req));
        req.respSetStatus('422 Unprocessable Content');
        await req.respSend(error);
      },
    });
    const { status, text } = await exchange(server, form(MULTIPART, BODY));
    expect([status, text]).toEqual([422, 'ESP_ERR_NOT_SUPPORTED']);
  });

  test('a client that stops sending: ESP_ERR_TIMEOUT, and 408', async () => {
    const clock = new ManualClock();
    const begun = deferred();
    const outcome = deferred<string>();
    const server = await serve(
      {
        'POST /': async req => {
          for await (const part of formParts(req)) {
            begun.resolve();
            outcome.resolve(await errorOf(() => part.text()));
          }
        },
      },
      { recvWaitTimeout: 3 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(BEGUN);
    await begun.promise;
    await turns(2);
    clock.advance(4_000);
    expect(await outcome.promise).toBe('ESP_ERR_TIMEOUT');
    expect((await client.readResponse()).status).toBe(408);
  });

  test.each(['end', 'reset'] as const)('a client that leaves in the middle (%s): ESP_FAIL', async how => {
    const begun = deferred();
    const outcomes = deferred<string[]>();
    const server = await serve({
      'POST /': async req => {
        const parts = formParts(req);
        const { value: part } = await parts.next();
        begun.resolve();
        const first = await errorOf(() => part?.text());
        outcomes.resolve([first, await errorOf(() => parts.next())]);
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(BEGUN);
    await begun.promise;
    client[how]();
    expect(await outcomes.promise).toEqual(['ESP_FAIL', 'ESP_FAIL']);
    await stillServes(server, '/');
  });
});

describe('when the loop is left early', () => {
  const early: UriHandler = async req => {
    for await (const part of formParts(req)) {
      await req.respSend(part.name);
      break;
    }
  };

  test('a short rest is dropped, and the connection stays open', async () => {
    const server = await serve({ 'POST /': early, 'GET /': ok });
    const client = await connectTo(server);
    expect((await client.send(form(MULTIPART, BODY)).readResponse()).text).toBe('a');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('the handler may read the rest itself', async () => {
    const server = await serve({
      'POST /': async req => {
        for await (const _part of formParts(req)) break;
        const rest = await req.text();
        await req.respSend(rest.slice(-4));
      },
    });
    expect((await exchange(server, form(MULTIPART, BODY))).text).toBe('--\r\n');
  });

  test('a long rest that never comes closes the connection behind the answer', async () => {
    const server = await serve({ 'POST /': early }, { maxReqBodyLen: 1e9 });
    const client = await connectTo(server);
    client.send(request('POST /', `Content-Type: ${MULTIPART}`, 'Content-Length: 900000000')).send(BODY);
    const { text, headers } = await client.readResponse();
    expect([text, headers.connection]).toEqual(['a', 'close']);
  });
});

describe('an upload of 64 MiB', () => {
  const BLOCK = pattern(256 * 1024);
  const BLOCKS = 256;
  const content = BLOCK.length * BLOCKS;
  const [head = '', tail = ''] = multipart({ name: 'up', filename: 'x', content: '<here>' }).toString().split('<here>');

  test('passes through, and what waits in the form is never more than one read', async () => {
    let received = 0;
    let given = 0;
    let held = 0;
    let spoilt = 0;
    const server = await serve(
      {
        'POST /': async req => {
          for await (const part of formParts(req)) {
            for await (const piece of part) {
              const at = given % BLOCK.length;
              const wanted = BLOCK.subarray(at, at + piece.length);
              if (wanted.length === piece.length && !wanted.equals(piece)) spoilt += 1;
              given += piece.length;
              held = Math.max(held, received - given);
            }
          }
          await req.respSend(`${given}`);
        },
      },
      { maxReqBodyLen: 1e9 },
    );
    server.on('data', ({ dataLen }) => {
      received += dataLen;
    });
    const client = await connectTo(server);
    const total = head.length + content + tail.length;
    client.send(request('POST /', `Content-Type: ${MULTIPART}`, `Content-Length: ${total}`)).send(head);
    for (let i = 0; i < BLOCKS; i++) {
      if (!client.socket.write(BLOCK)) await new Promise(resolve => client.socket.once('drain', resolve));
    }
    const { text } = await client.send(tail).readResponse();
    expect([text, spoilt, received]).toEqual([`${content}`, 0, total]);
    expect(held).toBeLessThan(17 * 1024);
  });

  test('that nobody reads stays with the client', async () => {
    const part = deferred();
    const goOn = deferred();
    let received = 0;
    const server = await serve(
      {
        'POST /': async req => {
          for await (const { name } of formParts(req)) {
            part.resolve();
            await goOn.promise;
            await req.respSend(name);
            break;
          }
        },
      },
      { maxReqBodyLen: 1e9 },
    );
    server.on('data', ({ dataLen }) => {
      received += dataLen;
    });
    const client = await connectTo(server);
    const total = head.length + content + tail.length;
    client
      .send(request('POST /', `Content-Type: ${MULTIPART}`, `Content-Length: ${total}`))
      .send(head)
      .send(BLOCK);
    await part.promise;
    // until neither the server nor the systems between take any more
    while (client.socket.writableLength === 0) {
      client.socket.write(BLOCK);
      await turns(20);
    }
    expect(received).toBeLessThan(17 * 1024);
    goOn.resolve();
    expect((await client.readResponse()).text).toBe('up');
  });
});
