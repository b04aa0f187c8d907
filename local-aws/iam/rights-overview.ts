/** What a compiled template's policies decide without anything running: for tests of a template's rights. */
import { readTemplate } from '../package/template.ts';
import type { Place } from '../package/references.ts';
import type { ServicePackage } from '../package/load-package.ts';
import { accountId, region } from '../account.ts';
import { readIdentities } from './identities.ts';
import type { Access } from './identity.ts';
import { permittedLog } from './log-access.ts';
import { readPolicies } from './template-policies.ts';

/** Where the engine is, to the policies. */
const here: Omit<Place, 'stackName'> = { accountId, region, endpoint: 'http://127.0.0.1:4566' };

export type RightsOverview = {
  /** Functions whose log lines are kept. */
  keptLogs: string[];
  /** Requests without TLS that the policies of buckets and queues do not deny. */
  allowedWithoutTls: { holder: string; action: string; resource: string }[];
};

/**
 * @returns whether the template's policies allow what a function asked to do, as `onAccess` of the engine was told it
 * @throws TemplateError for a template that the engine refuses
 */
export function readRights({ template, stackName, codeDirs }: ServicePackage): (access: Access) => boolean {
  const place = { ...here, stackName };
  const identities = readIdentities(readTemplate(template, place, codeDirs), readPolicies(template, place));
  return ({ functionName, action, resource, context }) =>
    identities.ofFunction(functionName).refusal(action, resource, context) === undefined;
}

/** @throws TemplateError for a template that the engine refuses */
export function lookAtRights({ template, stackName, codeDirs }: ServicePackage): RightsOverview {
  const place = { ...here, stackName };
  const model = readTemplate(template, place, codeDirs);
  const policies = readPolicies(template, place);
  const keptLogs: string[] = [];
  const write = permittedLog((name) => keptLogs.push(name), {
    identities: readIdentities(model, policies),
    place,
    onLost: () => undefined,
  });
  for (const { name } of model.functions) write(name, 'a line');
  const principal = { roleArn: 'any', sessionArn: 'any', accountId: place.accountId };
  const context = { 'aws:SecureTransport': 'false' };
  const asked = [
    ...model.queues.map(({ arn }) => ({ holder: arn, action: 'sqs:SendMessage', resource: arn })),
    ...model.buckets.flatMap(({ name }) => {
      const holder = `arn:aws:s3:::${name}`;
      return [holder, `${holder}/any/key.json`].map((resource) => ({ holder, action: 's3:GetObject', resource }));
    }),
  ];
  const allowedWithoutTls = asked.filter(
    ({ holder, ...request }) => policies.resources.get(holder)?.decide({ ...request, context, principal }) !== 'deny',
  );
  return { keptLogs, allowedWithoutTls };
}
