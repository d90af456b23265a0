/** docs/websocket_mapping.md, taken apart. */
import { readFileSync } from 'node:fs';

/** A row of a table. */
export interface Row {
  /** The name that its example goes by: the first in the row. */
  readonly name: string;
  /** The number of a callback reason. */
  readonly number: number | undefined;
  /** What the row says. */
  readonly here: string;
  /** Does its name lead to an example? */
  readonly linked: boolean;
}

/** A block of TypeScript. */
export interface Example {
  readonly name: string;
  readonly code: string;
}

export interface Page {
  readonly rows: readonly Row[];
  /** What all examples share: the block above the first table. */
  readonly shared: Example;
  /** The others, with the headings that they stand under. */
  readonly examples: readonly Example[];
}

export function readPage(file: string): Page {
  const text = readFileSync(file, 'utf8');
  const [shared, ...examples] = blocks(text);
  if (shared === undefined) throw new Error('the page has no ts block');
  const rows = text.split('\n').flatMap(line => {
    const [first, ...rest] = line.startsWith('| ') ? line.slice(2, -2).split(' | ') : [];
    const name = /^\[?`([^`]+)`/.exec(first ?? '')?.[1];
    if (name === undefined) return [];
    const number = rest.length === 2 ? Number(rest[0]) : undefined;
    return [{ name, number, here: rest.at(-1) ?? '', linked: first?.startsWith('[') ?? false }];
  });
  return { rows, shared, examples };
}

function blocks(text: string): Example[] {
  const found: Example[] = [];
  let name = '';
  let code: string[] | undefined;
  for (const line of text.split('\n')) {
    if (code !== undefined && line === '```') {
      found.push({ name, code: code.join('\n') });
      code = undefined;
    } else if (code !== undefined) {
      code.push(line);
    } else if (line.startsWith('```')) {
      code = [];
    } else if (line.startsWith('#')) {
      name = line.replace(/^#+ /, '').replaceAll('`', '');
    }
  }
  return found;
}
