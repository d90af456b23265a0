/**
 * The client's side of negotiating permessage-deflate (RFC 7692 section 7.1): what it offers, and whether the server's
 * answer keeps to that. Pure.
 */
import { type DeflateParams, type ExtensionOffer, parseExtensions } from '../httpd_ws/extension.js';
import type { WsDeflateSettings } from '../httpd_ws/options.js';

const DEFLATE = 'permessage-deflate';
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/** Value of Sec-WebSocket-Extensions. */
export function deflateOffer(ours: WsDeflateSettings): string {
  let offer = DEFLATE;
  if (ours.serverNoContextTakeover) offer += '; server_no_context_takeover';
  if (ours.clientNoContextTakeover) offer += '; client_no_context_takeover';
  if (ours.serverMaxWindowBits < 15) offer += `; server_max_window_bits=${ours.serverMaxWindowBits}`;
  // without a value it says that the server may ask for a smaller window (section 7.1.2.2)
  offer += '; client_max_window_bits';
  if (ours.clientMaxWindowBits < 15) offer += `=${ours.clientMaxWindowBits}`;
  return offer;
}

/**
 * Checks the server's Sec-WebSocket-Extensions.
 *
 * @param ours undefined if nothing was offered
 * @returns what has been agreed on, undefined if that is nothing, or a text that says what is wrong
 */
export function readAnswer(
  value: string | undefined,
  ours: WsDeflateSettings | undefined,
): DeflateParams | string | undefined {
  if (value === undefined) return undefined;
  const answers = parseExtensions(value);
  if (answers === undefined) return 'its Sec-WebSocket-Extensions is malformed';
  const [answer, second] = answers;
  // an empty field names none
  if (answer === undefined) return undefined;
  if (ours === undefined || answer.name !== DEFLATE) return 'it uses an extension that was not offered';
  if (second !== undefined) return 'it uses more extensions than were offered';
  return (
    agreed(answer.params, ours) ??
    'its parameters of permessage-deflate are none that were offered (RFC 7692 section 7.1)'
  );
}

/** @returns undefined if the answer does not fit the offer */
function agreed(params: ExtensionOffer['params'], ours: WsDeflateSettings): DeflateParams | undefined {
  const said = new Map<string, string | true>();
  for (const [name, value] of params) {
    if (said.has(name)) return undefined;
    said.set(name, value);
    if (name === 'server_no_context_takeover' || name === 'client_no_context_takeover') {
      if (value !== true) return undefined;
    } else if (name === 'server_max_window_bits' || name === 'client_max_window_bits') {
      if (value === true || !WINDOW_BITS.test(value)) return undefined;
    } else {
      return undefined;
    }
  }
  const serverBits = Number(said.get('server_max_window_bits') ?? 15);
  // who takes the offer keeps to what it asks for (sections 7.1.1.1 and 7.1.2.1)
  if (ours.serverNoContextTakeover && !said.has('server_no_context_takeover')) return undefined;
  if (serverBits > ours.serverMaxWindowBits) return undefined;
  return {
    serverNoContextTakeover: said.has('server_no_context_takeover'),
    clientNoContextTakeover: ours.clientNoContextTakeover || said.has('client_no_context_takeover'),
    serverMaxWindowBits: serverBits,
    clientMaxWindowBits: Math.min(ours.clientMaxWindowBits, Number(said.get('client_max_window_bits') ?? 15)),
  };
}
