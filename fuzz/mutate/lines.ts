/** Changes of text that is made of lines. */
import type { Mutation } from './bytes.js';

/** Lines with their endings. */
export function lines(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const to = end < 0 ? bytes.length : end + 1;
    found.push(bytes.subarray(at, to));
    at = to;
  }
  return found;
}

/** Another line of the list, in the place of one, behind it, or not at all. */
export const linesMoved: Mutation = (bytes, other, random) => {
  const list = lines(bytes);
  const from = random.oneIn(2) ? list : lines(other);
  const at = random.below(list.length + 1);
  const line = from.length === 0 ? Buffer.alloc(0) : random.pick(from);
  list.splice(at, random.below(2), ...(random.oneIn(4) ? [] : [line]));
  return Buffer.concat(list);
};

/** One that ends in another way. */
export const linesEnded: Mutation = (bytes, _other, random) => {
  const list = lines(bytes);
  if (list.length === 0) return bytes;
  const at = random.below(list.length);
  const line = (list[at] as Buffer).toString('latin1').replace(/\r?\n$/, '');
  list[at] = Buffer.from(line + random.pick(['\r\n', '\n', '\r', '\r\r\n', '\n\r', ' \r\n', '\t\r\n', '']), 'latin1');
  return Buffer.concat(list);
};
