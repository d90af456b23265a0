import { describe, expect, test } from 'vitest';
import { Finding } from '../../fuzz/targets/finding.js';
import type { Lab, Manner } from '../../fuzz/targets/lab.js';
import { NodeHttp } from '../../fuzz/targets/node_http.js';
import { compare, Pair } from '../../fuzz/targets/pair.js';
import { HTTP_ANY } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';

const POST = Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello');
const BYTE_BY_BYTE: Manner = { sizes: [1], turns: true, spoilsAtOnce: true, room: 50 };

/**
 * Plays a request to servers with this handler.
 *
 * @param before the servers stop
 * @returns the rule that is broken
 */
async function broken(
  handler: (req: HttpdReq, lab: Lab) => unknown,
  before: () => void = () => {},
): Promise<string | undefined> {
  const register = (lab: Lab) => {
    const watched = (req: HttpdReq) => lab.watch(req, true, () => handler(req, lab)) as Promise<number>;
    lab.server.registerUriHandler({ uri: '/', method: HTTP_ANY, handler: watched });
  };
  const pair = await Pair.start({}, register);
  try {
    compare(await pair.play(POST, BYTE_BY_BYTE, 'fin'), ({ sent }) => [sent.toString('latin1')]);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Finding) return thrown.rule;
    throw thrown;
  } finally {
    before();
    await pair.stop();
  }
}

describe('two servers that get the same bytes', () => {
  test('agree on a handler that does not look at how they come', async () => {
    expect(await broken(async req => req.respSend(await req.text()))).toBeUndefined();
  });

  test('show a handler that is called with something else', async () => {
    const handler = async (req: HttpdReq, lab: Lab) => {
      lab.calls.push(String(await req.recv(Buffer.alloc(5))));
      await req.respSend('');
    };
    expect(await broken(handler)).toBe('cut in another way, handlers are called with something else');
  });

  test('show an answer that differs', async () => {
    const handler = async (req: HttpdReq) => req.respSend(String(await req.recv(Buffer.alloc(5))));
    expect(await broken(handler)).toBe('cut in another way, the peer gets something else');
  });

  test('show a context that is not freed', async () => {
    const handler = (req: HttpdReq, lab: Lab) => {
      lab.contexts += 1;
      void req.respSend('');
    };
    expect(await broken(handler)).toBe('a session context is not freed once');
  });

  test('show a handler that never ends', async () => {
    const ends: (() => void)[] = [];
    const handler = (req: HttpdReq) => {
      void req.respSend('');
      return new Promise<void>(resolve => ends.push(resolve));
    };
    const endAll = () => {
      for (const end of ends) end();
    };
    expect(await broken(handler, endAll)).toBe('the session outlives its peer');
  });
});

describe('the second opinion', () => {
  test('is what node:http reads', async () => {
    const bytes = Buffer.from(
      `${POST.toString()}GET /x?y HTTP/1.1\r\nHost: h\r\nExpect: it\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    );
    expect(await new NodeHttp().read(bytes)).toEqual([
      { method: 'POST', url: '/', body: 'hello' },
      { method: 'GET', url: '/x?y', body: '' },
    ]);
  });
});
