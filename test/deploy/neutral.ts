/** Deployments of chains of any depth, and what they compile to: without packaging, and without an example's names. */
import { createDeployment, type Deployment } from '../../infra/deployment.ts';
import { DeploymentError } from '../../infra/mistakes.ts';
import type { Resource, Template } from '../../infra/compiled.ts';
import { expiryRules } from '../../infra/expiry.ts';
import { autoReplayInput, fetchFunctions, recoveryVariables } from '../../infra/functions.ts';
import {
  arnOf,
  bucketId,
  bucketName,
  functionId,
  functionName,
  invokeConfigId,
  ref,
  roleId,
} from '../../infra/names.ts';
import { parameters, parseParameters, type ParameterName } from '../../infra/parameters.ts';
import { publishFunctions } from '../../infra/publishing.ts';
import { merge, type Resources } from '../../infra/resources.ts';
import { recoveryFunctions } from '../../infra/settings-rules.ts';
import { beforeTheBucket, notifications } from '../../infra/triggers.ts';
import { derivedResources } from '../../infra/variables.ts';
import { checkedChain } from '../../shared/engine/chain/chain-problems.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';

export const depths = [1, 2, 4, 8] as const;

/** Levels `top`, `level_2`, …, and a result with a suffix of its own. */
export function chainOf(depth: number): Chain {
  const lists = Array.from({ length: depth - 1 }, (_, index) => ({
    name: index === 0 ? 'top' : `level_${index + 1}`,
    prefix: `things_${index + 1}`,
    children: 'many' as const,
    id: `id${index + 1}`,
  }));
  return checkedChain({ levels: [...lists, { name: 'leaf', prefix: 'results', children: 'one', suffix: '.csv' }] });
}

/**
 * @param given parameters, as a person gives them
 * @throws DeploymentError as packaging does
 */
export function deploymentOf(
  chain: Chain,
  given: Partial<Record<ParameterName, string>> = {},
  stage = 'dev',
): Deployment {
  const defaults = Object.fromEntries(Object.entries(parameters).map(([name, { default: text }]) => [name, text]));
  const texts = { ...defaults, bucketName: `s3-cascade-${stage}-\${AWS::AccountId}`, ...given };
  const { values, problems } = parseParameters(texts as Record<ParameterName, string>);
  if (problems.length > 0) throw new DeploymentError(problems);
  const provider = { service: 's3-cascade', stage, timeoutSeconds: 300, retryAttempts: 2 };
  return createDeployment({ ...provider, chain, parameters: values });
}

/** What is derived, with the functions and the bucket as the framework compiles them: template.test.ts compares. */
export function compile(deployment: Deployment): Template {
  return {
    Resources: merge(compileFunctions(deployment), compileBucket(deployment), derivedResources(deployment)),
  };
}

type FetchFunction = {
  role: unknown;
  environment: object;
  timeout?: number;
  reservedConcurrency?: number;
  maximumRetryAttempts: number;
  maximumEventAge: number;
  destinations: { onFailure: { arn: unknown } };
};

function compileFunctions(deployment: Deployment): Resources {
  const written = { ...fetchFunctions(deployment), ...publishFunctions(deployment) };
  const fetching = Object.entries(written as Record<string, FetchFunction>).map(([name, written]) => ({
    [functionId(name)]: compileFunction(deployment, name, written.environment, {
      Timeout: written.timeout ?? deployment.timeoutSeconds,
      ...(written.reservedConcurrency !== undefined && {
        ReservedConcurrentExecutions: written.reservedConcurrency,
      }),
    }),
    [invokeConfigId(name)]: {
      Type: 'AWS::Lambda::EventInvokeConfig',
      Properties: {
        FunctionName: ref(functionId(name)),
        Qualifier: '$LATEST',
        DestinationConfig: { OnFailure: { Destination: written.destinations.onFailure.arn } },
        MaximumEventAgeInSeconds: written.maximumEventAge,
        MaximumRetryAttempts: written.maximumRetryAttempts,
      },
    },
  }));
  const recovery = recoveryFunctions.map((name) => ({
    [functionId(name)]: compileFunction(deployment, name, recoveryVariables(deployment), { Timeout: 900 }),
  }));
  const schedule = {
    ReplaySchedule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        Targets: [{ Arn: arnOf(functionId('replay')), Input: JSON.stringify(autoReplayInput(deployment)) }],
      },
    },
  };
  return merge(...fetching, ...recovery, schedule);
}

function compileFunction(deployment: Deployment, name: string, variables: object, more: object): Resource {
  return {
    Type: 'AWS::Lambda::Function',
    Properties: {
      FunctionName: functionName(deployment, name),
      Role: { 'Fn::Sub': `\${${roleId(name)}.Arn}` },
      Environment: { Variables: variables },
      ...more,
    },
  };
}

function compileBucket(deployment: Deployment): Resources {
  return {
    [bucketId]: {
      Type: 'AWS::S3::Bucket',
      DependsOn: beforeTheBucket(deployment),
      Properties: {
        BucketName: bucketName(deployment),
        NotificationConfiguration: notifications(deployment),
        LifecycleConfiguration: { Rules: expiryRules(deployment) },
      },
    },
  };
}
