/**
 * What a session needs from above: the protocol that looks at its bytes, and the server that it belongs to.
 */
import type { Contexts } from '../async_context.js';
import type { Deadlines } from './deadlines.js';
import type { Heap } from './heap.js';
import type { Input, ReceiveBuffer } from './input.js';
import type { Sess } from './sess.js';
import type { TurnBudget } from './turn_budget.js';
import type { Outbox } from './tx.js';

/** Frees a context. Runs exactly once for each context that was set. */
export type FreeCtxFn = (ctx: unknown) => void;

/** Who holds a session's context while a handler runs; `HttpdReq` does. */
export interface CtxHolder {
  sessCtx: unknown;
  freeCtx: FreeCtxFn | undefined;
  ignoreSessCtxChanges: boolean;
}

/** What looks at the bytes of a session: HTTP, then perhaps WebSocket. */
export interface Protocol {
  /** Does a handler run? Then the session is not purged, and what arrives waits. */
  readonly busy: boolean;
  /** Is it a WebSocket? Such a session is purged after idle HTTP ones only, and told so. */
  readonly isWebsocket: boolean;
  /** The request whose handler runs: while it does, the session's context is the one that it holds. */
  readonly request: CtxHolder | undefined;
  /** Can it not go on before something else happens than that bytes arrive? */
  readonly blocked: boolean;
  /** Can it go on without further bytes? */
  readonly unfinished: boolean;
  /** Is there nothing more to do once the peer has sent FIN, whatever of its bytes waits? */
  readonly endsWithPeer: boolean;
  /** Consumes what it can of `input`'s window, by moving `input.from`. What it leaves is too little for it. */
  run(input: Input): void;
  /** Reading has stopped, since too much waits: until it goes on, nothing tells that the peer has left. */
  onHeldBack?(): void;
  /** The peer has sent FIN, and all its bytes have been looked at. */
  onPeerEnd(): void;
  /** The time that was set with `setDeadline` has come. */
  onDeadline(): void;
  /** The session is over, with `unsent` bytes that have not left. Everything that waits must be settled. */
  onEnded(reason: string, unsent: number): void;
}

/** What all sessions of a server count together. */
export interface Traffic {
  /** Bytes. */
  received: number;
  sent: number;
  /** Sessions that ended since their peer did not read. */
  sendTimeouts: number;
}

/** What the server does for its sessions. */
export interface SessHost {
  readonly stats: Traffic;
  /** Of a simulated device. */
  readonly heap: Heap | undefined;
  readonly deadlines: Deadlines;
  /** What happens to a session from outside happens in a context of its own. */
  readonly contexts: Contexts;
  readonly budget: TurnBudget<Sess>;
  readonly outbox: Outbox;
  readonly receive: ReceiveBuffer;
  /** In ms; how long a send may make no progress. */
  readonly sendWaitMs: number;
  /** In ms and bytes; how long and how much is still discarded after the last byte was sent. */
  readonly lingerMs: number;
  /** At `pending` bytes to send, no further request is looked at and sends begin to wait. */
  readonly txHighWater: number;
  /** A send is accepted while fewer bytes are pending. */
  readonly maxTxPending: number;
  readonly txOverflow: 'close' | 'drop' | 'error';
  /** The session has received or sent something. */
  onActive(sess: Sess): void;
  /** The queue of a session that was full has room again. */
  onDrain(sess: Sess): void;
  /** Something threw where nothing may; the session is ended next. */
  onFault(sess: Sess, thrown: unknown): void;
  /** The session is over: all is sent, or lost. Its socket has not been released yet, and may linger. */
  onOver(sess: Sess, reason: string): void;
  /** Its socket has been released. */
  onReleased(sess: Sess): void;
}
