import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';
import { type HttpdWsFrame, isWsType, payloadOf, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { FrameBytes, isFinal, writeFrame } from '../../src/httpd_ws/send.js';
import { BINARY, CLOSE, CONTINUE, PING, PONG, parseFrame, TEXT } from '../support/ws_frames.js';

/** A frame as it leaves. */
function encodeFrame(frame: HttpdWsFrame): Buffer {
  const sink = new FrameBytes();
  writeFrame(sink, isFinal(frame), frame.type, payloadOf(frame));
  return sink.bytes;
}

const refused = (part: string) =>
  expect.objectContaining({ code: ESP_ERR_INVALID_ARG, message: expect.stringContaining(part) });
const bytesOf = (init: object) => Buffer.from(payloadOf(wsFrame(init)) as string).toString('latin1');

describe('wsFrame', () => {
  test('makes a frame like one that memset() has zeroed', () => {
    expect(wsFrame()).toEqual({ final: false, fragmented: false, type: 0, payload: undefined, len: 0, leftLen: 0 });
    expect(wsFrame()).not.toBe(wsFrame());
  });

  test('takes over the fields it is given', () => {
    const payload = Buffer.from('x');
    expect(wsFrame({ type: TEXT, payload, final: true })).toEqual({ ...wsFrame(), type: TEXT, payload, final: true });
  });
});

describe('types', () => {
  test.each([CONTINUE, TEXT, BINARY, CLOSE, PING, PONG])('%i is one', type => {
    expect(isWsType(type)).toBe(true);
  });

  test.each([3, 7, 11, 15, -1, 0.5, '1', null, undefined, true, Number.NaN])('%s is none', type => {
    expect(isWsType(type)).toBe(false);
    expect(() => payloadOf({ ...wsFrame(), type: type as number })).toThrow(refused('frame.type'));
  });
});

describe('what of a frame is sent', () => {
  test.each<readonly [name: string, init: Partial<HttpdWsFrame>, text: string]>([
    ['nothing', {}, ''],
    ['a string', { payload: 'hello' }, 'hello'],
    ['bytes', { payload: Buffer.from('hello') }, 'hello'],
    ['a Uint8Array', { payload: new Uint8Array([104, 105]) }, 'hi'],
    ['len of the payload', { payload: Buffer.from('hello'), len: 5 }, 'hello'],
    ['len shorter than the payload', { payload: Buffer.from('hello'), len: 2 }, 'he'],
    ['len shorter than a string', { payload: 'hello', len: 2 }, 'he'],
    ['len 0 is all of it', { payload: 'hello', len: 0 }, 'hello'],
    ['an empty string', { payload: '' }, ''],
    ['no bytes', { payload: new Uint8Array(0) }, ''],
    ['leftLen does not count', { payload: 'hello', leftLen: 3 }, 'hello'],
  ])('%s', (_name, init, text) => {
    expect(bytesOf({ type: TEXT, ...init })).toBe(text);
  });

  test('len counts bytes of a string, not characters', () => {
    expect(Buffer.from(payloadOf(wsFrame({ type: TEXT, payload: 'é€', len: 5 })) as string).toString()).toBe('é€');
    expect(Buffer.from(payloadOf(wsFrame({ type: TEXT, payload: 'é€', len: 2 })) as string).toString()).toBe('é');
  });

  test.each<readonly [name: string, frame: unknown, part: string]>([
    ['null', null, 'wsFrame()'],
    ['undefined', undefined, 'wsFrame()'],
    ['a string', 'hello', 'wsFrame()'],
    ['a number as payload', wsFrame({ type: TEXT, payload: 5 as unknown as string }), 'frame.payload'],
    ['null as payload', wsFrame({ type: TEXT, payload: null as unknown as string }), 'frame.payload'],
    ['an array as payload', wsFrame({ type: TEXT, payload: [1] as unknown as string }), 'frame.payload'],
    [
      'an ArrayBuffer as payload',
      wsFrame({ type: TEXT, payload: new ArrayBuffer(3) as unknown as string }),
      'frame.payload',
    ],
    [
      'a len beyond the payload',
      wsFrame({ type: TEXT, payload: 'abc', len: 4 }),
      'frame.len is 4, but frame.payload has 3',
    ],
    ['a len without a payload', wsFrame({ type: TEXT, len: 4 }), 'frame.len'],
    ['a negative len', wsFrame({ type: TEXT, payload: 'abc', len: -1 }), 'frame.len'],
    ['a len that is no integer', wsFrame({ type: TEXT, payload: 'abc', len: 1.5 }), 'frame.len'],
    ['a len that is no number', wsFrame({ type: TEXT, payload: 'abc', len: '3' as unknown as number }), 'frame.len'],
  ])('%s is refused', (_name, frame, part) => {
    expect(() => payloadOf(frame as HttpdWsFrame)).toThrow(refused(part));
  });

  test.each([CLOSE, PING, PONG])('a control frame %i of 125 bytes is sent, of 126 refused', type => {
    for (const payload of ['x'.repeat(125), Buffer.alloc(125)])
      expect(payloadOf(wsFrame({ type, payload }))).toHaveLength(125);
    for (const payload of ['x'.repeat(126), Buffer.alloc(126), '€'.repeat(42)]) {
      expect(() => payloadOf(wsFrame({ type, payload }))).toThrow(refused('125 bytes'));
    }
    expect(payloadOf(wsFrame({ type, payload: Buffer.alloc(500), len: 125 }))).toHaveLength(125);
  });

  test.each([CLOSE, PING, PONG])('a fragmented control frame %i is refused', type => {
    expect(() => payloadOf(wsFrame({ type, fragmented: true, final: false }))).toThrow(refused('fragmented'));
    expect(() => payloadOf(wsFrame({ type, fragmented: true, final: true }))).not.toThrow();
  });
});

describe('the bytes of a frame', () => {
  test.each<readonly [name: string, init: Partial<HttpdWsFrame>, fin: boolean, opcode: number]>([
    ['text', { type: TEXT, payload: 'hi' }, true, TEXT],
    ['final counts only if it is fragmented', { type: TEXT, payload: 'hi', final: false }, true, TEXT],
    ['the first fragment', { type: TEXT, payload: 'hi', fragmented: true }, false, TEXT],
    ['a fragment between', { type: CONTINUE, payload: 'hi', fragmented: true }, false, CONTINUE],
    ['the last fragment', { type: CONTINUE, payload: 'hi', fragmented: true, final: true }, true, CONTINUE],
    ['binary', { type: BINARY, payload: Buffer.from('hi') }, true, BINARY],
  ])('%s', (_name, init, fin, opcode) => {
    expect(parseFrame(encodeFrame(wsFrame(init)))).toMatchObject({ fin, opcode, rsv: 0, masked: false, text: 'hi' });
  });

  test.each([0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537])('%i bytes of text or binary', n => {
    const text = 'x'.repeat(n);
    for (const payload of [text, Buffer.from(text)]) {
      const frame = parseFrame(encodeFrame(wsFrame({ type: BINARY, payload })));
      expect(frame.payload).toHaveLength(n);
      expect(frame.text).toBe(text);
      expect(frame.bytes).toHaveLength(n + (n < 126 ? 2 : n < 65_536 ? 4 : 10));
    }
  });

  test('a string is sent as UTF-8, also where its length in bytes needs a longer form', () => {
    for (const text of [
      'é'.repeat(62),
      'é'.repeat(63),
      'é'.repeat(125),
      '€'.repeat(21_845),
      '€'.repeat(21_846),
      '😀\ud800',
    ]) {
      const frame = parseFrame(encodeFrame(wsFrame({ type: TEXT, payload: text })));
      expect(frame.payload.equals(Buffer.from(text))).toBe(true);
    }
  });
});
