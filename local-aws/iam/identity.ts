/**
 * Who a function is to the services, and whether it may do what it asks for: its role's policies and those of the
 * bucket or queue, put together (one account: either may allow, either may deny). People are not judged: a key that is
 * no function's is the account's administrator's.
 */
import type { Context } from './conditions.ts';
import { Policy, type Principal } from './policy.ts';

/** Why a request is refused, in AWS's words; undefined: it is allowed. */
export type Authorize = (action: string, resource: string, context?: Context) => string | undefined;

/** What a function asked to do: its own name, and what the policies are asked. */
export type Access = { functionName: string; action: string; resource: string; context: Context };

/** The loopback endpoint has no TLS and needs none: nothing leaves the machine. To the policies it counts as secure. */
const overLoopback: Context = { 'aws:SecureTransport': 'true' };

export class Identity {
  /** As STS names it: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`. */
  readonly arn: string;
  readonly #principal: Principal;
  readonly #role: Policy;
  readonly #ofResources: ReadonlyMap<string, Policy>;
  readonly #functionName: string;
  readonly #onAccess: ((access: Access) => void) | undefined;

  constructor(options: {
    accountId: string;
    role: { name: string; arn: string; policy: Policy };
    functionName: string;
    resources: ReadonlyMap<string, Policy>;
    onAccess?: ((access: Access) => void) | undefined;
  }) {
    const { accountId, role, functionName, resources, onAccess } = options;
    this.arn = `arn:aws:sts::${accountId}:assumed-role/${role.name}/${functionName}`;
    this.#principal = { roleArn: role.arn, sessionArn: this.arn, accountId };
    this.#role = role.policy;
    this.#ofResources = resources;
    this.#functionName = functionName;
    this.#onAccess = onAccess;
  }

  readonly refusal: Authorize = (action, resource, more) => {
    const context = more === undefined ? overLoopback : { ...overLoopback, ...more };
    this.#onAccess?.({ functionName: this.#functionName, action, resource, context });
    const request = { action, resource, context, principal: this.#principal };
    const byResource = this.#ofResources.get(policyHolder(resource))?.decide(request);
    if (byResource === 'deny') return this.#says(action, resource, 'with an explicit deny in a resource-based policy');
    const byRole = this.#role.decide(request);
    if (byRole === 'deny') return this.#says(action, resource, 'with an explicit deny in an identity-based policy');
    if (byRole === 'allow' || byResource === 'allow') return undefined;
    return this.#says(action, resource, `because no identity-based policy allows the ${action} action`);
  };

  #says(action: string, resource: string, because: string): string {
    const shown = action.startsWith('s3:') ? `"${resource}"` : resource;
    return `User: ${this.arn} is not authorized to perform: ${action} on resource: ${shown} ${because}`;
  }
}

/** An object's requests are judged by its bucket's policy. */
function policyHolder(resource: string): string {
  if (!resource.startsWith('arn:aws:s3:::')) return resource;
  const slash = resource.indexOf('/');
  return slash === -1 ? resource : resource.slice(0, slash);
}
