/** Whatever a server sends, and however its bytes are cut: the same events, the same answers, and nothing thrown. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
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
