/**
 * What stands between a request and the connection that it came by.
 */
import type { HttpdWsFrame } from '../httpd_ws/frame_type.js';
import type { ErrorAnswer } from './error_answer.js';
import type { LaterAnswer } from './later_answer.js';
import type { HttpdReq } from './req.js';
import type { Response } from './resp.js';

/** What a handler returns: `undefined` or `ESP_OK` keeps the session, any other value closes it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement is as welcome as one that returns ESP_OK
export type HandlerResult = number | void | Promise<number | void>;

/** A response that goes on for as long as both sides want. */
export interface LiveStream {
  /** `setDeadline` of the session has come: shows the client that the stream lives. */
  keepAlive(): void;
  /** Nothing more is to be sent: the client has sent FIN, or the server stops. */
  end(): void;
  /** The session has ended. */
  onEnded(): void;
}

/** What a request needs from its connection while it is served. */
export interface ReqOwner {
  /** The request being served; any other is stale. */
  readonly current: HttpdReq | undefined;
  readonly resp: Response;
  readonly errors: ErrorAnswer;
  readonly later: LaterAnswer;
  recvBody(buf: Uint8Array): Promise<number>;
  beginAsync(req: HttpdReq): HttpdReq;
  completeAsync(req: HttpdReq): void;
  /** Has the session ended, or will no more be sent? */
  readonly over: boolean;
  /** The response of the current request is a stream, and shows that it lives every `keepAliveMs`, unless that is 0. */
  beginStream(stream: LiveStream, keepAliveMs: number): void;
}

/** What a request needs from its WebSocket. */
export interface WsOps {
  /** @param how all that is left of the payload must fit, or a part of it is wanted */
  recvFrame(pkt: HttpdWsFrame, maxLen: number, how: 'whole' | 'part'): Promise<void>;
  sendFrame(pkt: HttpdWsFrame): Promise<void>;
}

/** What a request is made of. */
export interface ReqInit {
  readonly method: number;
  readonly uri: string;
  readonly contentLen: number | undefined;
  /** The head as it came, and its header section. */
  readonly raw: string;
  readonly headers: string;
}
