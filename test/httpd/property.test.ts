import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pieces } from '../support/feed.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  handshakeRequest,
  PING,
  PONG,
  TEXT,
} from '../support/ws_frames.js';
import { Lab, type Manner } from './property_support.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab.stop());

const WHOLE = { turns: false, spoilsAtOnce: true, room: Number.POSITIVE_INFINITY };

/** Sizes of pieces, and the rest of the manner. */
const manner = fc.record({
  sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3_000 })), {
    minLength: 1,
    maxLength: 6,
  }),
  turns: fc.boolean(),
  spoilsAtOnce: fc.boolean(),
  room: fc.constantFrom(50, 1_000, Number.POSITIVE_INFINITY),
});

const mannerOf = (bytes: Buffer, { sizes, ...rest }: { sizes: number[] } & Omit<Manner, 'chunks'>): Manner => ({
  chunks: pieces(bytes, sizes),
  ...rest,
});

const word = fc.stringMatching(/^[a-zA-Z0-9 ;=%.-]{0,60}$/);
const body = fc.oneof(
  word,
  fc.integer({ min: 1, max: 5_000 }).map(n => 'body '.repeat(n / 5 + 1).slice(0, n)),
);

/** A request that is right, to one of the handlers of the lab. */
const request = fc
  .record({
    path: fc.constantFrom('/sync', '/text', '/parts', '/chunks', '/later', '/copy'),
    query: fc.constantFrom('', '?', '?a=b&c=d', '?x'),
    header: word,
    how: fc.constantFrom(
      'GET',
      'HEAD',
      'POST',
      'PUT chunked',
      'POST empty',
      'POST expect',
      'PUT chunked with trailers',
    ),
    body,
    chunks: fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 }),
    emptyLines: fc.constantFrom(0, 0, 0, 1, 3),
  })
  .map(({ path, query, header, how, body: content, chunks, emptyLines }) => {
    const method = how.split(' ')[0];
    const lines = ['Host: lab', `X-N: ${header}`];
    let after = '';
    if (how.startsWith('PUT')) {
      lines.push('Transfer-Encoding: chunked');
      const trailers = how.endsWith('trailers') ? 'T: t\r\nU: u\r\n' : '';
      const cut = pieces(Buffer.from(content), chunks).map((piece, i) => {
        const extension = i % 2 === 1 ? ';name="value"' : '';
        return `${piece.length.toString(16)}${extension}\r\n${piece.toString()}\r\n`;
      });
      after = `${cut.join('')}0\r\n${trailers}\r\n`;
    } else if (method === 'POST') {
      const text = how.endsWith('empty') ? '' : content;
      lines.push(`Content-Length: ${text.length}`);
      // a handler that does not read would leave it open whether the body comes
      if (how.endsWith('expect') && (path === '/text' || path === '/parts')) lines.push('Expect: 100-continue');
      after = text;
    }
    return `${'\r\n'.repeat(emptyLines)}${method} ${path}${query} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${after}`;
  });

