/** Rules about what is done, and in which order: writes, calls, early ends. */
import ts from 'typescript';
import { isFunction, isLogCall, onlyLogs, replace, type Rule } from './rule.ts';

const { SyntaxKind } = ts;

const isStep = (node: ts.Node): node is ts.ExpressionStatement =>
  ts.isExpressionStatement(node) && !isLogCall(node.expression);

const isAwaited = (node: ts.Node): node is ts.ExpressionStatement & { expression: ts.AwaitExpression } =>
  isStep(node) && ts.isAwaitExpression(node.expression);

/** `await store.put(…);` or `looks.set(…);` is not done. */
const dropCall: Rule = (node, source) => {
  if (!isStep(node)) return [];
  const call = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression;
  const isSuper = ts.isCallExpression(call) && call.expression.kind === SyntaxKind.SuperKeyword;
  return ts.isCallExpression(call) && !isSuper ? [replace(node, ';', source)] : [];
};

/** `count += 1;` is not done. A constructor's fields are left alone: without them nothing works, and the types say so. */
const dropAssignment: Rule = (node, source) => {
  if (!isStep(node)) return [];
  const { expression } = node;
  const isAssignment =
    ts.isBinaryExpression(expression) &&
    expression.operatorToken.kind >= SyntaxKind.FirstAssignment &&
    expression.operatorToken.kind <= SyntaxKind.LastAssignment;
  const isCount =
    ts.isPostfixUnaryExpression(expression) ||
    (ts.isPrefixUnaryExpression(expression) && /^[+-]{2}/.test(expression.getText()));
  const isField = ts.isBlock(node.parent) && ts.isConstructorDeclaration(node.parent.parent);
  return (isAssignment && !isField) || isCount ? [replace(node, ';', source)] : [];
};

/** `await f();` → `void f();`: nothing waits for it, nor hears of its failure. */
const dropAwait: Rule = (node, source) =>
  isAwaited(node) ? [replace(node, `void ${node.expression.expression.getText()};`, source)] : [];

/** What is awaited comes after the next statement. */
const swapStatements: Rule = (node) => {
  if (!isAwaited(node)) return [];
  const next = nextOf(node);
  if (next === undefined || onlyLogs(next) || ts.isFunctionDeclaration(next) || isEnd(next)) return [];
  return [{ start: node.getStart(), end: next.getEnd(), text: `${next.getText()} ${node.getText()}` }];
};

function nextOf(node: ts.Statement): ts.Statement | undefined {
  const { parent } = node;
  if (!ts.isBlock(parent) && !ts.isCaseOrDefaultClause(parent)) return undefined;
  return parent.statements[parent.statements.indexOf(node) + 1];
}

const isEnd = (node: ts.Statement): boolean =>
  ts.isReturnStatement(node) || ts.isThrowStatement(node) || ts.isBreakStatement(node) || ts.isContinueStatement(node);

/** An early return that is none: what comes after it is done too. */
const dropReturn: Rule = (node, source) => {
  if (!ts.isReturnStatement(node)) return [];
  const isLast = ts.isBlock(node.parent) && isFunction(node.parent.parent) && node.parent.statements.at(-1) === node;
  const isNothing = node.expression === undefined || node.expression.getText() === 'undefined';
  return isLast || (isNothing && isTail(node, isFunction)) ? [] : [replace(node, ';', source)];
};

const dropThrow: Rule = (node, source) => (ts.isThrowStatement(node) ? [replace(node, ';', source)] : []);

const dropJump: Rule = (node, source) =>
  (ts.isContinueStatement(node) && !isTail(node, (parent) => ts.isIterationStatement(parent, false))) ||
  ts.isBreakStatement(node)
    ? [replace(node, ';', source)]
    : [];

/** Whether nothing comes after it up to the end of what it leaves: then to leave it early changes nothing. */
function isTail(node: ts.Statement, isLeft: (parent: ts.Node) => boolean): boolean {
  for (let child: ts.Node = node; ; child = child.parent) {
    const { parent } = child;
    if (isLeft(parent)) return true;
    if (ts.isBlock(parent) && parent.statements.at(-1) === child) continue;
    if (ts.isIfStatement(parent) || ts.isTryStatement(parent) || ts.isCatchClause(parent)) continue;
    return false;
  }
}

export const statementRules = {
  'drop-call': dropCall,
  'drop-assignment': dropAssignment,
  'drop-await': dropAwait,
  'swap-statements': swapStatements,
  'drop-return': dropReturn,
  'drop-throw': dropThrow,
  'drop-jump': dropJump,
} as const;
