/**
 * The identity of each function, found by its name or by the key id that it signs with, and what AWS checks of a role
 * before anything runs: that Lambda may take it on, and that it may read the queues that its function is fed from. A
 * function whose role is not of the template is refused: what it may is not known here.
 */
import { TemplateError } from '../package/errors.ts';
import type { ServiceFunction, ServiceModel } from '../package/model.ts';
import { functionKeyPrefix } from '../account.ts';
import { Identity, type Access } from './identity.ts';
import { Policy } from './policy.ts';
import type { RolePolicies, TemplatePolicies } from './template-policies.ts';

export type Identities = {
  /** @throws Error for a function that is not of the template */
  ofFunction: (functionName: string) => Identity;
  /** undefined: a person. */
  ofKey: (accessKeyId: string) => Identity | undefined;
};

/**
 * @param model its functions with the key ids that they are given in their variables
 * @param onAccess told of everything that a function asks to do, before it is decided
 * @throws TemplateError for a role that AWS would not let a function have
 */
export function readIdentities(
  model: ServiceModel,
  { roles, resources }: TemplatePolicies,
  onAccess?: (access: Access) => void,
): Identities {
  const { accountId } = model;
  const roleOf = ({ logicalId, arn: functionArn, roleLogicalId = '' }: ServiceFunction): RolePolicies => {
    const role = roles.get(roleLogicalId);
    if (role === undefined) {
      const message = 'a function needs a role of this template: what another one may is not known here';
      throw new TemplateError('NOT_SUPPORTED', `Resources.${logicalId}.Properties.Role`, message);
    }
    const decision = role.trust.decide({
      action: 'sts:AssumeRole',
      resource: role.arn,
      context: { 'aws:SourceArn': functionArn, 'aws:SourceAccount': accountId },
      principal: { service: 'lambda.amazonaws.com' },
    });
    if (decision === 'allow') return role;
    const message =
      'The role defined for the function cannot be assumed by Lambda: nothing lets lambda.amazonaws.com do sts:AssumeRole';
    throw new TemplateError('NO_PERMISSION', `${role.where}.AssumeRolePolicyDocument`, message);
  };
  const byName = new Map<string, Identity>();
  const byKey = new Map<string, Identity>();
  for (const definition of model.functions) {
    const { name: functionName, environment } = definition;
    const identity = new Identity({ accountId, role: roleOf(definition), functionName, resources, onAccess });
    byName.set(functionName, identity);
    byKey.set(environment['AWS_ACCESS_KEY_ID'] ?? '', identity);
  }
  const ended = endedIdentity(accountId);
  const ofFunction = (functionName: string): Identity => {
    const identity = byName.get(functionName);
    if (identity === undefined) throw new Error(`There is no function ${functionName}.`);
    return identity;
  };
  checkMappings(model, ofFunction);
  return {
    ofFunction,
    ofKey: (accessKeyId) => byKey.get(accessKeyId) ?? (accessKeyId.startsWith(functionKeyPrefix) ? ended : undefined),
  };
}

/** A function's key of another start of the engine may nothing: taken for a person's it could do everything. */
function endedIdentity(accountId: string): Identity {
  const role = { name: 'ended', arn: `arn:aws:iam::${accountId}:role/ended`, policy: Policy.join([]) };
  return new Identity({ accountId, role, functionName: 'ended', resources: new Map() });
}

/** Lambda polls with the function's role (page with-sqs, "Execution role permissions"). */
const pollingActions = ['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'];

function checkMappings(model: ServiceModel, ofFunction: (name: string) => Identity): void {
  for (const { logicalId, sourceArn, functionName } of model.eventSourceMappings) {
    const { refusal } = ofFunction(functionName.slice(functionName.lastIndexOf(':') + 1));
    for (const action of pollingActions) {
      const refused = refusal(`sqs:${action}`, sourceArn);
      if (refused === undefined) continue;
      const message = `The provided execution role does not have permissions to call ${action} on SQS. ${refused}`;
      throw new TemplateError('NO_PERMISSION', `Resources.${logicalId}`, message);
    }
  }
}
