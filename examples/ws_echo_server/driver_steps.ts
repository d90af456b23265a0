/**
 * What the driver tries. A step tells what it expects and returns what came, both in the same words.
 */
import { setImmediate as turn } from 'node:timers/promises';
import {
  BIN,
  type Came,
  CLOSE,
  frame,
  headerOf,
  PING,
  PONG,
  RawPeer,
  show,
  statusOf,
  type Target,
  TEXT,
  WsPeer,
} from './driver_client.js';
import { GREETING } from './greeting.js';

/** The connections of one step; they are closed when it ends. */
export class Bench {
  private readonly closers: (() => void)[] = [];

  constructor(private readonly target: Target) {}

  ws(path: string, ...protocols: string[]): Promise<WsPeer> {
    return WsPeer.open(this.target, path, protocols, close => this.closers.push(close));
  }

  raw(path: string, options: Parameters<typeof RawPeer.open>[2] = {}): RawPeer {
    return RawPeer.open(this.target, path, options, close => this.closers.push(close));
  }

  close(): void {
    for (const close of this.closers) close();
  }
}

export interface Step {
  readonly uri: string;
  readonly name: string;
  readonly expected: string;
  /** Does ESP-IDF's own example on a board pass it too? */
  readonly board: boolean;
  run(on: Bench): Promise<string>;
}

const WORD = 'Espressif';
const BOARD = { board: true } as const;
const OURS = { board: false } as const;

/** TEXT, BIN and PING, as the original script has them. */
export function echoSteps(uri: string, protocols: string[] = [], greeting?: string): Step[] {
  const open = async (on: Bench): Promise<WsPeer> => {
    const peer = await on.ws(uri, ...protocols);
    if (greeting !== undefined) await peer.next();
    return peer;
  };
  const echo = (name: string, answer: number, send: (peer: WsPeer) => void): Step => ({
    ...BOARD,
    uri,
    name,
    expected: show({ opcode: answer, data: Buffer.from(WORD), fin: true }),
    run: async on => {
      const peer = await open(on);
      send(peer);
      return show(await peer.next());
    },
  });
  return [
    echo('TEXT is echoed', TEXT, peer => peer.socket.send(WORD)),
    echo('BIN is echoed', BIN, peer => peer.socket.send(Buffer.from(WORD))),
    echo('PING is answered with PONG and the same payload', PONG, peer => peer.socket.ping(WORD)),
  ];
}

const SIZES = [0, 1, 125, 126, 65_535, 65_536];

