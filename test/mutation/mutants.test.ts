/** What each rule makes of a source, and what no rule touches. */
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';
import { mutantsOf, withChange, type Mutant, type RuleName } from './mutants.ts';
import type { Source } from './rules/rule.ts';

/** What the sources below may use. */
const words = `
  declare const a: number, b: number, isIt: boolean, isThat: boolean, list: number[], text: string, some: string | undefined;
  declare const store: { put(key: string): Promise<void>; count: number };
  declare const log: { warn(text: string, fields?: object): void };
  declare function f(): void;
  declare function g(): Promise<number>;
`;

function parsed(text: string): Source {
  const options = { target: ts.ScriptTarget.ES2024, strict: true, noLib: true };
  const host = ts.createCompilerHost(options);
  host.getSourceFile = (path, target) =>
    path === 'source.ts' ? ts.createSourceFile(path, text, target, true) : undefined;
  const program = ts.createProgram(['source.ts'], options, host);
  const file = program.getSourceFile('source.ts');
  if (file === undefined) throw new Error('There is no source.');
  return { file, checker: program.getTypeChecker() };
}

/** @returns the mutants of a source, `now` being the whole of it */
function mutantsIn(source: string): Mutant[] {
  const text = `${source}\n${words}`;
  return mutantsOf('source.ts', parsed(text)).map((mutant) => ({
    ...mutant,
    now: withChange(text, mutant).replace(`\n${words}`, ''),
  }));
}

function changesBy(rule: RuleName, source: string): string[] {
  return mutantsIn(source)
    .filter((mutant) => mutant.rule === rule)
    .map(({ now }) => now);
}

const inFunction = (body: string): string => `async function it(): Promise<unknown> { ${body} }`;

describe('a rule makes of a source', () => {
  test.each<[rule: RuleName, source: string, mutants: string[]]>([
    ['invert-condition', 'if (isIt) f();', ['if (!(isIt)) f();']],
    ['invert-condition', 'while (isIt && isThat) f();', ['while (!(isIt && isThat)) f();']],
    ['invert-condition', 'const c = isIt ? 1 : 2; f();', ['const c = !(isIt) ? 1 : 2; f();']],
    ['drop-negation', 'if (!isIt) f();', ['if (isIt) f();']],
    ['flip-equality', 'if (a === b) f();', ['if (a !== b) f();']],
    ['flip-equality', 'if (a !== b) f();', ['if (a === b) f();']],
    ['shift-comparison', 'if (a < b) f();', ['if (a <= b) f();']],
    ['shift-comparison', 'if (a >= b) f();', ['if (a > b) f();']],
    ['reverse-comparison', 'if (a < b) f();', ['if (a >= b) f();']],
    ['reverse-comparison', 'if (a >= b) f();', ['if (a < b) f();']],
    ['swap-logic', 'if (isIt && isThat) f();', ['if (((isIt) || (isThat))) f();']],
    ['swap-logic', 'if (isIt || isThat) f();', ['if (((isIt) && (isThat))) f();']],
    ['swap-sign', 'store.count += 1;', ['store.count -= 1;']],
    ['swap-sign', 'store.count = a * b;', ['store.count = a / b;']],
    ['swap-sign', 'store.count = a < b ? -1 : 1;', ['store.count = a < b ? 1 : 1;']],
    ['shift-constant', 'if (a === 3) f();', ['if (a === 4) f();', 'if (a === 2) f();']],
    ['shift-constant', 'store.count = a + 1;', ['store.count = a + 2;', 'store.count = a + 0;']],
    ['shift-constant', 'store.count += 1;', ['store.count += 2;']],
    ['shift-constant', 'list.slice(1);', ['list.slice(2);', 'list.slice(0);']],
    ['shift-constant', 'list.at(-1);', ['list.at(0);', 'list.at(-2);']],
    ['drop-default', "const c = some ?? 'b'; f();", ['const c = some; f();']],
    ['force-default', "const c = some ?? 'b'; f();", ["const c = 'b'; f();"]],
    ['force-default', 'let c: number | undefined; c ??= 1;', ['let c: number | undefined; c = 1;']],
    ['swap-method', 'Math.min(a, b);', ['Math.max(a, b);']],
    ['swap-method', 'list.some(Boolean);', ['list.every(Boolean);']],
    ['replace-outcome', 'function it() { return true; }', ['function it() { return false; }']],
    [
      'replace-outcome',
      "function it(): 'done' | 'failed' | 'open' { return 'failed'; }",
      ["function it(): 'done' | 'failed' | 'open' { return 'open'; }"],
    ],
    [
      'replace-outcome',
      "const it: { kind: 'many' | 'one' } = { kind: 'one' }; f();",
      ["const it: { kind: 'many' | 'one' } = { kind: 'many' }; f();"],
    ],
    ['drop-call', 'f();', [';']],
    ['drop-call', inFunction("await store.put('k');"), [inFunction(';')]],
    ['drop-assignment', 'store.count += 1;', [';']],
    ['drop-assignment', 'store.count++;', [';']],
    ['drop-await', inFunction("await store.put('k');"), [inFunction("void store.put('k');")]],
    ['swap-statements', inFunction("await store.put('k'); f();"), [inFunction("f(); await store.put('k');")]],
    ['drop-return', inFunction('if (isIt) return 1; return 2;'), [inFunction('if (isIt) ; return 2;')]],
    ['drop-throw', "if (isIt) throw new Error('it');", ['if (isIt) ;']],
    ['drop-jump', 'for (;;) { if (isIt) break; f(); }', ['for (;;) { if (isIt) ; f(); }']],
    ['drop-jump', 'for (;;) { if (isIt) continue; f(); }', ['for (;;) { if (isIt) ; f(); }']],
    [
      'drop-returned-await',
      inFunction('try { return await g(); } catch { return 1; }'),
      [inFunction('try { return g(); } catch { return 1; }')],
    ],
  ])('%s: %s', (rule, source, mutants) => {
    expect(changesBy(rule, source)).toEqual(mutants);
  });
});

