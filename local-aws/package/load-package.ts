/** Reads a package folder: the compiled template, and where each artifact's code lies. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PackageError } from './errors.ts';
import { asRecord, asText, isRecord, type Properties } from './shape.ts';

/** The name that the Serverless Framework gives to the template of a deployment. */
export const templateFile = 'cloudformation-template-update-stack.json';

/** The name that it gives to what else it knew of the service. */
const stateFile = 'serverless-state.json';

export type ServicePackage = {
  template: Properties;
  /** As a deployment calls the stack: `SERVICE-STAGE`. */
  stackName: string;
  /** Folder of each artifact's unpacked code, by the artifact's file name (`fetchData.zip`). */
  codeDirs: Map<string, string>;
};

/** @throws PackageError `NO_PACKAGE` when the folder holds none that can be read */
export async function loadPackage(packageDir: string): Promise<ServicePackage> {
  const template = await readJson(join(packageDir, templateFile));
  if (template === undefined) throw new PackageError('NO_PACKAGE', `There is no packaged service in ${packageDir}.`);
  const codeRoot = join(packageDir, 'code');
  const names = existsSync(codeRoot) ? await readdir(codeRoot) : [];
  const service = asRecord((await readJson(join(packageDir, stateFile)))?.['service'], stateFile);
  const stage = asRecord(service['provider'], stateFile)['stage'];
  return {
    template,
    stackName: `${asText(service['service'] ?? 'service', stateFile)}-${asText(stage ?? 'local', stateFile)}`,
    codeDirs: new Map(names.map((name) => [`${name}.zip`, join(codeRoot, name)])),
  };
}

/** undefined: there is no such file. @throws PackageError when it holds no JSON object */
async function readJson(file: string): Promise<Properties | undefined> {
  if (!existsSync(file)) return undefined;
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!isRecord(value)) throw new PackageError('NO_PACKAGE', `${file} holds no JSON object.`);
  return value;
}
