/**
 * The cases of the Autobahn test suite with the roles exchanged: the server sends what the suite's server sends, the
 * client echoes frames or messages. Each is played in several ways of cutting its bytes.
 */
import { describe, expect, test } from 'vitest';
import type { EspWebsocketClient } from '../../src/ws_client/client.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  hex,
  PING,
  PONG,
  TEXT,
} from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import { turns } from './support.js';

type Mode = 'frame' | 'message';

interface Case {
  readonly id: string;
  readonly send: readonly FrameSpec[];
  /** Undefined: what was sent, in frame mode; in message mode with its fragments joined. */
  readonly back?: readonly FrameSpec[];
  /** Of the client's Close frame; the server closes with 1000 if that is undefined. `null` is one without a code. */
  readonly close?: number | null;
}

type Payload = Uint8Array | string;
const text = (payload: Payload = '', fin = true): FrameSpec => ({ opcode: TEXT, payload, fin });
const binary = (payload: Payload = '', fin = true): FrameSpec => ({ opcode: BINARY, payload, fin });
const cont = (payload: Payload = '', fin = true): FrameSpec => ({ opcode: CONTINUE, payload, fin });
const ping = (payload: Payload = ''): FrameSpec => ({ opcode: PING, payload });
const pong = (payload: Payload = ''): FrameSpec => ({ opcode: PONG, payload });
const close = (payload: Payload = ''): FrameSpec => ({ opcode: CLOSE, payload });

const ODD = hex('00fffefdfcfb00ff');
const HELLO = text('Hello, world!');
const GREEK = Buffer.from('\u03ba\u1f79\u03c3\u03bc\u03b5');
const bytes = (n: number, fill: number) => Buffer.alloc(n, fill);
/** Each byte a fragment. */
const octets = (payload: Buffer): FrameSpec[] =>
  [...payload].map((byte, i) => ({
    ...(i === 0 ? text('') : cont('')),
    payload: Buffer.from([byte]),
    fin: i === payload.length - 1,
  }));