describe('no rule makes what would be the same', () => {
  test.each<[what: string, rule: RuleName, source: string]>([
    ['an inverted comparison, which is a reversed one', 'invert-condition', 'if (a < b) f();'],
    ['an inverted equality, which is a flipped one', 'invert-condition', 'if (a === b) f();'],
    ['a loop that has no condition', 'invert-condition', 'while (true) f();'],
    ['a sign between texts', 'swap-sign', 'const c = text + some; f();'],
    ['a literal that is the only one allowed', 'replace-outcome', "const it: { kind: 'one' } = { kind: 'one' }; f();"],
    ['a literal that is compared', 'replace-outcome', 'if (isIt === true) f();'],
    ['a return at the very end', 'drop-return', 'function it() { f(); if (isIt) return; }'],
    ['a jump at the very end', 'drop-jump', 'for (;;) { f(); if (isIt) { continue; } }'],
    ['a returned await without a try around it', 'drop-returned-await', inFunction('return await g();')],
    ['a write after the end of all', 'swap-statements', inFunction("await store.put('k'); return 1;")],
  ])('%s', (_, rule, source) => {
    expect(changesBy(rule, source)).toEqual([]);
  });

  test('a shifted number where the shifted comparison says it already', () => {
    expect(changesBy('shift-constant', 'if (a > 0) f();')).toEqual(['if (a > 1) f();']);
    expect(changesBy('shift-constant', 'if (0 < a) f();')).toEqual(['if (1 < a) f();']);
    expect(changesBy('shift-constant', 'if (a <= 2) f();')).toEqual(['if (a <= 3) f();']);
  });
});

describe('nothing is changed that only people read', () => {
  test.each([
    ['what is logged', "log.warn(isIt ? 'a' : 'b', { ok: true });"],
    ['a condition of what is logged', "if (isIt && a < 1) log.warn('a'); else log.warn('b');"],
    ['the text of an error', "const e = new Error(isIt ? 'a' : 'b');"],
    [
      'a text that only an error has in it',
      "function it(): Error { const more = a > 1 ? 'more' : ''; return new Error(`it${more}`); }",
    ],
    ['a message', "const note = { message: isIt ? 'a' : 'b' };"],
    ['a type', "type It = { ok: true; kind: 'a' | 'b' };"],
  ])('%s', (_, source) => {
    expect(mutantsIn(source)).toEqual([]);
  });

  test('what an error has in it and something else has, too, is changed', () => {
    const source =
      'function it(): number { const more = a > 1 ? 1 : 0; if (isIt) throw new Error(`it${more}`); return more; }';
    expect(changesBy('shift-comparison', source)).toHaveLength(1);
  });
});

describe('a mutant', () => {
  test('is named by its file, its line, its rule and its number there', () => {
    const ids = mutantsIn('f();\nif (a === b || a === 1) f();').map(({ id }) => id);
    expect(ids).toEqual([
      'source.ts:1:drop-call:1',
      'source.ts:2:invert-condition:1',
      'source.ts:2:swap-logic:1',
      'source.ts:2:flip-equality:1',
      'source.ts:2:flip-equality:2',
      'source.ts:2:shift-constant:1',
      'source.ts:2:shift-constant:2',
      'source.ts:2:drop-call:1',
    ]);
  });

  test('is the same each time', () => {
    const source = 'if (a === b || a === 1) f();';
    expect(mutantsIn(source)).toEqual(mutantsIn(source));
  });

  test('tells the lines that change, without their indent', () => {
    const [mutant] = mutantsOf('source.ts', parsed('function it() {\n  if (\n    isIt\n  )\n    f();\n}'));
    expect(mutant).toMatchObject({ line: 3, was: 'isIt', now: '!(isIt)' });
  });
});
