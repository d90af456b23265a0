/** Whatever a server sends, and however its bytes are cut: the same events, the same answers, and nothing thrown. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProxyAnswer, ProxyRefusal, proxyOf } from '../../src/ws_client/proxy.js';
import { firstHop, redirected } from '../../src/ws_client/redirect.js';
import { ResponseHead } from '../../src/ws_client/response_head.js';
import { targetOf } from '../../src/ws_client/target.js';
import { brokenBehind } from '../httpd_ws/deflate_support.js';
import { everyWay, pieces } from '../support/feed.js';
import { buildFrame, closeBody, hex } from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import { turns } from './support.js';

const payload = fc.oneof(
  fc.string({ maxLength: 40 }).map(text => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
  fc.integer({ min: 100, max: 20_000 }).map(len => Buffer.alloc(len, 'x')),
  fc.constantFrom(hex('f248cdc9c90700'), hex('f200110000'), hex('00'), closeBody(1000), closeBody(4000, 'why')),
);

/** Mostly right frames: what is wrong ends it all. */
const frame = fc
  .record({
    opcode: fc.constantFrom(0, 0, 0, 1, 1, 2, 2, 9, 10, 8, 3),
    fin: fc.boolean(),
    rsv: fc.constantFrom(0, 0, 0, 0, 4, 1),
    payload,
  })
  .map(({ opcode, fin, rsv, payload }) => {
    const control = opcode >= 8;
    return buildFrame({
      opcode,
      fin: control || fin,
      rsv,
      payload: control ? payload.subarray(0, 125) : payload,
      mask: false,
    });
  });

/** Compressed text may be wrong in two ways, and how much was inflated at a time says which is found first. */
function reason(error: unknown): string {
  const { message } = error as Error;
  return message.endsWith('closed with 1007') ? 'closed with 1007' : message;
}

/** What a client makes of these bytes. */
async function outcome(chunks: readonly Buffer[], messageMode: boolean): Promise<unknown> {
  const { client, socket, data, errors } = await memoryClient(
    { messageMode, perMessageDeflate: true, bufferSize: 3_000, maxMessageLen: 30_000, controlFrameEvents: true },
    ['Sec-WebSocket-Extensions: permessage-deflate'],
  );
  const messages = client[Symbol.asyncIterator]();
  for (const chunk of chunks) socket.deliver(chunk);
  await turns(1);
  const sent = socket.frames().map(({ opcode, payload }) => [opcode, payload.toString('hex')]);
  socket.handler.onEnd();
  const whole: unknown[] = [];
  try {
    for await (const { opCode, data } of messages) whole.push([opCode, data.toString('latin1')]);
  } catch (error) {
    whole.push(reason(error));
  }
  const told = data.map(event => ({ ...event, data: event.data.toString('latin1') }));
  return { told, whole, sent, errors: errors.map(reason) };
}

test.each([false, true])('frames of all kinds (messageMode %s)', async messageMode => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 4 }),
      async (frames, sizes) => {
        const bytes = Buffer.concat(frames);
        expect(await outcome(pieces(bytes, sizes), messageMode)).toEqual(await outcome([bytes], messageMode));
      },
    ),
    { numRuns: 60 },
  );
});

test('bytes of no kind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async given => {
      const bytes = Buffer.from(given);
      expect(await outcome(pieces(bytes, [1]), false)).toEqual(await outcome([bytes], false));
    }),
    { numRuns: 60 },
  );
});

test.each([
  [30, 1007, 'is broken'],
  [31, 1009, 'is too long'],
])(
  'a compressed message that is broken behind %i bytes, of 30 that are allowed, ends with %i: it %s',
  async (len, code) => {
    const payload = brokenBehind(Buffer.alloc(len, 'a'));
    for (const { name, chunks } of everyWay(buildFrame({ opcode: 1, rsv: 4, payload, mask: false }))) {
      const { socket, data } = await memoryClient({ perMessageDeflate: true, maxMessageLen: 30 }, [
        'Sec-WebSocket-Extensions: permessage-deflate',
      ]);
      for (const chunk of chunks) socket.deliver(chunk);
      expect(
        socket.frames().map(frame => [frame.opcode, frame.code]),
        name,
      ).toEqual([[8, code]]);
      expect(data).toEqual([]);
    }
  },
);

/** What a client makes of a proxy's answer: why it is none, or what is the tunnel's. */
function tunnelled(chunks: readonly Buffer[]): string {
  const answer = new ProxyAnswer(proxyOf('http://proxy.example'));
  for (const [i, chunk] of chunks.entries()) {
    try {
      const rest = answer.push(chunk);
      if (rest !== undefined) return Buffer.concat([rest, ...chunks.slice(i + 1)]).toString('latin1');
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyRefusal);
      return String(error);
    }
  }
  return 'more is needed';
}

test('what a proxy answers', () => {
  const line = fc.constantFrom(
    ...[
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.0 204\r\n',
      'HTTP/1.1 100 Continue\r\n',
      'HTTP/1.1 407 No\r\n',
      'HTTP/1.1 101 X\r\n',
    ],
    ...['A: b\r\n', 'Content-Length: 3\r\n', '\r\n', '\r\n', '\r\n', '\n', 'tunnel', '\0\xff', ': x\r\n'],
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (lines, sizes) => {
        const bytes = Buffer.from(lines.join(''), 'latin1');
        expect(tunnelled(pieces(bytes, sizes))).toBe(tunnelled([bytes]));
      },
    ),
    { numRuns: 500 },
  );
});

test('where a redirection points', () => {
  const part = fc.constantFrom(
    ...[
      'ws:',
      'wss:',
      'http:',
      'https:',
      'file:',
      'javascript:',
      '//',
      '/',
      '\\',
      '@',
      ':',
      '?',
      '#',
      '..',
      '%2e',
      '%',
    ],
    ...['127.0.0.1', '[::1]', '[fe80::1%25eth0]', 'a.example', '443', '0', '99999', 'user', ' ', '\xe9', '\t'],
  );
  const target = targetOf({ uri: 'wss://me:you@here.example:4433/a?b' });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), parts => {
      const head = new ResponseHead();
      const bytes = Buffer.from(`HTTP/1.1 302 Go\r\nLocation: ${parts.join('')}\r\n\r\n`, 'latin1');
      head.push(bytes, 0, bytes.length);
      const next = redirected(firstHop(target, 1), head);
      if (typeof next !== 'object') return;
      const { host, port, secure, path, authorization } = next.target;
      expect([secure, path]).toEqual([true, expect.stringMatching(/^\/[\x21-\x7e]*$/)]);
      expect(path).not.toContain('#');
      // credentials stay where they are
      const home = host === 'here.example' && port === 4433;
      expect([next.ours, authorization]).toEqual([home, home ? target.authorization : undefined]);
    }),
    { numRuns: 2_000 },
  );
});
