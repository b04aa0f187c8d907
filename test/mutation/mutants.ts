/**
 * The mutants of one file: every change that the rules make, each one small mistake. What can not be noticed by what the engine
 * does is left out from the start: texts of the log and of errors, and what is computed for these alone.
 */
import ts from 'typescript';
import { conditionRules } from './rules/conditions.ts';
import { isFunction, isLogCall, onlyLogs, type Change, type Rule, type Source } from './rules/rule.ts';
import { statementRules } from './rules/statements.ts';
import { valueRules } from './rules/values.ts';

const rules = { ...conditionRules, ...statementRules, ...valueRules };

export type RuleName = keyof typeof rules;
export const ruleNames = Object.keys(rules) as RuleName[];

export type Mutant = Change & {
  /** `file:line:rule:n`, the nth of the rule in its line. */
  id: string;
  /** From the project's folder. */
  file: string;
  /** From 1. */
  line: number;
  rule: RuleName;
  /** The lines that change, without their indent. */
  was: string;
  now: string;
};

/** @param file the name that the mutants get */
export function mutantsOf(file: string, source: Source): Mutant[] {
  const found: { rule: RuleName; change: Change }[] = [];
  const known = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (isSilent(node, source)) return;
    for (const [rule, changesOf] of Object.entries(rules) as [RuleName, Rule][]) {
      for (const change of changesOf(node, source)) {
        const { start, end, text } = change;
        // Two rules that come to the same are one mutant.
        const same = `${start} ${end} ${text}`;
        if (!known.has(same)) found.push({ rule, change });
        known.add(same);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source.file);
  return named(file, source.file, found);
}

function named(file: string, source: ts.SourceFile, found: readonly { rule: RuleName; change: Change }[]): Mutant[] {
  const counts = new Map<string, number>();
  return found
    .toSorted((a, b) => a.change.start - b.change.start)
    .map(({ rule, change }) => {
      const line = source.getLineAndCharacterOfPosition(change.start).line + 1;
      const place = `${file}:${line}:${rule}`;
      const count = (counts.get(place) ?? 0) + 1;
      counts.set(place, count);
      return { id: `${place}:${count}`, file, line, rule, ...change, ...changedLines(source.text, change) };
    });
}

function changedLines(text: string, { start, end, text: by }: Change): Pick<Mutant, 'was' | 'now'> {
  const first = text.lastIndexOf('\n', start - 1) + 1;
  const next = text.indexOf('\n', end);
  const last = next < 0 ? text.length : next;
  const trimmed = (lines: string): string =>
    lines
      .split('\n')
      .map((line) => line.trim())
      .join('\n');
  return {
    was: trimmed(text.slice(first, last)),
    now: trimmed(text.slice(first, start) + by + text.slice(end, last)),
  };
}

/** The whole file with the change in it. */
export function withChange(text: string, { start, end, text: by }: Change): string {
  return text.slice(0, start) + by + text.slice(end);
}

/** Whether nothing in it can change what the engine does. */
function isSilent(node: ts.Node, source: Source): boolean {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return true;
  if (isTold(node)) return true;
  // A note's or a letter's text for people.
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'message') return true;
  if (ts.isIfStatement(node)) return onlyLogs(node);
  return ts.isVariableStatement(node) && isForTextsOnly(node, source);
}

/** What is logged, and what an error says. */
function isTold(node: ts.Node): boolean {
  if (isLogCall(node)) return true;
  if (ts.isNewExpression(node)) return /Error$/.test(node.expression.getText());
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.SuperKeyword;
}

/** `const more = …`, which only an error's text and the log have in them. What is awaited is done in any case. */
function isForTextsOnly(node: ts.VariableStatement, { file }: Source): boolean {
  const [declaration, another] = node.declarationList.declarations;
  if (declaration === undefined || another !== undefined || !ts.isIdentifier(declaration.name)) return false;
  if (/\bawait\b/.test(node.getText(file))) return false;
  const { text } = declaration.name;
  let uses = 0;
  let others = 0;
  const look = (each: ts.Node, told: boolean): void => {
    if (each === node) return;
    if (ts.isIdentifier(each) && each.text === text) {
      uses += 1;
      if (!told) others += 1;
    }
    ts.forEachChild(each, (child) => look(child, told || isTold(each)));
  };
  let scope: ts.Node = node.parent;
  while (ts.isBlock(scope) && !isFunction(scope.parent)) scope = scope.parent;
  look(scope, false);
  return uses > 0 && others === 0;
}
