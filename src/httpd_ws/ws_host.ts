/**
 * What a WebSocket needs from the server.
 */
import type { TagLog } from '../log.js';
import type { CtxHolder } from '../sess/protocol.js';
import type { Sess } from '../sess/sess.js';
import type { MessageMemory } from './message.js';
import type { WsCloseInfo, WsSettings } from './options.js';

/** What those of one URI handler share. */
export interface WsHost<Req extends CtxHolder = CtxHolder> {
  readonly log: TagLog;
  readonly settings: WsSettings;
  readonly memory: MessageMemory;
  readonly recvWaitMs: number;
  readonly wantsControlFrames: boolean;
  /** `uri` of the handler. */
  readonly uri: string;
  /** Calls the URI handler for a frame. */
  callHandler(sess: Sess, req: Req): unknown;
  /** The handler has ended: takes over the session's context. @param peerCloses has the peer sent a Close frame? */
  onHandlerDone(sess: Sess, req: Req, peerCloses: boolean): void;
  /** The handler, or a callback of the handshake, has returned an error. */
  onHandlerRefused(sess: Sess, result: unknown): void;
  /** It has thrown, or its promise was rejected. */
  onHandlerThrew(thrown: unknown): void;
  /** A frame, or a message that was joined, has come; of a long frame the header, which announces `len` bytes. */
  onFrame(sess: Sess, firstByte: number, len: number): void;
  /** A control frame that the handler does not get has been dealt with. */
  onControl(sess: Sess, type: number, len: number): void;
  /** So many bytes of a payload have come for the handler. */
  onData(sess: Sess, len: number): void;
  /** The application has sent a payload of this length. */
  onSentData(sess: Sess, len: number): void;
  /** The peer has taken too long with something, and is given up. */
  onTimeout(): void;
  /** The WebSocket is over. */
  onClosed(info: WsCloseInfo): void;
}
