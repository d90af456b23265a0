/** Something that must not happen has happened, or the other way round. */
export class Finding extends Error {
  override readonly name = 'Finding';

  /**
   * @param rule which of the stated invariants is broken; findings of the same rule are taken for the same
   * @param details for a person
   */
  constructor(
    readonly rule: string,
    details = '',
  ) {
    super(details === '' ? rule : `${rule}: ${details}`);
  }
}

/** @throws Finding */
export function demand(holds: boolean, rule: string, details?: () => string): void {
  if (!holds) throw new Finding(rule, details?.());
}

/** Bytes as a person can read them in a message, cut if there are many. */
export function shown(bytes: Uint8Array | string, max = 600): string {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return JSON.stringify(cut).replace(/[\x7f-\xff]/g, char => `\\x${char.charCodeAt(0).toString(16)}`);
}

/** The first place in which two lists differ. */
export function difference(a: readonly string[], b: readonly string[]): string {
  const at = a.findIndex((text, i) => text !== b[i]);
  const i = at < 0 ? a.length : at;
  return `#${i}: ${shown(a[i] ?? '(nothing)')} and ${shown(b[i] ?? '(nothing)')}`;
}
