/**
 * Puts a counter into each branch of a module: at the start of each function, on both sides of each `if`, `?:`, `&&`,
 * `||` and `??`, in each loop, case and catch. Lines stay where they are.
 */
import { type Node, parse } from 'acorn';

/** Name of the global function that gives a module its counters. */
export const COUNTERS = '__fuzzCounters';
const LOCAL = '__fuzz';

/** @param source a module in JavaScript */
export function instrument(source: string): string {
  const tree = parse(source, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
  const edits = new Edits();
  visit(tree, edits);
  return `const ${LOCAL} = globalThis.${COUNTERS}(${edits.count});${edits.apply(source)}`;
}

class Edits {
  count = 0;
  private readonly opens = new Map<number, string>();
  private readonly closes = new Map<number, string>();

  /** Counts at `at`. */
  statement(at: number): void {
    this.open(at, `${this.counter()};`);
  }

  /** Counts before the expression. */
  expression({ start, end }: Node): void {
    this.open(start, `(${this.counter()},`);
    this.close(end, ')');
  }

  /** Counts before the statement, which need not be a block. */
  branch(node: Node): void {
    if (node.type === 'BlockStatement') return this.statement(node.start + 1);
    this.open(node.start, `{${this.counter()};`);
    this.close(node.end, '}');
  }

  /** Counts when an `if` without `else` is not taken. */
  otherwise({ end }: Node): void {
    this.close(end, ` else {${this.counter()}}`);
  }

  apply(source: string): string {
    const places = [...new Set([...this.opens.keys(), ...this.closes.keys()])].sort((a, b) => a - b);
    let text = '';
    let from = 0;
    for (const at of places) {
      text += source.slice(from, at) + (this.closes.get(at) ?? '') + (this.opens.get(at) ?? '');
      from = at;
    }
    return text + source.slice(from);
  }

  private counter(): string {
    this.count += 1;
    return `${LOCAL}[${this.count - 1}]++`;
  }

  // outer nodes are visited first: theirs opens first and closes last
  private open(at: number, text: string): void {
    this.opens.set(at, (this.opens.get(at) ?? '') + text);
  }

  private close(at: number, text: string): void {
    this.closes.set(at, text + (this.closes.get(at) ?? ''));
  }
}

type Fields = Readonly<Record<string, unknown>>;

function visit(node: Node, edits: Edits): void {
  const fields = node as unknown as Fields;
  mark(node, fields, edits);
  for (const value of Object.values(fields)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, edits);
  }
}

function mark(node: Node, fields: Fields, edits: Edits): void {
  const child = (name: string): Node | undefined => (isNode(fields[name]) ? fields[name] : undefined);
  const body = child('body');
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      if (body?.type === 'BlockStatement') edits.statement(body.start + 1);
      else if (body !== undefined) edits.expression(body);
      break;
    case 'IfStatement': {
      const alternate = child('alternate');
      if (alternate === undefined) edits.otherwise(node);
      else edits.branch(alternate);
      edits.branch(child('consequent') as Node);
      break;
    }
    case 'ForStatement':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'CatchClause':
      edits.branch(body as Node);
      break;
    case 'ConditionalExpression':
      edits.expression(child('consequent') as Node);
      edits.expression(child('alternate') as Node);
      break;
    case 'LogicalExpression':
      edits.expression(child('right') as Node);
      break;
    case 'SwitchCase': {
      const [first] = fields.consequent as Node[];
      if (first !== undefined) edits.statement(first.start);
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string';
}
