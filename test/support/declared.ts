/** What the sources and the documents declare, read from their text: names of fields, rows of tables. */
import { readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** The text of a file of the project. */
export function readText(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** The names of the fields that an interface, a class or a type of objects declares, getters included; without private ones. */
export function declaredFields(file: string, name: string): string[] {
  const head = new RegExp(`^export (?:abstract )?(?:interface|class|type) ${name}\\b`, 'm').exec(readText(file));
  if (head === null) throw new Error(`${file} declares no ${name}`);
  const rest = readText(file).slice(head.index);
  const declared = rest.slice(0, rest.search(/\n\n(?=\/\*\*|export|const|function)|\n\}\n/));
  const ofObject = [...declared.matchAll(/^ {2}(?:readonly |get )?(\w+)(?:\?|!)?(?::|\(\)| = )/gm)];
  const ofUnion = [...declared.matchAll(/[{;] (?:readonly )?(\w+)\??: /g)];
  return [...new Set([...ofObject, ...ofUnion].map(match => match[1] as string))];
}

/** A row of a table, with the headings above it. */
export interface Row {
  /** Of the second level. */
  readonly chapter: string;
  /** Of the third. */
  readonly section: string;
  readonly cells: readonly string[];
}

/** The rows of the tables whose head has these cells. */
export function tableRows(markdown: string, ...head: string[]): Row[] {
  const rows: Row[] = [];
  const wanted = `| ${head.join(' | ')} |`;
  let chapter = '';
  let section = '';
  let inside = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('## ')) [chapter, section] = [line.slice(3), ''];
    else if (line.startsWith('### ')) section = line.slice(4);
    else if (line === wanted) inside = true;
    else if (!line.startsWith('|')) inside = false;
    else if (inside && !/^[| -]+$/.test(line)) {
      const cells = line.replace(/^\||\|$/g, '').split('|');
      rows.push({ chapter, section, cells: cells.map(cell => cell.trim()) });
    }
  }
  return rows;
}

/** What stands between backticks. */
export function codeIn(cell = ''): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1] as string);
}
