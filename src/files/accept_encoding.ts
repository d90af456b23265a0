/**
 * Accept-Encoding of RFC 9110 section 12.5.3: which content codings of ours a client takes. Pure.
 */

/** A content coding in which a file may lie beside itself. */
export type ContentCoding = 'br' | 'gzip';

/** In the order in which they are preferred where the client does not mind: Brotli is the smaller one. */
const CODINGS: readonly ContentCoding[] = ['br', 'gzip'];

/** The codings that a client takes, the one to try first at the front. */
export interface AcceptedCodings {
  /** At least as welcome as the file as it is. */
  readonly preferred: readonly ContentCoding[];
  /** Good enough if the file can't be had as it is. */
  readonly tolerated: readonly ContentCoding[];
}

/** Without the field every coding is acceptable, which no client can mean as a wish. */
const ANY: AcceptedCodings = { preferred: [], tolerated: CODINGS };
export const NO_CODINGS: AcceptedCodings = { preferred: [], tolerated: [] };

/** An element of the list: a token, and a weight of section 12.4.2. */
const ELEMENT = /^[ \t]*([!#$%&'*+.^_`|~\w-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*$/i;

/** Clients say the same again and again. */
let last = { field: '', codings: NO_CODINGS };

/**
 * The codings that an Accept-Encoding field allows; malformed elements of it are ignored.
 *
 * That a client refuses the file as it is (`identity;q=0`) puts codings before it, and no more: section 12.4.1 lets a
 * server disregard the field rather than answer 406.
 */
export function acceptedCodings(field: string | undefined): AcceptedCodings {
  if (field === undefined) return ANY;
  if (field !== last.field) last = { field, codings: evaluate(field) };
  return last.codings;
}

function evaluate(field: string): AcceptedCodings {
  const weights = new Map<string, number>();
  for (const element of field.split(',')) {
    const [, name = '', weight = '1'] = ELEMENT.exec(element) ?? [];
    // 'x-gzip' is an old name (section 8.4.1.3)
    if (name !== '') weights.set(name.toLowerCase().replace(/^x-gzip$/, 'gzip'), Number(weight));
  }
  const others = weights.get('*');
  const weightOf = (coding: ContentCoding) => weights.get(coding) ?? others ?? 0;
  // not mentioned it is acceptable, and less welcome than what is
  const identity = weights.get('identity') ?? others ?? 0;
  const accepted = CODINGS.filter(coding => weightOf(coding) > 0).sort((a, b) => weightOf(b) - weightOf(a));
  return {
    preferred: accepted.filter(coding => weightOf(coding) >= identity),
    tolerated: accepted.filter(coding => weightOf(coding) < identity),
  };
}
