/**
 * What a client wants of the light.
 */

/** How bright each colour is, from 0 to 255. */
export interface Light {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}

/** The light that a JSON text asks for; undefined if it asks for none that there is. Other members are no concern of ours. */
export function readLight(text: string): Light | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null) return undefined;
  const { red, green, blue } = json as Record<string, unknown>;
  return isBrightness(red) && isBrightness(green) && isBrightness(blue) ? { red, green, blue } : undefined;
}

function isBrightness(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
}
