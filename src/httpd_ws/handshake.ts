/**
 * The server's side of the opening handshake (RFC 6455 section 4.2). Pure.
 */
import { createHash } from 'node:crypto';
import { acceptDeflate, type DeflateAnswer, parseExtensions, WHOLE_TOKEN } from './extension.js';
import type { WsDeflateSettings } from './options.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';
/**
 * Base64 of 16 bytes. Of the last character's bits four stand for nothing: RFC 4648 section 3.5 leaves it to decoders
 * whether they look at them, and RFC 6455 section 4.2.1 asks for what decodes to 16 bytes.
 */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** The header fields that take part, each with the values of all its lines joined by commas. */
export interface HandshakeFields {
  readonly upgrade: string | undefined;
  readonly key: string | undefined;
  readonly version: string | undefined;
  readonly protocol: string | undefined;
  readonly extensions: string | undefined;
}

/** The handshake may go on. */
export interface Accepted {
  /** Value of Sec-WebSocket-Accept. */
  readonly accept: string;
  /** The subprotocol chosen. */
  readonly protocol: string | undefined;
  /** permessage-deflate, if it has been agreed on. */
  readonly deflate: DeflateAnswer | undefined;
}

/** It may not. */
export interface Refused {
  readonly status: string;
  /** Headers that the answer must have. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly message: string;
}

const UPGRADE_HEADERS = [
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Version', VERSION],
] as const;

/** The answer to a request for a WebSocket that does not ask for an upgrade (RFC 9110 section 15.5.22). */
export const UPGRADE_REQUIRED: Refused = {
  status: '426 Upgrade Required',
  headers: UPGRADE_HEADERS,
  message: 'This address serves WebSockets: the request has to ask for an upgrade to websocket.',
};

function badRequest(message: string): Refused {
  return { status: '400 Bad Request', headers: [], message };
}

/** Value of Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/** What is hashed for it; for the log. */
export function keyWithGuid(key: string): string {
  return key + GUID;
}

/**
 * Checks a client's handshake, chooses a subprotocol, and agrees on permessage-deflate.
 *
 * @param supported subprotocols of the URI handler, the preferred one first
 * @param deflate undefined without compression
 */
export function checkHandshake(
  fields: HandshakeFields,
  supported: readonly string[],
  deflate?: WsDeflateSettings,
): Accepted | Refused {
  const { key, version } = fields;
  if (!elements(fields.upgrade ?? '').some(name => name.toLowerCase() === 'websocket')) return UPGRADE_REQUIRED;
  if (version === undefined) return badRequest('The Sec-WebSocket-Version header is missing.');
  if (version !== VERSION) {
    return {
      status: '426 Upgrade Required',
      headers: UPGRADE_HEADERS,
      message: `This server speaks version ${VERSION} of the WebSocket protocol only.`,
    };
  }
  if (key === undefined) return badRequest('The Sec-WebSocket-Key header is missing.');
  if (!KEY.test(key)) return badRequest('The Sec-WebSocket-Key header is not the base64 of 16 bytes.');
  const offered = parseProtocols(fields.protocol);
  if (offered === undefined) return badRequest('The Sec-WebSocket-Protocol header is not a list of distinct tokens.');
  const extensions = fields.extensions === undefined ? [] : parseExtensions(fields.extensions);
  if (extensions === undefined) return badRequest('The Sec-WebSocket-Extensions header is malformed.');
  return {
    accept: acceptKey(key),
    protocol: supported.find(name => offered.has(name)),
    deflate: deflate && acceptDeflate(extensions, deflate),
  };
}

/** Without the SP and HTAB around it (OWS of RFC 9110 section 5.6.3). */
function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && (text[from] === ' ' || text[from] === '\t')) from += 1;
  while (to > from && (text[to - 1] === ' ' || text[to - 1] === '\t')) to -= 1;
  return text.slice(from, to);
}

/** The elements of a list; empty ones are ignored (RFC 9110 section 5.6.1.2). */
function elements(list: string): string[] {
  return list
    .split(',')
    .map(trimBlanks)
    .filter(element => element !== '');
}

/** Subprotocols offered (RFC 6455 section 4.1 item 10); undefined if the list is malformed. */
function parseProtocols(value: string | undefined): Set<string> | undefined {
  const offered = new Set<string>();
  if (value === undefined) return offered;
  for (const name of elements(value)) {
    if (!WHOLE_TOKEN.test(name) || offered.has(name)) return undefined;
    offered.add(name);
  }
  return offered;
}
