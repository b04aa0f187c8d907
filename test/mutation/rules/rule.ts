/** What a rule is: it looks at one node of the source and says how it may be changed. */
import ts from 'typescript';

/** A part of the source, and what stands there instead. */
export type Change = { start: number; end: number; text: string };

export type Source = { file: ts.SourceFile; checker: ts.TypeChecker };

export type Rule = (node: ts.Node, source: Source) => Change[];

export function replace(node: ts.Node, text: string, { file }: Source): Change {
  return { start: node.getStart(file), end: node.getEnd(), text };
}

/** The operator of an expression with two sides, and nothing else of it. */
export function replaceOperator(node: ts.BinaryExpression, text: string, source: Source): Change {
  return replace(node.operatorToken, text, source);
}

export function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node;
}

/** A function is a border: what stands in a callback is not in the loop or the `try` around it. */
export function hasAround(node: ts.Node, isSought: (parent: ts.Node, child: ts.Node) => boolean): boolean {
  for (let child = node; !isFunction(child) && !ts.isSourceFile(child); child = child.parent)
    if (isSought(child.parent, child)) return true;
  return false;
}

/** `log.warn(…)`: what is logged is no decision. */
export function isLogCall(node: ts.Node): boolean {
  return (
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    /(^|\.)#?log$/.test(node.expression.expression.getText())
  );
}

/** Nothing in it but calls of the log. */
export function onlyLogs(node: ts.Statement | undefined): boolean {
  if (node === undefined || ts.isEmptyStatement(node)) return true;
  if (ts.isBlock(node)) return node.statements.every(onlyLogs);
  if (ts.isIfStatement(node)) return onlyLogs(node.thenStatement) && onlyLogs(node.elseStatement);
  return ts.isExpressionStatement(node) && isLogCall(node.expression);
}
