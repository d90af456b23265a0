import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { features, mark, Reached, reset } from '../../fuzz/coverage.js';
import { COUNTERS, instrument } from '../../fuzz/instrument/instrument.js';

let counted: Uint8Array;

beforeEach(() => {
  Object.defineProperty(globalThis, COUNTERS, {
    configurable: true,
    value: (n: number) => {
      counted = new Uint8Array(n);
      return counted;
    },
  });
});
afterEach(() => {
  Reflect.deleteProperty(globalThis, COUNTERS);
});

/** Runs instrumented code. @returns its value, and how many of its branches were reached */
function run(code: string): { value: unknown; reached: number; all: number } {
  // in a function, since scripts share their names
  const value: unknown = runInThisContext(`(() => { ${instrument(code)} return result; })()`);
  return { value, reached: counted.filter(n => n > 0).length, all: counted.length };
}

describe('instrumented code', () => {
  test.each([
    ['a function that is called', 'function f() { return 1; } const result = f();', 1, 1, 1],
    ['one that is not', 'const f = () => 1; const result = 2;', 2, 0, 1],
    ['an arrow function that gives an object', 'const f = () => ({ a: 1 }); const result = f().a;', 1, 1, 1],
    ['if without else', 'let result = 1; if (result > 1) result = 2;', 1, 1, 2],
    ['if with else', 'let result; if (1 < 2) result = 1; else result = 2;', 1, 1, 2],
    [
      'a chain of them',
      'let result = 3; if (result === 1) {} else if (result === 3) result = 4; else result = 5;',
      4,
      2,
      4,
    ],
    [
      'an else that belongs to the inner if',
      'let result = 1; if (true) if (false) result = 2; else result = 3;',
      3,
      2,
      4,
    ],
    ['? :', 'const result = 1 > 2 ? 1 : (0, 2);', 2, 1, 2],
    ['&&, ||, ??', 'const result = (1 && 0) || null ?? 5;'.replace('null ?? 5', '(null ?? 5)'), 5, 3, 3],
    [
      'loops',
      'let result = 0; for (const i of [1, 2]) result += i; while (result < 0) result++; do result++; while (false)',
      4,
      2,
      3,
    ],
    ['switch', 'let result = 0; switch (2) { case 1: case 2: { result = 1; } default: result += 1; }', 2, 2, 2],
    ['catch', 'let result; try { throw 1; } catch { result = 2; }', 2, 1, 1],
    [
      'methods, getters, defaults',
      'class C { get x() { return 1; } m(a = true ? 2 : 3) { return a; } } const c = new C(); const result = c.x + c.m();',
      3,
      3,
      4,
    ],
  ])('counts in %s and does the same', (_name, code, value, reached, all) => {
    expect(run(code)).toEqual({ value, reached, all });
  });

  test('keeps the lines where they were', () => {
    const code = 'const a = 1;\nfunction f() {\n  return a;\n}\n';
    expect(instrument(code).split('\n')).toHaveLength(code.split('\n').length);
  });
});

describe('what is reached', () => {
  test('is told apart by marks', () => {
    const reached = new Reached();
    reset();
    mark(1);
    mark(1);
    mark(2);
    const first = features();
    expect(first).toHaveLength(2);
    reached.add(first);
    reset();
    mark(2);
    expect(reached.unknown(features())).toEqual([]);
    mark(3);
    expect(reached.unknown(features())).toHaveLength(1);
    expect(reached.marks).toBe(2);
    reset();
    expect(features()).toEqual([]);
  });
});
