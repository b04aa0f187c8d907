/**
 * A deployment, as its parameters and its source's chain declare it: all that the files of this folder derive resources from.
 * They are pure; only this one asks the framework.
 */
import type { Chain } from '../shared/engine/chain/chain.ts';
import { DeploymentError } from './mistakes.ts';
import {
  parameterNameProblems,
  parameters,
  parseParameters,
  type ParameterName,
  type ParameterValues,
} from './parameters.ts';
import { shareRate, type SharedRate } from './rate.ts';
import { loadChain } from './source.ts';

export type Deployment = {
  /** Of serverless.yml; names begin with it. */
  service: string;
  stage: string;
  chain: Chain;
  parameters: ParameterValues;
  rate: SharedRate;
  /** How long a fetch function may run. */
  timeoutSeconds: number;
  /** After the first attempt: Lambda's, of an event. */
  retryAttempts: number;
};

/** What the framework gives to a file that serverless.yml names. */
export type Framework = {
  options: { param?: readonly string[] | undefined };
  resolveVariable: (variable: string) => Promise<unknown>;
  resolveConfigurationProperty: (path: readonly string[]) => Promise<unknown>;
};

/** @throws DeploymentError with everything that is wrong with the parameters; or with the source; or with the rate */
export async function readDeployment(framework: Framework): Promise<Deployment> {
  const { resolveVariable, resolveConfigurationProperty } = framework;
  const names = Object.keys(parameters) as ParameterName[];
  const texts = await Promise.all(names.map(async (name) => [name, await readText(framework, name)] as const));
  const { values, problems } = parseParameters(Object.fromEntries(texts) as Record<ParameterName, string>);
  problems.push(...(await nameProblems(framework)));
  if (problems.length > 0) throw new DeploymentError(problems);
  return createDeployment({
    service: String(await resolveVariable('self:service')),
    stage: String(await resolveVariable('sls:stage')),
    chain: await loadChain(values.source),
    parameters: values,
    timeoutSeconds: Number(await resolveConfigurationProperty(['provider', 'timeout'])),
    retryAttempts: Number(await resolveConfigurationProperty(['custom', 'maximumRetryAttempts'])),
  });
}

/** @throws DeploymentError when the rate can't be kept */
export function createDeployment(declared: Omit<Deployment, 'rate'>): Deployment {
  return { ...declared, rate: shareRate(declared) };
}

async function readText({ resolveVariable }: Framework, name: ParameterName): Promise<string> {
  const value = (await resolveVariable(`param:${name}, null`)) as string | number | boolean | null;
  return value === null ? parameters[name].default : String(value);
}

async function nameProblems({ options, resolveConfigurationProperty }: Framework): Promise<string[]> {
  const declared = ((await resolveConfigurationProperty(['params'])) ?? {}) as Record<string, object | null>;
  const inFile = Object.values(declared).flatMap((stage) => Object.keys(stage ?? {}));
  const onCommandLine = (options.param ?? []).map((text) => text.split('=', 1)[0] ?? '');
  return parameterNameProblems([...new Set([...onCommandLine, ...inFile])], new Set(inFile));
}
