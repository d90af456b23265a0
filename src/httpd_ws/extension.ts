/**
 * Negotiation of permessage-deflate (RFC 7692 section 7.1): offers of clients by their grammar, and the server's
 * answer. Pure.
 */
import type { WsDeflateSettings } from './options.js';

/** What both sides have agreed on. */
export interface DeflateParams {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** An agreement, and how the answer's Sec-WebSocket-Extensions says it. */
export interface DeflateAnswer {
  readonly params: DeflateParams;
  readonly header: string;
}

/** An extension with its parameters; `true` stands for one without a value. */
export interface ExtensionOffer {
  readonly name: string;
  readonly params: readonly (readonly [name: string, value: string | true])[];
}

const DEFLATE = 'permessage-deflate';
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/**
 * One step of RFC 6455 section 9.1, with the white space of RFC 9110 around each part: a token or a quoted string.
 * Sticky, so that a header is walked through once, whatever is in it.
 */
const TOKEN = /[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*/y;
const QUOTED = /[ \t]*"((?:[^"\\]|\\[\t\x20-\x7e])*)"[ \t]*/y;
/** A token and nothing else (RFC 9110 section 5.6.2). */
export const WHOLE_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BLANKS = /[ \t]*/y;

/** Reads Sec-WebSocket-Extensions. @returns undefined if it breaks the grammar */
export function parseExtensions(value: string): ExtensionOffer[] | undefined {
  const offers: ExtensionOffer[] = [];
  let at = 0;
  const step = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(value);
    if (match !== null) at = pattern.lastIndex;
    return match?.[1];
  };
  const take = (char: string): boolean => {
    const there = value[at] === char;
    if (there) at += 1;
    return there;
  };
  for (;;) {
    const name = step(TOKEN);
    if (name !== undefined) {
      const params: [string, string | true][] = [];
      while (take(';')) {
        const param = step(TOKEN);
        if (param === undefined) return undefined;
        if (!take('=')) {
          params.push([param, true]);
          continue;
        }
        const given = step(TOKEN) ?? step(QUOTED)?.replace(/\\(.)/g, '$1');
        // what is quoted must be a token too (RFC 6455 section 9.1)
        if (given === undefined || !WHOLE_TOKEN.test(given)) return undefined;
        params.push([param, given]);
      }
      offers.push({ name, params });
    } else {
      // empty elements are ignored (RFC 9110 section 5.6.1.2)
      step(BLANKS);
    }
    if (at === value.length) return offers;
    if (!take(',')) return undefined;
  }
}

/** Takes the first offer that can be kept to; undefined if there is none. */
export function acceptDeflate(offers: readonly ExtensionOffer[], ours: WsDeflateSettings): DeflateAnswer | undefined {
  for (const offer of offers) {
    const answer = offer.name === DEFLATE ? answerTo(offer.params, ours) : undefined;
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** @returns undefined if the offer must be declined (RFC 7692 section 7.1) */
function answerTo(params: ExtensionOffer['params'], ours: WsDeflateSettings): DeflateAnswer | undefined {
  const asked = new Map<string, string | true>();
  for (const [name, value] of params) {
    if (asked.has(name)) return undefined;
    asked.set(name, value);
    switch (name) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        if (value !== true) return undefined;
        break;
      case 'server_max_window_bits':
        if (value === true || !WINDOW_BITS.test(value)) return undefined;
        break;
      case 'client_max_window_bits':
        if (value !== true && !WINDOW_BITS.test(value)) return undefined;
        break;
      default:
        return undefined;
    }
  }
  const serverBits = asked.get('server_max_window_bits');
  const clientBits = asked.get('client_max_window_bits');
  // a client that does not name it can't be told to use a smaller window (section 7.1.2.2)
  if (clientBits === undefined && ours.clientMaxWindowBits < 15) return undefined;
  const agreed: DeflateParams = {
    serverNoContextTakeover: ours.serverNoContextTakeover || asked.has('server_no_context_takeover'),
    clientNoContextTakeover: ours.clientNoContextTakeover || asked.has('client_no_context_takeover'),
    serverMaxWindowBits: Math.min(ours.serverMaxWindowBits, Number(serverBits ?? 15)),
    clientMaxWindowBits: Math.min(ours.clientMaxWindowBits, typeof clientBits === 'string' ? Number(clientBits) : 15),
  };
  let header = DEFLATE;
  if (agreed.serverNoContextTakeover) header += '; server_no_context_takeover';
  if (agreed.clientNoContextTakeover) header += '; client_no_context_takeover';
  if (serverBits !== undefined || agreed.serverMaxWindowBits < 15) {
    header += `; server_max_window_bits=${agreed.serverMaxWindowBits}`;
  }
  if (clientBits !== undefined && agreed.clientMaxWindowBits < 15) {
    header += `; client_max_window_bits=${agreed.clientMaxWindowBits}`;
  }
  return { params: agreed, header };
}
