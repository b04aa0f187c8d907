/**
 * Whether each function starts with the settings that the template gives it, and whether it understands what its schedules ask:
 * found out with the functions' own readers.
 */
import type { Chain } from '../shared/engine/chain/chain.ts';
import { ConfigError, InputError } from '../shared/engine/errors.ts';
import { readInput } from '../shared/lambda/input.ts';
import { inputsOf } from '../shared/lambda/inputs.ts';
import { functionParameters } from '../shared/lambda/setting-table.ts';
import { readFetchSettings, readPublishSettings, readRecoverySettings } from '../shared/lambda/settings.ts';
import { at, environmentOf, idIn, listOf, ofType, propertiesOf, type Template } from './compiled.ts';
import { functionId } from './names.ts';
import { listPublishLevels } from '../shared/engine/publish/publish-levels.ts';

/** "The total size of all environment variables doesn't exceed 4 KB" (page configuration-envvars). */
const mostEnvironmentBytes = 4096;

/** The functions that read the recovery settings. */
export const recoveryFunctions = ['replay', 'sweep', 'rate', 'status'] as const;

/** @returns one line for each problem */
export function settingsProblems(template: Template, chain: Chain): string[] {
  const problemsOfFunction = (name: string, read: (env: Environment) => unknown): string[] => {
    if (template.Resources[functionId(name)] === undefined) return [];
    const env = resolvedEnvironment(template, functionId(name));
    return [
      ...problemsOf(() => read(env)).map((line) => `${name} would not start: ${line}.`),
      ...sizeProblems(name, env),
    ];
  };
  return [
    ...chain.levels.flatMap((level) => problemsOfFunction(level.function, (env) => readFetchSettings(chain, env))),
    ...listPublishLevels(chain).flatMap((level) => problemsOfFunction(level.function, readPublishSettings)),
    ...recoveryFunctions.flatMap((name) => problemsOfFunction(name, (env) => readRecoverySettings(chain, env))),
    ...scheduleProblems(template, chain),
  ];
}

type Environment = Readonly<Record<string, string>>;

/** What a schedule asks of a function must be what the function understands. */
function scheduleProblems(template: Template, chain: Chain): string[] {
  const inputs = inputsOf(chain);
  const read: Readonly<Record<(typeof recoveryFunctions)[number], (input: unknown) => unknown>> = {
    replay: (input) => readInput(inputs.replay, input),
    sweep: (input) => readInput(inputs.sweep, input),
    rate: (input) => readInput(inputs.rate, input),
    status: (input) => readInput(inputs.status, input),
  };
  return ofType(template, 'AWS::Events::Rule').flatMap(([, rule]) =>
    listOf(rule['Targets']).flatMap((target) => {
      const id = idIn(at(target, 'Arn'));
      const name = recoveryFunctions.find((each) => functionId(each) === id);
      const input = at(target, 'Input');
      if (name === undefined || typeof input !== 'string') return [];
      const lines = problemsOf(() => read[name](JSON.parse(input)));
      return lines.map((line) => `The schedule of ${name} asks with ${input}: ${line}.`);
    }),
  );
}

/** As Lambda gives them, with something plausible for what only CloudFormation can work out. */
function resolvedEnvironment(template: Template, id: string): Environment {
  const entries = Object.entries(environmentOf(template, id)).map(([name, value]): [string, string] => {
    if (typeof value === 'string') return [name, value];
    if (typeof value === 'number' || typeof value === 'boolean') return [name, String(value)];
    return [name, standIn(template, value)];
  });
  const env = Object.fromEntries(entries);
  const url = functionParameters.apiUrl.variable;
  // A package for the local engine has no address; `sls deploy` asks for one.
  return env[url] === '' ? { ...env, [url]: 'https://api.example.com' } : env;
}

function standIn(template: Template, value: unknown): string {
  const properties = propertiesOf(template, idIn(value) ?? '');
  const queue = properties['QueueName'];
  if (typeof queue === 'string') return `https://sqs.us-east-1.amazonaws.com/123456789012/${queue}`;
  const name = properties['FunctionName'];
  if (typeof name === 'string') return name;
  const text = at(value, 'Fn::Sub');
  return typeof text === 'string' ? text.replaceAll('${AWS::AccountId}', '123456789012') : 'resolved';
}

function sizeProblems(name: string, env: Environment): string[] {
  const bytes = Object.entries(env).reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0);
  if (bytes <= mostEnvironmentBytes) return [];
  return [
    `The environment of ${name} has ${bytes} bytes; Lambda allows ${mostEnvironmentBytes}. Give the service, the stage or the levels shorter names.`,
  ];
}

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    if (error instanceof InputError) return [error.message];
    throw error;
  }
}
