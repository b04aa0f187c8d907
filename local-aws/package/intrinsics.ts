/**
 * CloudFormation's intrinsic functions, as pure functions of a scope. One that is not here is refused by name: a value that
 * is guessed would run something else than what a deployment runs.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
 */
import { TemplateError } from './errors.ts';
import { asList, asText, isRecord } from './shape.ts';

/** What the functions look things up in. */
export type Scope = {
  /** `Ref`: a parameter, a pseudo parameter or a resource. `noValue` stands for AWS::NoValue. */
  ref: (name: string, where: string) => unknown;
  attribute: (logicalId: string, attribute: string, where: string) => unknown;
  condition: (name: string, where: string) => boolean;
  mapping: (map: string, first: string, second: string, where: string) => unknown;
};

/** AWS::NoValue: the property that holds it is as if it were not written. */
export const noValue: unique symbol = Symbol('AWS::NoValue');

/**
 * Replaces every intrinsic in a value.
 * @throws TemplateError for an intrinsic, a reference or an argument that can not be honoured
 */
export function resolveValue(value: unknown, scope: Scope, where: string): unknown {
  if (typeof value === 'string' && value.includes('{{resolve:')) {
    throw new TemplateError('NOT_SUPPORTED', where, `the dynamic reference ${value} can not be honoured locally`);
  }
  if (Array.isArray(value)) {
    return value.map((item, at) => resolveValue(item, scope, `${where}[${at}]`)).filter((item) => item !== noValue);
  }
  if (!isRecord(value)) return value;
  const [name, ...more] = Object.keys(value);
  if (name !== undefined && more.length === 0 && (name === 'Ref' || name === 'Condition' || name.startsWith('Fn::'))) {
    // In a policy statement `Condition` holds an object; in a condition it is an intrinsic that holds a name.
    if (name !== 'Condition' || typeof value[name] === 'string') return callIntrinsic(name, value[name], scope, where);
  }
  const resolved: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const result = resolveValue(inner, scope, `${where}.${key}`);
    if (result !== noValue) resolved[key] = result;
  }
  return resolved;
}

function callIntrinsic(name: string, argument: unknown, scope: Scope, where: string): unknown {
  const inside = `${where}.${name}`;
  const list = (): unknown[] => asList(resolveValue(argument, scope, inside), inside);
  const text = (value: unknown): string => asText(value, inside);
  const truth = (value: unknown, at: number): boolean => asCondition(value, scope, `${inside}[${at}]`);
  switch (name) {
    case 'Ref':
      return scope.ref(text(argument), where);
    case 'Condition':
      return scope.condition(text(argument), where);
    case 'Fn::GetAtt': {
      const parts = typeof argument === 'string' ? splitOnce(argument) : list().map(text);
      const [logicalId, attribute] = parts;
      if (logicalId === undefined || attribute === undefined) throw bad(inside, 'takes a resource and an attribute');
      return scope.attribute(logicalId, attribute, where);
    }
    case 'Fn::Sub':
      return substitute(argument, scope, inside);
    case 'Fn::Join': {
      const [separator, parts] = list();
      return asList(parts, inside).map(text).join(text(separator));
    }
    case 'Fn::Split': {
      const [separator, whole] = list();
      return text(whole).split(text(separator));
    }
    case 'Fn::Select': {
      const [index, from] = list();
      const chosen = asList(from, inside)[Number(index)];
      if (chosen === undefined) throw bad(inside, `has no element ${text(index)}`);
      return chosen;
    }
    case 'Fn::If': {
      // Only the branch that is taken is resolved: the other may name a resource that the condition leaves out.
      const [condition, whenTrue, whenFalse] = asList(argument, inside);
      return resolveValue(scope.condition(text(condition), inside) ? whenTrue : whenFalse, scope, inside);
    }
    case 'Fn::Equals': {
      const [left, right] = list();
      return text(left) === text(right);
    }
    case 'Fn::Not':
      return !truth(asList(argument, inside)[0], 0);
    case 'Fn::And':
      return asList(argument, inside).every(truth);
    case 'Fn::Or':
      return asList(argument, inside).some(truth);
    case 'Fn::FindInMap': {
      const [map, first, second] = list();
      return scope.mapping(text(map), text(first), text(second), inside);
    }
    default:
      throw new TemplateError('UNKNOWN_INTRINSIC', where, `the intrinsic ${name} can not be honoured locally`);
  }
}

/** @throws TemplateError when the value is no condition */
export function asCondition(value: unknown, scope: Scope, where: string): boolean {
  const resolved = resolveValue(value, scope, where);
  if (typeof resolved !== 'boolean') throw bad(where, 'is not a condition');
  return resolved;
}

/** `"...${Name}..."`, or `["...", { Name: value }]`. `${!Name}` stays as `${Name}`. */
function substitute(argument: unknown, scope: Scope, where: string): string {
  const [pattern, given] = Array.isArray(argument) ? (argument as unknown[]) : [argument];
  const variables = isRecord(given) ? given : {};
  return asText(pattern, where).replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, written: string) => {
    if (literal !== '') return `\${${written}}`;
    const name = written.trim();
    if (Object.hasOwn(variables, name)) return asText(resolveValue(variables[name], scope, where), where);
    const [logicalId, attribute] = splitOnce(name);
    const value =
      attribute === undefined || logicalId === undefined
        ? scope.ref(name, where)
        : scope.attribute(logicalId, attribute, where);
    return asText(value, where);
  });
}

function splitOnce(name: string): string[] {
  const dot = name.indexOf('.');
  return dot === -1 ? [name] : [name.slice(0, dot), name.slice(dot + 1)];
}

function bad(where: string, message: string): TemplateError {
  return new TemplateError('BAD_TEMPLATE', where, message);
}
