/** Random numbers that come from a seed, so that a device has the same story again. */

/** A number from 0 up to 1, and another one at each call. */
export type Random = () => number;

/** SplitMix32: the state is a counter, so that near seeds have nothing in common. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    return mix(state) / 2 ** 32;
  };
}

/** A seed for the n-th of things that each have numbers of their own: what one of them draws does not change another. */
export function seedOf(seed: number, n: number): number {
  return mix((mix(seed >>> 0) + n) >>> 0);
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
  return (x ^ (x >>> 15)) >>> 0;
}
