/** Rules about what is computed and answered: numbers, defaults, outcomes. */
import ts from 'typescript';
import { isComparison, isEquality } from './conditions.ts';
import { hasAround, replace, replaceOperator, type Change, type Rule } from './rule.ts';

const { SyntaxKind } = ts;

const signs: Partial<Record<ts.SyntaxKind, string>> = {
  [SyntaxKind.PlusToken]: '-',
  [SyntaxKind.MinusToken]: '+',
  [SyntaxKind.AsteriskToken]: '/',
  [SyntaxKind.SlashToken]: '*',
  [SyntaxKind.PlusEqualsToken]: '-=',
  [SyntaxKind.MinusEqualsToken]: '+=',
};

/** Arithmetic on numbers; a `+` that joins texts is none. */
const swapSign: Rule = (node, source) => {
  if (ts.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.MinusToken)
    return [replace(node, node.operand.getText(), source)];
  if (!ts.isBinaryExpression(node)) return [];
  const other = signs[node.operatorToken.kind];
  const isNumber = [node.left, node.right].every((side) =>
    source.checker
      .typeToString(source.checker.getBaseTypeOfLiteralType(source.checker.getTypeAtLocation(side)))
      .includes('number'),
  );
  return other !== undefined && isNumber ? [replaceOperator(node, other, source)] : [];
};

/** In these of a comparison's shifts, one number to the left or the right is what `shift-comparison` makes already. */
const alreadyShifted: Partial<Record<ts.SyntaxKind, 1 | -1>> = {
  [SyntaxKind.GreaterThanToken]: -1,
  [SyntaxKind.GreaterThanEqualsToken]: 1,
  [SyntaxKind.LessThanToken]: 1,
  [SyntaxKind.LessThanEqualsToken]: -1,
};

const cuts = new Set(['slice', 'splice', 'at', 'subarray', 'substring', 'padStart']);

/** A number that is compared, added, or says where to cut: one more, and one less. */
const shiftConstant: Rule = (node, source) => {
  if (!ts.isNumericLiteral(node)) return [];
  const isNegative = ts.isPrefixUnaryExpression(node.parent) && node.parent.operator === SyntaxKind.MinusToken;
  const whole = isNegative ? node.parent : node;
  const value = isNegative ? -Number(node.text) : Number(node.text);
  const shifts = shiftsOf(whole);
  return shifts.map((shift) => replace(whole, String(value + shift), source));
};

function shiftsOf(literal: ts.Node): (1 | -1)[] {
  const { parent } = literal;
  if (isComparison(parent)) {
    const already = alreadyShifted[parent.operatorToken.kind];
    // `0 < a` is `a > 0`.
    const same = already !== undefined && parent.left === literal ? -already : already;
    return ([1, -1] as const).filter((shift) => shift !== same);
  }
  if (ts.isCallExpression(parent) && ts.isPropertyAccessExpression(parent.expression))
    return cuts.has(parent.expression.name.text) ? [1, -1] : [];
  if (!ts.isBinaryExpression(parent)) return [];
  const { kind } = parent.operatorToken;
  // A count that stays as it is, is what `drop-assignment` makes.
  if (kind === SyntaxKind.PlusEqualsToken || kind === SyntaxKind.MinusEqualsToken) return [1];
  const isSmall = Number(literal.getText()) < 10;
  const isAdded = (kind === SyntaxKind.PlusToken || kind === SyntaxKind.MinusToken) && isSmall;
  return isEquality(parent) || isAdded ? [1, -1] : [];
}

const isDefaulted = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.QuestionQuestionToken;

/** `a ?? b` → `a`. */
const dropDefault: Rule = (node, source) => (isDefaulted(node) ? [replace(node, node.left.getText(), source)] : []);

/** `a ?? b` → `b`, and `a ??= b` → `a = b`. */
const forceDefault: Rule = (node, source) => {
  if (isDefaulted(node)) return [replace(node, node.right.getText(), source)];
  return ts.isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.QuestionQuestionEqualsToken
    ? [replaceOperator(node, '=', source)]
    : [];
};

const isLiteral = (node: ts.Node): boolean =>
  ts.isStringLiteral(node) || node.kind === SyntaxKind.TrueKeyword || node.kind === SyntaxKind.FalseKeyword;

/** A literal where several are allowed becomes the next one of them: another outcome, another kind, the other answer. */
const replaceOutcome: Rule = (node, source): Change[] => {
  // What is compared with is the business of `flip-equality`.
  if (!isLiteral(node) || isEquality(node.parent)) return [];
  if (node.kind === SyntaxKind.TrueKeyword) return [replace(node, 'false', source)];
  if (node.kind === SyntaxKind.FalseKeyword) return [replace(node, 'true', source)];
  if (!ts.isStringLiteral(node)) return [];
  const allowed = literalsOf(source.checker.getContextualType(node));
  const at = allowed.indexOf(node.text);
  const next = allowed[(at + 1) % allowed.length];
  return at < 0 || next === undefined || next === node.text ? [] : [replace(node, `'${next}'`, source)];
};

/** Sorted: the order that the compiler has depends on what it has looked at before. */
function literalsOf(type: ts.Type | undefined): string[] {
  if (type?.isUnion() !== true) return [];
  return type.types.flatMap((each) => (each.isStringLiteral() ? [each.value] : [])).sort();
}

const opposites: Readonly<Record<string, string>> = {
  min: 'max',
  max: 'min',
  some: 'every',
  every: 'some',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
};

/** `Math.min` ↔ `Math.max`, `some` ↔ `every`, `startsWith` ↔ `endsWith`. */
const swapMethod: Rule = (node, source) => {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return [];
  const { name } = node.expression;
  return Object.hasOwn(opposites, name.text) ? [replace(name, opposites[name.text] ?? '', source)] : [];
};

/** `return await f()` → `return f()` in a `try`: what is thrown passes its `catch` by. Elsewhere both are the same. */
const dropReturnedAwait: Rule = (node, source) =>
  ts.isAwaitExpression(node) &&
  ts.isReturnStatement(node.parent) &&
  hasAround(node, (parent, child) => ts.isTryStatement(parent) && child === parent.tryBlock)
    ? [replace(node, node.expression.getText(), source)]
    : [];

export const valueRules = {
  'swap-sign': swapSign,
  'shift-constant': shiftConstant,
  'drop-default': dropDefault,
  'force-default': forceDefault,
  'replace-outcome': replaceOutcome,
  'swap-method': swapMethod,
  'drop-returned-await': dropReturnedAwait,
} as const;