const wsSteps: Step[] = [
  ...echoSteps('/ws'),
  {
    ...BOARD,
    uri: '/ws',
    name: 'Trigger async is answered from the work queue',
    expected: 'TEXT "Async data"',
    run: async on => {
      const peer = await on.ws('/ws');
      peer.socket.send('Trigger async');
      return show(await peer.next());
    },
  },
  {
    ...BOARD,
    uri: '/ws',
    name: 'Ping makes the server send a PING',
    expected: 'PING',
    run: async on => {
      const peer = await on.ws('/ws');
      peer.socket.send('Ping');
      return show(await peer.next());
    },
  },
  {
    ...BOARD,
    uri: '/ws',
    name: 'a frame cut into segments of one byte is echoed',
    expected: 'TEXT "Espressif"',
    run: async on => {
      const peer = await on.raw('/ws').opened();
      for (const byte of frame(TEXT, WORD)) {
        await peer.send(Buffer.of(byte));
        await turn();
      }
      return show(await peer.next());
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'every form of length is echoed',
    expected: `BIN of ${SIZES.join(', ')} bytes, the same as sent`,
    run: async on => {
      const peer = await on.ws('/ws');
      const sizes: number[] = [];
      for (const size of SIZES) {
        const sent = Buffer.alloc(size, 'esp-httpd');
        peer.socket.send(sent);
        const came = await peer.next();
        if (came.opcode !== BIN || !came.data.equals(sent)) return `${show(came)} in answer to BIN of ${size} bytes`;
        sizes.push(came.data.length);
      }
      return `BIN of ${sizes.join(', ')} bytes, the same as sent`;
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'a fragmented text comes back as one message',
    expected: 'one message: TEXT "Espressif"',
    run: async on => {
      const peer = await on.raw('/ws').opened();
      await peer.send(Buffer.concat([frame(TEXT, 'Espr', { fin: false }), frame(0, 'essif')]));
      return oneMessage(await message(peer));
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'a PING between two fragments is answered at once',
    expected: 'PONG "between", then one message: TEXT "Espressif"',
    run: async on => {
      const peer = await on.raw('/ws').opened();
      await peer.send(Buffer.concat([frame(TEXT, 'Espr', { fin: false }), frame(PING, 'between'), frame(0, 'essif')]));
      const frames = await message(peer);
      const pongs = frames.filter(came => came.opcode === PONG);
      return `${pongs.map(show).join(', ')}, then ${oneMessage(frames.filter(came => came.opcode !== PONG))}`;
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'frames right behind the handshake are not lost',
    expected: 'TEXT "first", TEXT "second"',
    run: async on => {
      const behind = Buffer.concat([frame(TEXT, 'first'), frame(TEXT, 'second')]);
      const peer = await on.raw('/ws', { behind }).opened();
      return `${show(await peer.next())}, ${show(await peer.next())}`;
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'a frame that is not masked is refused',
    expected: 'CLOSE 1002, then the end of the connection',
    run: async on => closes(on, frame(TEXT, WORD, { masked: false })),
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'text that is not UTF-8 is refused',
    expected: 'CLOSE 1007, then the end of the connection',
    run: async on => closes(on, frame(TEXT, Buffer.of(0xc3, 0x28))),
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'a CLOSE is answered with its own code',
    expected: 'CLOSE 3000, then the end of the connection',
    run: async on => closes(on, frame(CLOSE, Buffer.of(3000 >> 8, 3000 & 0xff))),
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'the closing handshake ends cleanly',
    expected: 'CLOSE 1000',
    run: async on => {
      const peer = await on.ws('/ws');
      peer.socket.close(1000, 'done');
      return peer.closed;
    },
  },
  {
    ...OURS,
    uri: '/ws',
    name: 'a GET without an upgrade is told what to do',
    expected: 'HTTP 426, Sec-WebSocket-Version: 13',
    run: async on => {
      const head = await on.raw('/ws', { upgrade: false }).response();
      return `HTTP ${statusOf(head)}, Sec-WebSocket-Version: ${headerOf(head, 'Sec-WebSocket-Version')}`;
    },
  },
];

const LONG = 'A'.repeat(200);

const partialSteps: Step[] = [
  // ESP-IDF's own example answers BIN with TEXT here
  ...echoSteps('/ws_partial').map(step => (step.name.startsWith('BIN') ? { ...step, ...OURS } : step)),
  {
    ...BOARD,
    uri: '/ws_partial',
    name: '200 bytes come back as one message',
    expected: 'TEXT of 200 bytes, the same as sent',
    run: async on => {
      const peer = await on.ws('/ws_partial');
      peer.socket.send(LONG);
      const came = await peer.next();
      return `${show(came)}, ${came.data.toString() === LONG ? 'the same as sent' : 'not the same as sent'}`;
    },
  },
  {
    ...BOARD,
    uri: '/ws_partial',
    name: '200 bytes travel in fragments',
    expected: 'TEXT 64, CONTINUE 64, CONTINUE 64, CONTINUE 8, and FIN on the last only',
    run: async on => {
      const peer = await on.raw('/ws_partial').opened();
      await peer.send(frame(TEXT, LONG));
      const frames = await message(peer);
      const parts = frames.map(({ opcode, data }) => `${opcode === TEXT ? 'TEXT' : 'CONTINUE'} ${data.length}`);
      const rest = Buffer.concat(frames.map(came => came.data)).toString() === LONG ? '' : ', with another payload';
      const fins = frames.filter(came => came.fin).length;
      return `${parts.join(', ')}, and FIN on ${fins === 1 ? 'the last only' : `${fins} frames`}${rest}`;
    },
  },
];

const VALID = '/auth?token=valid';

const authSteps: Step[] = [
  {
    ...BOARD,
    uri: '/auth',
    name: 'the valid token is greeted',
    expected: show({ opcode: TEXT, data: Buffer.from(GREETING), fin: true }),
    run: async on => show(await (await on.ws(VALID)).next()),
  },
  ...echoSteps(VALID, [], GREETING),
  ...['/auth?token=invalid', '/auth?token=valid2', '/auth'].map(path => ({
    ...OURS,
    uri: '/auth',
    name: `${path} is refused`,
    expected: 'HTTP 403',
    run: async (on: Bench) => `HTTP ${statusOf(await on.raw(path).response())}`,
  })),
];

const chatSteps: Step[] = [
  {
    ...OURS,
    uri: '/chat',
    name: 'the subprotocol chat is chosen',
    expected: 'subprotocol "chat"',
    run: async on => `subprotocol "${(await on.ws('/chat', 'superchat', 'chat')).socket.protocol}"`,
  },
  {
    ...OURS,
    uri: '/chat',
    name: 'a subprotocol that the server does not speak is not chosen',
    expected: 'HTTP 101, subprotocol ""',
    run: async on => {
      const head = await on.raw('/chat', { headers: ['Sec-WebSocket-Protocol: superchat'] }).response();
      return `HTTP ${statusOf(head)}, subprotocol "${headerOf(head, 'Sec-WebSocket-Protocol')}"`;
    },
  },
  ...echoSteps('/chat', ['chat']).map(step => ({ ...step, ...OURS })),
];

/** The steps for `--uri`, or all. */
export function stepsFor(uri: string | undefined): readonly Step[] {
  switch (uri) {
    case undefined:
      return [...wsSteps, ...partialSteps, ...authSteps, ...chatSteps];
    case '/ws':
      return wsSteps;
    case '/ws_partial':
      return partialSteps;
    case '/auth':
    case VALID:
      return authSteps;
    case '/chat':
      return chatSteps;
    default:
      return echoSteps(uri);
  }
}

/** The frames up to the end of a message, control frames between them included. */
async function message(peer: RawPeer): Promise<Came[]> {
  const frames: Came[] = [];
  for (;;) {
    const came = await peer.next();
    frames.push(came);
    if (came.opcode === CLOSE || (came.fin && came.opcode < CLOSE)) return frames;
  }
}

function oneMessage(frames: readonly Came[]): string {
  const [first] = frames;
  const inOrder = frames.every(
    (came, i) => (i === 0) === (came.opcode !== 0) && came.fin === (i === frames.length - 1),
  );
  if (first === undefined || !inOrder) return `the frames ${frames.map(show).join(', ')}`;
  const data = Buffer.concat(frames.map(came => came.data));
  return `one message: ${show({ opcode: first.opcode, data, fin: true })}`;
}

/** Sends bytes, and tells how the server closes. */
async function closes(on: Bench, bytes: Buffer): Promise<string> {
  const peer = await on.raw('/ws').opened();
  await peer.send(bytes);
  const came = show(await peer.next());
  await peer.ended;
  return `${came}, then the end of the connection`;
}