const CASES: readonly Case[] = [
  ...[0, 125, 126, 127, 128, 65_535, 65_536].flatMap((n, i) => [
    { id: `1.1.${i + 1}`, send: [text(bytes(n, 0x2a))] },
    { id: `1.2.${i + 1}`, send: [binary(bytes(n, 0xfe))] },
  ]),
  { id: '2.1', send: [ping()], back: [pong()] },
  { id: '2.3', send: [ping(ODD)], back: [pong(ODD)] },
  { id: '2.4', send: [ping(bytes(125, 0xfe))], back: [pong(bytes(125, 0xfe))] },
  { id: '2.5', send: [ping(bytes(126, 0xfe))], back: [], close: 1002 },
  { id: '2.7', send: [pong()], back: [] },
  { id: '2.9', send: [pong('not asked for'), ping('asked')], back: [pong('asked')] },
  {
    id: '2.10',
    send: Array.from({ length: 10 }, (_, i) => ping(`${i}`)),
    back: Array.from({ length: 10 }, (_, i) => pong(`${i}`)),
  },
  ...[1, 2, 3, 4, 5, 6, 7].map(rsv => ({
    id: `3.${rsv}`,
    send: [HELLO, { ...HELLO, rsv }, ping()],
    back: [HELLO],
    close: 1002,
  })),
  { id: '3.7a', send: [{ ...close(closeBody(1000)), rsv: 7 }], back: [], close: 1002 },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(opcode => ({
    id: `4.${opcode}`,
    send: [HELLO, { opcode }, ping()],
    back: [HELLO],
    close: 1002,
  })),
  { id: '5.1', send: [{ ...ping('a'), fin: false }, cont('b')], back: [], close: 1002 },
  { id: '5.2', send: [{ ...pong('a'), fin: false }, cont('b')], back: [], close: 1002 },
  { id: '5.3', send: [text('fragment1', false), cont('fragment2')] },
  { id: '5.6', send: [text('fragment1', false), ping('between'), cont('fragment2')] },
  { id: '5.9', send: [cont('nothing to continue'), text('behind')], back: [], close: 1002 },
  { id: '5.12', send: [cont('nothing to continue', false), text('behind')], back: [], close: 1002 },
  {
    id: '5.19',
    send: [text('1', false), cont('2', false), ping('p'), cont('3', false), cont('4', false), ping('q'), cont('5')],
  },
  { id: '6.1.1', send: [text()] },
  { id: '6.1.2', send: [text('', false), cont('', false), cont()] },
  { id: '6.1.3', send: [text('', false), cont('middle', false), cont()] },
  { id: '6.2.2', send: [text('Hello-µ@ß', false), cont('öäüàá-UTF-8!!')] },
  { id: '6.2.3', send: octets(Buffer.from('Hello-µ@ßöäüàá-UTF-8!!')) },
  { id: '6.2.4', send: octets(GREEK) },
  { id: '6.5', send: [text(hex('f48fbfbf')), text(hex('efbfbf')), text(hex('00'))] },
  ...['f88888808080', 'c0af', 'e080af', 'eda080', 'f4908080', 'fe', 'ff', '80', 'bf', 'ce', 'e1bd', 'f09080'].map(
    bad => ({
      id: `6.6 ${bad}`,
      send: [text(Buffer.concat([GREEK, hex(bad)]))],
      back: [],
      close: 1007,
    }),
  ),
  { id: '7.1.1', send: [HELLO] },
  { id: '7.1.2', send: [close(closeBody(1000)), close(closeBody(1000))], back: [], close: 1000 },
  { id: '7.1.3', send: [close(closeBody(1000)), ping('late')], back: [], close: 1000 },
  { id: '7.1.4', send: [close(closeBody(1000)), text('late')], back: [], close: 1000 },
  { id: '7.3.1', send: [close()], back: [], close: null },
  { id: '7.3.2', send: [close('a')], back: [], close: 1002 },
  { id: '7.3.5', send: [close(closeBody(1000, 'x'.repeat(123)))], back: [], close: 1000 },
  { id: '7.3.6', send: [close(closeBody(1000, 'x'.repeat(124)))], back: [], close: 1002 },
  { id: '7.5.1', send: [close(Buffer.concat([closeBody(1000), hex('eda080')]))], back: [], close: 1007 },
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map(code => ({
    id: `7.7 ${code}`,
    send: [close(closeBody(code, 'why'))],
    back: [],
    close: code,
  })),
  ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map(code => ({
    id: `7.9 ${code}`,
    send: [close(closeBody(code))],
    back: [],
    close: 1002,
  })),
];

/** Sends back what comes, as the client of the suite has to. */
function echo(client: EspWebsocketClient): void {
  client.on('data', ({ opCode, data, fin }) => {
    if (opCode === CONTINUE) void (fin ? client.sendWithOpcode(CONTINUE, data) : client.sendContMsg(data));
    else if (opCode === TEXT) void (fin ? client.sendText(data) : client.sendTextPartial(data));
    else void (fin ? client.sendBin(data) : client.sendBinPartial(data));
  });
}

/** What must come back where the case does not say it. */
function echoOf(send: readonly FrameSpec[], mode: Mode): FrameSpec[] {
  const answered = send.map(frame => (frame.opcode === PING ? pong(frame.payload) : frame));
  if (mode === 'frame') return answered;
  const out: FrameSpec[] = [];
  let parts: Buffer[] = [];
  for (const frame of answered) {
    if (frame.opcode >= CLOSE) out.push(frame);
    else {
      parts.push(Buffer.from(frame.payload as Uint8Array));
      if (frame.fin) {
        out.push(text(Buffer.concat(parts)));
        if (frame.opcode === BINARY) out[out.length - 1] = frame;
        parts = [];
      }
    }
  }
  return out;
}

