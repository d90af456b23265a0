/**
 * The room: who is there, what may be said, and what everybody is told. It knows no sockets.
 */
import { espLog } from '../../src/index.js';

export const TAG = 'ws_chat_server';
/** The longest message, in bytes. */
export const MESSAGE_MAX = 1024;
/** The longest name, in characters. */
export const NAME_MAX = 24;
/** Somebody who has been quiet may say so many messages at once, and then so many in a second. */
export const BURST = 10;
export const PER_SECOND = 2;

const log = espLog(TAG);

/** Somebody with a name, and how many messages they have said. */
export interface Person {
  readonly name: string;
  readonly said: number;
}

export type Refusal = 'name-odd' | 'name-taken' | 'too-fast';

/** What the room tells: each is one text message, as JSON. */
export type ChatEvent =
  /** To one, first of all: the room as it is. */
  | {
      readonly type: 'hello';
      readonly people: readonly Person[];
      readonly nameMax: number;
      readonly messageMax: number;
    }
  /** To one: that is your name now. */
  | { readonly type: 'named'; readonly name: string }
  /** To one: that was not taken, and nobody else has seen it. */
  | { readonly type: 'refused'; readonly why: Refusal; readonly text: string }
  /** To all. `here` is how many have a name now. */
  | { readonly type: 'joined'; readonly name: string; readonly here: number }
  /** To all, who says it included. `n` counts the messages of the room, `said` those of this person. */
  | { readonly type: 'said'; readonly n: number; readonly name: string; readonly said: number; readonly text: string }
  /** To all. `lost`: without a goodbye. */
  | { readonly type: 'left'; readonly name: string; readonly here: number; readonly lost: boolean };

/** What a session remembers: the seed's `per_session_data__minimal`. */
export interface ChatSession {
  /** undefined until one has been chosen: such a session hears all, and can't say anything. */
  name: string | undefined;
  said: number;
  /** Messages that may be said at once. */
  credit: number;
  /** When that was reckoned. */
  creditAt: number;
  /** Is its WebSocket over? */
  gone: boolean;
}

/** Tells one session. */
export type Tell = (event: ChatEvent) => void;

/** What all sessions share: the seed's `per_vhost_data__minimal`. */
export class ChatRoom {
  /** Sessions with a name, by what makes it different from others. */
  private readonly people = new Map<string, ChatSession>();
  /** Sessions that have been opened and not freed. */
  private sessions = 0;
  /** Messages said so far. */
  private said = 0;

  /**
   * @param tellAll tells all sessions
   * @param now the time in ms
   */
  constructor(
    private readonly tellAll: Tell,
    private readonly now: () => number,
  ) {}

  /** How many sessions are not freed. */
  get open(): number {
    return this.sessions;
  }

  /** A client has come. @param name what it would like to be called */
  enter(name: string | undefined, tell: Tell): ChatSession {
    const session: ChatSession = { name: undefined, said: 0, credit: BURST, creditAt: this.now(), gone: false };
    this.sessions += 1;
    const people = [...this.people.values()].map(({ name, said }) => ({ name: name as string, said }));
    tell({ type: 'hello', people, nameMax: NAME_MAX, messageMax: MESSAGE_MAX });
    if (name !== undefined) this.hear(session, name, tell);
    return session;
  }

  /** A client has sent a message: the first one is its name. */
  hear(session: ChatSession, message: string, tell: Tell): void {
    // a handler may still be at work when its client has gone
    if (session.gone) return;
    const text = oneLine(message);
    if (!this.inTime(session)) {
      const why = `Not so fast: after ${BURST} messages, ${PER_SECOND} in a second. Nobody has seen this one.`;
      tell({ type: 'refused', why: 'too-fast', text: why });
    } else if (session.name === undefined) {
      this.choose(session, text, tell);
    } else if (text !== '') {
      session.said += 1;
      this.said += 1;
      this.tellAll({ type: 'said', n: this.said, name: session.name, said: session.said, text });
    }
  }

  /** A client has gone. @param why for the log */
  leave(session: ChatSession, lost: boolean, why: string): void {
    const { name } = session;
    session.gone = true;
    if (name === undefined) return;
    this.people.delete(keyOf(name));
    const here = this.people.size;
    log.info(`${name} has left (${why}), ${here} here`);
    this.tellAll({ type: 'left', name, here, lost });
  }

  /** Its session is over, and so is what it has remembered. */
  free({ name, said }: ChatSession): void {
    this.sessions -= 1;
    if (log.debugOn) log.debug(`Freed: ${name ?? 'a client without a name'}, ${said} messages`);
  }

  private choose(session: ChatSession, wanted: string, tell: Tell): void {
    const name = wanted.length > MESSAGE_MAX ? '' : wanted.normalize('NFC');
    if (!isName(name)) {
      const why = `A name has 1 to ${NAME_MAX} letters, digits, spaces and . _ ' -, and begins with a letter or digit.`;
      return tell({ type: 'refused', why: 'name-odd', text: why });
    }
    const key = keyOf(name);
    if (this.people.has(key)) {
      return tell({ type: 'refused', why: 'name-taken', text: `Somebody here is called ${name} already.` });
    }
    session.name = name;
    this.people.set(key, session);
    const here = this.people.size;
    log.info(`${name} has joined, ${here} here`);
    tell({ type: 'named', name });
    this.tellAll({ type: 'joined', name, here });
  }

  /** May this session say something now? A room is as fast as its fastest talker, and all must read that. */
  private inTime(session: ChatSession): boolean {
    const now = this.now();
    session.credit = Math.min(BURST, session.credit + ((now - session.creditAt) / 1000) * PER_SECOND);
    session.creditAt = now;
    if (session.credit < 1) return false;
    session.credit -= 1;
    return true;
  }
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._'’-]*$/u;
/** What nobody sees, and towers of accents. */
const NOT_IN_NAMES = /\p{Default_Ignorable_Code_Point}|\p{M}{4}/u;

function isName(name: string): boolean {
  return NAME.test(name) && !NOT_IN_NAMES.test(name) && [...name].length <= NAME_MAX;
}

/** The same for names that look the same but for their case or width. */
function keyOf(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

/** Without control characters: nothing that a terminal would obey, and nobody fills the others' screens with empty lines. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
}