describe('a stream of valid requests', () => {
  test('gives the same handler calls and the same response bytes however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), manner, async (requests, how) => {
        const bytes = Buffer.from(requests.join(''));
        // each handler notes two things
        const done = (_conn: unknown, calls: readonly string[]) => calls.length === 2 * requests.length;
        const whole = await lab.play({ ...WHOLE, chunks: [bytes] }, done);
        expect(whole.calls).toHaveLength(2 * requests.length);
        expect(whole.sent.match(/HTTP\/1\.1 200 OK\r\n/g)).toHaveLength(requests.length);
        expect(await lab.play(mannerOf(bytes, how), done)).toEqual(whole);
      }),
      { numRuns: 150 },
    );
  });

  test('is the same cut at every place, for a stream with one of each kind', async () => {
    const text =
      'GET /sync?a HTTP/1.1\r\nHost: h\r\nX-N: 1\r\n\r\n' +
      'POST /text HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello' +
      '\r\nPUT /parts HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9;x=y\r\nsome text\r\n0\r\nT: t\r\n\r\n' +
      'POST /text HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi' +
      'HEAD /later HTTP/1.1\r\nHost: h\r\n\r\nGET /copy HTTP/1.1\r\nHost: h\r\n\r\nGET /chunks HTTP/1.1\r\nHost: h\r\n\r\n';
    const bytes = Buffer.from(text);
    const done = (_conn: unknown, calls: readonly string[]) => calls.length === 14;
    const whole = await lab.play({ ...WHOLE, chunks: [bytes] }, done);
    expect(whole.calls).toHaveLength(14);
    expect(whole.sent.match(/HTTP\/1\.1 \d+/g)?.join()).toBe(
      [200, 200, 200, 100, 200, 200, 200, 200].map(status => `HTTP/1.1 ${status}`).join(),
    );
    for (let at = 1; at < bytes.length; at++) {
      for (const turns of [false, true]) {
        const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
        expect(await lab.play({ ...WHOLE, turns, spoilsAtOnce: turns, chunks }, done), `cut at ${at}`).toEqual(whole);
      }
    }
    expect(await lab.play({ ...WHOLE, chunks: pieces(bytes, [1]) }, done)).toEqual(whole);
  });
});

/** A few bytes changed, put in or taken out. */
const edits = fc.array(
  fc.record({
    at: fc.nat(4_000),
    remove: fc.nat(4),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constantFrom('\r\n', '\n', '\0', '0', ' ', ':').map(text => Buffer.from(text)),
    ),
  }),
  { minLength: 1, maxLength: 5 },
);

function edited(bytes: Buffer, changes: { at: number; remove: number; insert: Uint8Array }[]): Buffer {
  return changes.reduce((now, { at, remove, insert }) => {
    const place = at % (now.length + 1);
    return Buffer.concat([now.subarray(0, place), insert, now.subarray(place + remove)]);
  }, bytes);
}

/** The lab itself checks that no session, socket or handler is left, and that nothing was a fault of ours. */
const soon = () => true;

describe('any bytes', () => {
  test('never crash the server and never leak a session: noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), manner, async (bytes, how) => {
        await lab.play(mannerOf(Buffer.from(bytes), how), soon);
      }),
      { numRuns: 100 },
    );
  });

  test('never crash the server and never leak a session: broken requests', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 1, maxLength: 4 }),
        edits,
        manner,
        async (requests, changes, how) => {
          await lab.play(mannerOf(edited(Buffer.from(requests.join('')), changes), how), soon);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a peer that leaves at any place of a request leaves nothing behind', async () => {
    const bytes = Buffer.from(
      'POST /parts HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9;x=y\r\nsome text\r\n0\r\nT: t\r\n\r\n',
    );
    for (let at = 0; at < bytes.length; at++) await lab.play({ ...WHOLE, chunks: [bytes.subarray(0, at)] }, soon);
  });
});

const HANDSHAKE = Buffer.from(handshakeRequest());

const mask = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', 'x'.repeat(125), 'y'.repeat(126), 'é'.repeat(100)),
);
const control = fc
  .record({ opcode: fc.constantFrom(PING, PONG), payload: fc.uint8Array({ maxLength: 125 }), mask })
  .map(frame => [frame] as FrameSpec[]);
/** A message in one frame, or in fragments with control frames between; text may be cut inside a character. */
const message = fc
  .record({
    isText: fc.boolean(),
    payload: fc.oneof(
      { weight: 8, arbitrary: text.map(content => Buffer.from(content)) },
      { weight: 1, arbitrary: fc.constantFrom(16_384, 16_385, 40_000, 70_000).map(n => Buffer.alloc(n, 'abc')) },
    ),
    cuts: fc.array(fc.nat(60), { maxLength: 3 }),
    between: fc.array(control, { minLength: 4, maxLength: 4 }),
    mask,
  })
  .map(({ isText, payload, cuts, between, mask: key }) => {
    const places = [0, ...cuts.map(cut => Math.min(cut, payload.length)).sort((a, b) => a - b), payload.length];
    return places.slice(1).flatMap((end, i): FrameSpec[] => {
      const fin = i === places.length - 2;
      const opcode = i > 0 ? CONTINUE : isText ? TEXT : BINARY;
      const frame = { fin, opcode, payload: payload.subarray(places[i], end), mask: key };
      return fin ? [frame] : [frame, ...(between[i] ?? [])];
    });
  });

