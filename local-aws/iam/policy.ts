/**
 * What a policy document says to one request (page reference_policies_evaluation-logic): denied, allowed, or nothing.
 * An element, principal or policy variable that is not known is refused when the document is read.
 */
import { TemplateError } from '../package/errors.ts';
import { asRecord, asText, isRecord, type Properties } from '../package/shape.ts';
import { readCondition, type Condition, type Context } from './conditions.ts';
import { wildcardMatcher, type Matcher } from './wildcards.ts';

/** Who asks: a function's role (with the session that Lambda opened for it), or a service of AWS. */
export type Principal = { roleArn: string; sessionArn: string; accountId: string } | { service: string };

export type Request = { action: string; resource: string; context: Context; principal: Principal };

/** Attached to a role; attached to a bucket or a queue; or a role's, about who may take it on. */
export type PolicyKind = 'identity' | 'resource' | 'trust';

type Statement = {
  denies: boolean;
  isAbout: { action: Matcher; resource: Matcher; principal: (principal: Principal) => boolean };
  condition: Condition;
};

const elements: Readonly<Record<PolicyKind, readonly string[]>> = {
  identity: ['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'],
  resource: ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'],
  trust: ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Condition'],
};

export class Policy {
  readonly #statements: readonly Statement[];
  /** By action: a function uses a handful of them, thousands of times a second. */
  readonly #byAction = new Map<string, readonly Statement[]>();

  /** @throws TemplateError for what IAM would refuse, and for what can not be evaluated here */
  static read(document: unknown, kind: PolicyKind, where: string): Policy {
    const { Statement: written } = asRecord(document, where);
    const list = Array.isArray(written) ? (written as unknown[]) : [written];
    const at = (index: number): string => `${where}.Statement[${index}]`;
    return new Policy(list.map((statement, index) => readStatement(required(statement, at(index)), kind, at(index))));
  }

  static join(policies: readonly Policy[]): Policy {
    return new Policy(policies.flatMap((policy) => policy.#statements));
  }

  private constructor(statements: readonly Statement[]) {
    this.#statements = statements;
  }

  /** An explicit Deny wins over any Allow. */
  decide({ action, resource, context, principal }: Request): 'deny' | 'allow' | undefined {
    let decision: 'allow' | undefined;
    for (const { denies, isAbout, condition } of this.#about(action)) {
      if (!isAbout.resource(resource) || !isAbout.principal(principal) || !condition(context)) continue;
      if (denies) return 'deny';
      decision = 'allow';
    }
    return decision;
  }

  #about(action: string): readonly Statement[] {
    let found = this.#byAction.get(action);
    if (found === undefined) {
      found = this.#statements.filter(({ isAbout }) => isAbout.action(action.toLowerCase()));
      this.#byAction.set(action, found);
    }
    return found;
  }
}

function readStatement(written: unknown, kind: PolicyKind, where: string): Statement {
  const statement = asRecord(written, where);
  const stranger = Object.keys(statement).find((name) => !elements[kind].includes(name));
  if (stranger !== undefined) {
    const message = `the local engine knows no ${stranger} in a statement of this kind of policy`;
    throw new TemplateError('NOT_SUPPORTED', `${where}.${stranger}`, message);
  }
  const effect = asText(statement['Effect'], `${where}.Effect`);
  if (effect !== 'Allow' && effect !== 'Deny') throw bad(`${where}.Effect`, `is Allow or Deny, not ${effect}`);
  return {
    denies: effect === 'Deny',
    isAbout: {
      action: readMatcher('Action', statement, where, readAction),
      // A role's trust is about the role itself and names no resource.
      resource: kind === 'trust' ? () => true : readMatcher('Resource', statement, where, readResource),
      principal:
        kind === 'identity'
          ? () => true
          : readPrincipal(required(statement['Principal'], where), effect === 'Deny', `${where}.Principal`),
    },
    condition: readCondition(statement['Condition'], `${where}.Condition`),
  };
}

/** `Action` or `NotAction`, `Resource` or `NotResource`: one of the two, a text or a list. */
function readMatcher(
  name: 'Action' | 'Resource',
  statement: Properties,
  where: string,
  readOne: (text: string, where: string) => Matcher,
): Matcher {
  const positive = statement[name];
  const negative = statement[`Not${name}`];
  if ((positive === undefined) === (negative === undefined)) throw bad(where, `has either ${name} or Not${name}`);
  const matchers = texts(positive ?? negative, `${where}.${name}`).map((text) => readOne(text, `${where}.${name}`));
  if (matchers.length === 0) throw bad(`${where}.${name}`, 'is empty');
  const [only] = matchers;
  const matches = matchers.length === 1 && only ? only : (text: string) => matchers.some((match) => match(text));
  return negative === undefined ? matches : (text) => !matches(text);
}

/** Actions are the same in any case. */
function readAction(action: string, where: string): Matcher {
  if (action !== '*' && !/^[a-z0-9-]+:.+$/i.test(action)) throw bad(where, `${action} is no service:Action`);
  return wildcardMatcher(action.toLowerCase());
}

function readResource(resource: string, where: string): Matcher {
  if (resource.includes('${')) {
    throw new TemplateError('NOT_SUPPORTED', where, `the local engine replaces no policy variables, as in ${resource}`);
  }
  if (resource !== '*' && resource.split(':').length < 6) throw bad(where, `${resource} is neither * nor an ARN`);
  return wildcardMatcher(resource);
}

/**
 * An account stands for all in it where it is denied; an Allow for it only leaves the choice to the roles' own policies
 * (page reference_policies_elements_principal).
 * @throws TemplateError for a principal that no function and no service can be (Federated, CanonicalUser)
 */
function readPrincipal(written: unknown, denies: boolean, where: string): (principal: Principal) => boolean {
  if (written === '*') return () => true;
  const services = new Set<string>();
  const names = new Set<string>();
  for (const [type, values] of Object.entries(asRecord(written, where))) {
    const into = { AWS: names, Service: services }[type];
    if (into === undefined) {
      throw new TemplateError('NOT_SUPPORTED', `${where}.${type}`, `the local engine knows no ${type} principals`);
    }
    for (const value of texts(values, `${where}.${type}`)) into.add(value);
  }
  return (principal) => {
    if (names.has('*')) return true;
    if ('service' in principal) return services.has(principal.service);
    const { roleArn, sessionArn, accountId } = principal;
    if (names.has(roleArn) || names.has(sessionArn)) return true;
    return denies && (names.has(accountId) || names.has(`arn:aws:iam::${accountId}:root`));
  };
}

function texts(value: unknown, where: string): string[] {
  return (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => asText(one, where));
}

function required(value: unknown, where: string): unknown {
  if (value === undefined || (isRecord(value) && Object.keys(value).length === 0)) throw bad(where, 'is missing');
  return value;
}

function bad(where: string, message: string): TemplateError {
  return new TemplateError('BAD_TEMPLATE', where, message);
}
