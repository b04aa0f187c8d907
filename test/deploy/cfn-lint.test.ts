/** cfn-lint, where it is installed, has nothing against what any way to deploy compiles to: no error, and no warning. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { findOnPath } from '../commands.ts';
import { packageVariant, variantNames } from './variants.ts';

const cfnLint = findOnPath('cfn-lint');
if (cfnLint === undefined)
  process.stderr.write('\nORACLE SKIPPED: cfn-lint is not on PATH; the compiled templates were not shown to it.\n\n');

describe('cfn-lint', () => {
  const paths = new Map<string, string>();
  let said: { Filename: string; Rule: { Id: string }; Message: string }[];

  beforeAll(async () => {
    if (cfnLint === undefined) return;
    for (const name of variantNames) paths.set(name, (await packageVariant(name)).templatePath);
    // It ends with a status that is not 0 when it has something to say.
    const answer: unknown = await promisify(execFile)(cfnLint, ['--format', 'json', ...paths.values()]).catch(
      (error: unknown) => error,
    );
    said = JSON.parse((answer as { stdout: string }).stdout) as typeof said;
  });

  (cfnLint === undefined ? test.skip : test).each(variantNames)('has nothing against: %s', (name) => {
    const found = said.filter(({ Filename }) => Filename === paths.get(name));
    expect(found.map(({ Rule, Message }) => `${Rule.Id} ${Message}`)).toEqual([]);
  });
});