const frames = fc
  .array(fc.oneof({ weight: 3, arbitrary: message }, { weight: 1, arbitrary: control }), { maxLength: 5 })
  .map(list => list.flat());

/** All of a stream of frames, from the handshake to the Close. */
const streamOf = (list: readonly FrameSpec[]) =>
  Buffer.concat([HANDSHAKE, ...list.map(buildFrame), buildFrame({ opcode: CLOSE, payload: closeBody(1000, 'bye') })]);

/** Has the server said all it has to say? */
const closed = (conn: { finSent: boolean }) => conn.finSent;

describe('a stream of WebSocket frames', () => {
  test('gives the same handler calls and the same bytes however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(frames, manner, async (list, how) => {
        const bytes = streamOf(list);
        const whole = await lab.play({ ...WHOLE, chunks: pieces(bytes, [60_000]) }, closed);
        // the handler notes the handshake, each frame of data, and Pongs, for which the server has not asked
        expect(whole.calls).toHaveLength(1 + list.filter(({ opcode }) => opcode !== PING).length);
        expect(whole.sent.endsWith('\x88\x02\x03\xe8')).toBe(true);
        expect(await lab.play(mannerOf(bytes, how), closed)).toEqual(whole);
      }),
      { numRuns: 120 },
    );
  });

  test('is the same cut at every place', async () => {
    const bytes = streamOf([
      { opcode: TEXT, payload: 'hello' },
      { opcode: TEXT, payload: Buffer.from('e282', 'hex'), fin: false },
      { opcode: PING, payload: 'ping' },
      { opcode: CONTINUE, payload: Buffer.from('ac', 'hex') },
      { opcode: BINARY, payload: Buffer.alloc(126, 7) },
      { opcode: BINARY, payload: '' },
    ]);
    const whole = await lab.play({ ...WHOLE, chunks: [bytes] }, closed);
    expect(whole.calls).toHaveLength(6);
    for (let at = 1; at < bytes.length; at++) {
      for (const turns of [false, true]) {
        const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
        expect(await lab.play({ ...WHOLE, turns, spoilsAtOnce: turns, chunks }, closed), `cut at ${at}`).toEqual(whole);
      }
    }
    expect(await lab.play({ ...WHOLE, chunks: pieces(bytes, [1]) }, closed)).toEqual(whole);
  });

  test('broken in any way never crashes the server and never leaks a session', async () => {
    await fc.assert(
      fc.asyncProperty(frames, edits, manner, async (list, changes, how) => {
        const bytes = Buffer.concat([HANDSHAKE, edited(streamOf(list).subarray(HANDSHAKE.length), changes)]);
        await lab.play(mannerOf(bytes, how), soon);
      }),
      { numRuns: 150 },
    );
  });

  test('of noise never crashes the server and never leaks a session', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), manner, async (noise, how) => {
        await lab.play(mannerOf(Buffer.concat([HANDSHAKE, noise]), how), soon);
      }),
      { numRuns: 100 },
    );
  });

  test('a peer that leaves at any place leaves nothing behind', async () => {
    const bytes = streamOf([
      { opcode: TEXT, payload: 'hello', fin: false },
      { opcode: PING },
      { opcode: CONTINUE, payload: 'world' },
    ]);
    for (let at = 0; at < bytes.length; at++) await lab.play({ ...WHOLE, chunks: [bytes.subarray(0, at)] }, soon);
  });
});
