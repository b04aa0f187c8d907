/** Rules about what is decided: conditions, comparisons, and what joins them. */
import ts from 'typescript';
import { replace, replaceOperator, type Change, type Rule } from './rule.ts';

const { SyntaxKind } = ts;

const equalities: Partial<Record<ts.SyntaxKind, string>> = {
  [SyntaxKind.EqualsEqualsEqualsToken]: '!==',
  [SyntaxKind.ExclamationEqualsEqualsToken]: '===',
};

/** By operator: where the limit itself belongs to the other side, and where both sides are exchanged. */
const comparisons: Partial<Record<ts.SyntaxKind, { shifted: string; reversed: string }>> = {
  [SyntaxKind.LessThanToken]: { shifted: '<=', reversed: '>=' },
  [SyntaxKind.LessThanEqualsToken]: { shifted: '<', reversed: '>' },
  [SyntaxKind.GreaterThanToken]: { shifted: '>=', reversed: '<=' },
  [SyntaxKind.GreaterThanEqualsToken]: { shifted: '>', reversed: '<' },
};

export function isComparison(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && comparisons[node.operatorToken.kind] !== undefined;
}

export function isEquality(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && equalities[node.operatorToken.kind] !== undefined;
}

function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) return node.expression;
  if (ts.isConditionalExpression(node) || ts.isForStatement(node)) return node.condition;
  return undefined;
}

/** `if (a)` → `if (!(a))`. Negations and comparisons have rules of their own, which come to the same. */
const invertCondition: Rule = (node, source) => {
  const condition = conditionOf(node);
  if (condition === undefined || isComparison(condition) || isEquality(condition)) return [];
  if (ts.isPrefixUnaryExpression(condition) || condition.kind === SyntaxKind.TrueKeyword) return [];
  return [replace(condition, `!(${condition.getText()})`, source)];
};

const dropNegation: Rule = (node, source) =>
  ts.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken
    ? [replace(node, node.operand.getText(), source)]
    : [];

const flipEquality: Rule = (node, source) =>
  isEquality(node) ? [replaceOperator(node, equalities[node.operatorToken.kind] ?? '', source)] : [];

const shiftComparison: Rule = (node, source) =>
  isComparison(node) ? [replaceOperator(node, comparisons[node.operatorToken.kind]?.shifted ?? '', source)] : [];

const reverseComparison: Rule = (node, source) =>
  isComparison(node) ? [replaceOperator(node, comparisons[node.operatorToken.kind]?.reversed ?? '', source)] : [];

/** `a && b` ↔ `a || b`, in brackets, since the two bind differently. */
const swapLogic: Rule = (node, source): Change[] => {
  if (!ts.isBinaryExpression(node)) return [];
  const { left, right, operatorToken } = node;
  const other = { [SyntaxKind.AmpersandAmpersandToken]: '||', [SyntaxKind.BarBarToken]: '&&' } as const;
  if (!(operatorToken.kind in other)) return [];
  const text = other[operatorToken.kind as keyof typeof other];
  return [replace(node, `((${left.getText()}) ${text} (${right.getText()}))`, source)];
};

export const conditionRules = {
  'invert-condition': invertCondition,
  'drop-negation': dropNegation,
  'flip-equality': flipEquality,
  'shift-comparison': shiftComparison,
  'reverse-comparison': reverseComparison,
  'swap-logic': swapLogic,
} as const;
