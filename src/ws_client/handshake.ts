/**
 * The client's side of the opening handshake (RFC 6455 section 4.1): the request, and whether the response is right.
 * Pure.
 */
import { joinHeaders, listHas } from '../httpd/headers.js';
import type { DeflateParams } from '../httpd_ws/extension.js';
import { acceptKey } from '../httpd_ws/handshake.js';
import type { WsDeflateSettings } from '../httpd_ws/options.js';
import { deflateOffer, readAnswer } from './deflate_offer.js';
import type { ResponseHead } from './response_head.js';

/** What a client asks for. */
export interface HandshakeOffer {
  /** Path and query. */
  readonly target: string;
  /** Value of Host. */
  readonly authority: string;
  /** 16 random bytes in base64. */
  readonly key: string;
  readonly subprotocols: readonly string[];
  readonly deflate: WsDeflateSettings | undefined;
  readonly origin: string | undefined;
  readonly userAgent: string | undefined;
  /** Value of Authorization. */
  readonly authorization: string | undefined;
  /** Further fields. One of them may be Host or Authorization, and then takes the place of ours. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What both sides have agreed on. */
export interface Agreement {
  readonly subprotocol: string | undefined;
  readonly deflate: DeflateParams | undefined;
}

/** The bytes of the request. */
export function requestOf(offer: HandshakeOffer): Buffer {
  const given = new Set(offer.headers.map(([name]) => name.toLowerCase()));
  const lines = [`GET ${offer.target} HTTP/1.1`];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && !given.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
  };
  add('Host', offer.authority);
  lines.push('Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${offer.key}`);
  lines.push('Sec-WebSocket-Version: 13');
  if (offer.subprotocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${offer.subprotocols.join(', ')}`);
  if (offer.deflate !== undefined) lines.push(`Sec-WebSocket-Extensions: ${deflateOffer(offer.deflate)}`);
  add('Origin', offer.origin);
  add('User-Agent', offer.userAgent);
  add('Authorization', offer.authorization);
  for (const [name, value] of offer.headers) lines.push(`${name}: ${value}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** @returns what has been agreed on, or a text that says what is wrong with a response of status 101 */
export function checkResponse(head: ResponseHead, offer: HandshakeOffer): Agreement | string {
  const { section } = head;
  if (!head.is11) return 'an upgrade in an HTTP/1.0 response';
  if (joinHeaders(section, 'upgrade')?.toLowerCase() !== 'websocket') return 'its Upgrade is not websocket';
  if (!listHas(joinHeaders(section, 'connection'), 'upgrade')) return 'its Connection has no Upgrade';
  if (joinHeaders(section, 'sec-websocket-accept') !== acceptKey(offer.key)) {
    return 'its Sec-WebSocket-Accept does not fit the key that was sent';
  }
  const chosen = joinHeaders(section, 'sec-websocket-protocol');
  // an empty list chooses none
  const subprotocol = chosen !== undefined && /[^ \t,]/.test(chosen) ? chosen : undefined;
  if (subprotocol !== undefined && !offer.subprotocols.includes(subprotocol)) {
    return 'it chose a subprotocol that was not offered';
  }
  const deflate = readAnswer(joinHeaders(section, 'sec-websocket-extensions'), offer.deflate);
  return typeof deflate === 'string' ? deflate : { subprotocol, deflate };
}
