/**
 * What a C header declares, and a Kconfig file: the names, and the values that it states. It reads the headers of ESP-IDF
 * as they are written, and is no parser of C.
 */

/** What one header declares. */
export interface HeaderNames {
  readonly functions: readonly string[];
  /** By the struct's name. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** Null where the header states no number and no text. */
  readonly constants: Readonly<Record<string, number | string | null>>;
  /** Types of functions. */
  readonly callbacks: readonly string[];
  readonly types: readonly string[];
  readonly kconfig: readonly string[];
}

interface Found {
  functions: string[];
  fields: Record<string, string[]>;
  constants: Record<string, number | string | null>;
  callbacks: string[];
  types: string[];
}

const INT_MAX = 2 ** 31 - 1;

/** @param kconfig text of the component's Kconfig file */
export function readHeader(header: string, kconfig = ''): HeaderNames {
  const text = header
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replace(/\\\n/g, ' ')
    .replace(/^\s*extern "C" \{\s*$/gm, '');
  const found: Found = { functions: [], fields: {}, constants: {}, callbacks: [], types: [] };
  macros(text, found);
  // without directives; both branches of an #if count
  const code = text.replace(/^\s*#.*$/gm, '');
  const plain = typedefs(code, found);
  for (const match of plain.matchAll(/\bESP_EVENT_DECLARE_BASE\((\w+)\)/g)) found.constants[match[1] as string] = null;
  for (const match of plain.matchAll(/\b(\w+)\s*\([^;{}]*\)\s*(?:;|\{)/g)) {
    const name = match[1] as string;
    if (name !== 'ESP_EVENT_DECLARE_BASE' && /^[a-z]/.test(name)) found.functions.push(name);
  }
  return { ...found, functions: [...new Set(found.functions)], kconfig: readKconfig(kconfig) };
}

export function readKconfig(text: string): string[] {
  return [...text.matchAll(/^\s*(?:menu)?config (\w+)\s*$/gm)].map(match => `CONFIG_${match[1]}`);
}

function macros(text: string, found: Found): void {
  for (const match of text.matchAll(/^\s*#\s*define\s+(\w+)(\([^)]*\))?[ \t]*(.*)$/gm)) {
    const [, name = '', params, value = ''] = match;
    if (name.startsWith('_')) continue;
    if (params !== undefined) found.functions.push(name);
    else if (!(name in found.constants)) found.constants[name] = statedValue(value.trim(), found.constants);
    // one that is stated twice depends on something
    else if (found.constants[name] !== statedValue(value.trim(), found.constants)) found.constants[name] = null;
  }
}

function statedValue(text: string, known: Found['constants']): number | string | null {
  const bare = text.replace(/^\((.*)\)$/, '$1').trim();
  const quoted = /^"(.*)"$/.exec(bare)?.[1];
  if (quoted !== undefined) return quoted;
  if (bare === 'INT_MAX') return INT_MAX;
  const [, base, offset] = /^(\w+)\s*\+\s*(\d+)$/.exec(bare) ?? [];
  const start = base === undefined ? undefined : known[base];
  if (typeof start === 'number') return start + Number(offset);
  return /^-?(?:0x[0-9a-f]+|\d+)$/i.test(bare) ? Number(bare) : null;
}

/** @returns the code without its definitions of types */
function typedefs(code: string, found: Found): string {
  const tags = new Map<string, string>();
  let rest = code.replace(
    /(?:typedef\s+)?(struct|enum)\s*(\w*)\s*\{([\s\S]*?)\}\s*(\w*)\s*;/g,
    (_, kind: string, tag: string, body: string, name: string) => {
      if (name !== '') found.types.push(name);
      if (kind === 'enum') enumerators(body, found);
      else if (name === '') tags.set(tag, body);
      else found.fields[name] = fieldsOf(body);
      return '';
    },
  );
  rest = rest.replace(/typedef\s+([^;]*);/g, (_, definition: string) => {
    const pointer = /\(\s*\*\s*(\w+)\s*\)\s*\(/.exec(definition)?.[1];
    const plain = /(\w+)\s*\([^)]*\)\s*$/.exec(definition)?.[1];
    const [, tag = '', alias = ''] = /struct\s+(\w+)\s+(\w+)$/.exec(definition) ?? [];
    const name = /(\w+)\s*$/.exec(definition)?.[1] ?? '';
    if (pointer !== undefined || plain !== undefined) found.callbacks.push((pointer ?? plain) as string);
    // another name of such a type
    else if (/_(?:cb|fn)$/.test(name)) found.callbacks.push(name);
    else found.types.push(name);
    const body = tags.get(tag);
    if (body !== undefined) found.fields[alias] = fieldsOf(body);
    return '';
  });
  return rest;
}

function enumerators(body: string, found: Found): void {
  let next = 0;
  for (const item of body.split(',')) {
    const [, name, value] = /^\s*(\w+)\s*(?:=\s*(\S+))?\s*$/.exec(item) ?? [];
    if (name === undefined) continue;
    if (value !== undefined) next = Number(value);
    found.constants[name] = next++;
  }
}

function fieldsOf(body: string): string[] {
  return body
    .split(';')
    .map(field => (/\(\s*\*\s*(\w+)\s*\)\s*\(/.exec(field) ?? /(\w+)\s*(?:\[[^\]]*\])?\s*$/.exec(field))?.[1])
    .filter(name => name !== undefined);
}
