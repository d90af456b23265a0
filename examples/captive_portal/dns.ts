/**
 * The DNS of a captive portal: whatever name is asked for, the answer is one address. Bytes in, bytes out.
 *
 * No answer is longer than its query by more than `GROWTH_MAX`, so that a query with a forged sender is worth nobody's while.
 */

/** The longest query that is read; what is longer than a DNS message over UDP should be is no query to us. */
export const QUERY_MAX = 1232;
/** An A record with a pointer for a name. */
export const GROWTH_MAX = 16;
/** How long an answer may be kept, in seconds (`ANS_TTL_SEC`). */
export const ANS_TTL_SEC = 300;

const HEADER_LEN = 12;
/** Bits of the header's third and fourth byte, as one number (RFC 1035 section 4.1.1, RFC 4035 section 3). */
const QR = 0x8000;
const OPCODE = 0x7800;
const AA = 0x0400;
const RD = 0x0100;
const RA = 0x0080;
const CD = 0x0010;
/** RFC 1035 section 4.1.1; the last one has a part in the OPT record (RFC 6891 section 9). */
const FORMERR = 1;
const NOTIMP = 4;
const BADVERS_HIGH = 1;

const TYPE_A = 1;
const TYPE_OPT = 41;
const CLASS_IN = 1;
const NAME_MAX = 255;
const LABEL_MAX = 63;
const POINTER = 0xc0;
/** The question is always the first thing behind the header. */
const POINTER_TO_QUESTION = 0xc000 | HEADER_LEN;
const OPT_LEN = 11;

/** What a well-formed query asks. */
interface Query {
  /** Where the question ends. */
  readonly questionEnd: number;
  readonly type: number;
  readonly class: number;
  /** The version in the OPT record (RFC 6891 section 6.1.3); undefined without one. */
  readonly ednsVersion: number | undefined;
}

/**
 * The answer to a query.
 *
 * @param packet a UDP datagram, whatever is in it
 * @param address the four bytes of an IPv4 address
 * @returns undefined if nothing is to be sent: what is no query, since two that answer answers would never end
 */
export function answerDns(packet: Uint8Array, address: Uint8Array): Uint8Array | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet.length < HEADER_LEN || packet.length > QUERY_MAX) return undefined;
  const flags = view.getUint16(2);
  if ((flags & QR) !== 0) return undefined;
  if ((flags & OPCODE) !== 0) return refuse(packet, flags, NOTIMP);
  const query = readQuery(packet, view);
  if (query === undefined) return refuse(packet, flags, FORMERR);

  const { questionEnd, ednsVersion } = query;
  const badVersion = ednsVersion !== undefined && ednsVersion > 0;
  const answered = !badVersion && query.type === TYPE_A && query.class === CLASS_IN;
  const reply = new Uint8Array(
    questionEnd + (answered ? 12 + address.length : 0) + (ednsVersion === undefined ? 0 : OPT_LEN),
  );
  const out = new DataView(reply.buffer);
  // as it was written: the case of its letters may be a secret of the asker's
  reply.set(packet.subarray(0, questionEnd));
  out.setUint16(2, QR | AA | RA | (flags & (RD | CD)));
  out.setUint16(6, answered ? 1 : 0);
  out.setUint16(8, 0);
  out.setUint16(10, ednsVersion === undefined ? 0 : 1);
  let at = questionEnd;
  if (answered) {
    out.setUint16(at, POINTER_TO_QUESTION);
    out.setUint16(at + 2, TYPE_A);
    out.setUint16(at + 4, CLASS_IN);
    out.setUint32(at + 6, ANS_TTL_SEC);
    out.setUint16(at + 10, address.length);
    reply.set(address, at + 12);
    at += 12 + address.length;
  }
  if (ednsVersion !== undefined) {
    // the root's name, our version 0, no options (RFC 6891 section 6.1.1: who gets an OPT record sends one)
    out.setUint16(at + 1, TYPE_OPT);
    out.setUint16(at + 3, QUERY_MAX);
    out.setUint8(at + 5, badVersion ? BADVERS_HIGH : 0);
  }
  return reply;
}

/** A header that says what was wrong, and nothing else. */
function refuse(packet: Uint8Array, flags: number, rcode: number): Uint8Array {
  const reply = new Uint8Array(HEADER_LEN);
  const out = new DataView(reply.buffer);
  reply.set(packet.subarray(0, 2));
  out.setUint16(2, QR | (flags & (OPCODE | RD)) | rcode);
  return reply;
}

/** @returns undefined if it breaks a rule: then there is no telling what else it means */
function readQuery(packet: Uint8Array, view: DataView): Query | undefined {
  // one question (RFC 9619 section 4), and nothing in the sections that answers are for
  if (view.getUint16(4) !== 1 || view.getUint16(6) !== 0 || view.getUint16(8) !== 0) return undefined;
  const nameEnd = skipName(packet, HEADER_LEN);
  if (nameEnd === undefined || nameEnd + 4 > packet.length) return undefined;
  const questionEnd = nameEnd + 4;
  let at = questionEnd;
  let ednsVersion: number | undefined;
  for (let left = view.getUint16(10); left > 0; left--) {
    const recordAt = skipName(packet, at, { pointers: true });
    if (recordAt === undefined || recordAt + 10 > packet.length) return undefined;
    if (view.getUint16(recordAt) === TYPE_OPT) {
      // one at most, and its name is the root's (RFC 6891 section 6.1.1)
      if (ednsVersion !== undefined || recordAt !== at + 1) return undefined;
      ednsVersion = view.getUint8(recordAt + 5);
    }
    at = recordAt + 10 + view.getUint16(recordAt + 8);
    if (at > packet.length) return undefined;
  }
  if (at !== packet.length) return undefined;
  return { questionEnd, type: view.getUint16(nameEnd), class: view.getUint16(nameEnd + 2), ednsVersion };
}

/**
 * Where a name ends (RFC 1035 section 3.1). Pointers are not followed, so none can lead in circles: one ends the name
 * that has it. The first name of a message has nothing to point to.
 */
function skipName(packet: Uint8Array, start: number, { pointers = false } = {}): number | undefined {
  let at = start;
  while (at - start < NAME_MAX) {
    const len = packet[at];
    if (len === undefined) return undefined;
    if (len === 0) return at + 1;
    if (len > LABEL_MAX) return pointers && len >= POINTER && at + 2 <= packet.length ? at + 2 : undefined;
    at += 1 + len;
  }
  return undefined;
}
