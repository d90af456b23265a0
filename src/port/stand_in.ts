/** Programs that run what is written for Node.js without being it. */

/**
 * What stands in for Node.js here, such as 'Bun 1.4.5'; undefined in Node.js. It has the modules of Node.js, but not what
 * is inside of them, nor its libuv: a call to that ends the whole program.
 */
export function standIn(): string | undefined {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  if (deno !== undefined) return `Deno ${deno}`;
  return undefined;
}