/** The ways in which the bytes of a case come. */
function ways(frames: readonly Buffer[]): Buffer[][] {
  const all = Buffer.concat(frames);
  if (all.length > 1_000)
    return [[all], [all.subarray(0, 3), all.subarray(3, 9), all.subarray(9, 40_000), all.subarray(40_000)]];
  const cuts = [1, 3, 8].filter(at => at < all.length);
  return [
    [all],
    [...frames],
    [...all].map(byte => Buffer.from([byte])),
    ...cuts.map(at => [all.subarray(0, at), all.subarray(at)]),
  ];
}

const shown = (opcode: number, fin: boolean, payload: Buffer) => ({
  opcode,
  fin,
  len: payload.length,
  text: payload.toString('latin1', 0, 80),
});

describe.each<Mode>(['frame', 'message'])('%s mode', mode => {
  test.each(CASES.map(one => [one.id, one] as const))('%s', async (_id, { send, back, close: code }) => {
    const frames = send.map(frame => buildFrame({ ...frame, mask: false }));
    for (const chunks of ways(frames)) {
      const { client, socket, ends } = await memoryClient({ messageMode: mode === 'message' });
      echo(client);
      for (const chunk of chunks) socket.deliver(chunk);
      await turns(1);
      if (code === undefined) {
        socket.deliver(buildFrame({ ...close(closeBody(1000)), mask: false }));
        await turns(1);
      }
      const got = socket.frames();
      const last = got.pop();
      const want = (back ?? echoOf(send, mode)).map(({ opcode, fin = true, payload = '' }) =>
        shown(opcode, fin, Buffer.from(payload as Uint8Array)),
      );
      expect(got.map(({ opcode, fin, payload }) => shown(opcode, fin, payload))).toEqual(want);
      expect([last?.opcode, last?.code, last?.masked]).toEqual([
        CLOSE,
        code === null ? undefined : (code ?? 1000),
        true,
      ]);
      socket.handler.onEnd();
      expect([ends.length, socket.destroyed]).toEqual([1, true]);
    }
  });
});

test('wrong text is refused at the first byte that shows it, in the middle of a frame', async () => {
  const { socket } = await memoryClient();
  socket.deliver(buildFrame({ ...text(GREEK), claimedLen: 1_000, mask: false }));
  await turns(1);
  expect(socket.writes).toHaveLength(0);
  socket.deliver(hex('f4'));
  await turns(1);
  expect(socket.writes).toHaveLength(0);
  socket.deliver(hex('90'));
  await turns(1);
  expect(socket.frames()[0]?.code).toBe(1007);
});

test.each([64, 1_300, 65_536])('9.3: half a MiB in fragments of %i bytes', async size => {
  const payload = Buffer.alloc(512 * 1024, '0123456789abcdef0');
  const { client, socket } = await memoryClient();
  const messages = client[Symbol.asyncIterator]();
  const frames: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    frames.push(
      buildFrame({ opcode: at === 0 ? BINARY : CONTINUE, fin, payload: payload.subarray(at, at + size), mask: false }),
    );
  }
  socket.deliver(Buffer.concat(frames));
  const { value } = await messages.next();
  expect(value?.data.equals(payload)).toBe(true);
  await Promise.race([client.sendBin(payload), turns(2)]);
  expect(socket.frames().at(-1)?.payload.equals(payload)).toBe(true);
});

test("data is the listener's to keep", async () => {
  const { socket, data } = await memoryClient({ bufferSize: 20_000 });
  for (const len of [5, 5_000, 50_000]) socket.deliver(buildFrame({ ...binary(bytes(len, 0x2a)), mask: false }));
  socket.deliver(buildFrame({ ...binary(bytes(5, 0x2b)), mask: false }));
  const [one, two] = [data[0], data[1]];
  expect([one?.data.equals(bytes(5, 0x2a)), two?.data.equals(bytes(5_000, 0x2a))]).toEqual([true, true]);
  expect(Buffer.concat(data.slice(2, 5).map(event => event.data)).equals(bytes(50_000, 0x2a))).toBe(true);
});
