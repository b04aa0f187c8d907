/** `npm run new-source -- NAME`: writes `sources/NAME/`, a chain to start from. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourcesDir } from './run/source.ts';
import { chainTemplate, nameProblem, readmeTemplate } from './run/source-template.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { UsageError } from './terminal/options.ts';

const help = `Writes sources/NAME/ with a chain of two levels to start from, and a README.

  npm run new-source -- NAME
  npm run new-source -- --help     this text

A name is 1 to 32 of a-z 0-9 - _ and begins with a letter.

Exit status: 0, or 2 when the name can not be used.
`;

function main(): ExitStatus {
  const [name, ...more] = process.argv.slice(2);
  if (name === '--help') {
    process.stdout.write(help);
    return 0;
  }
  if (name === undefined || name === '' || more.length > 0)
    throw new UsageError('Give one name: npm run new-source -- NAME');
  const problem = nameProblem(name);
  if (problem !== undefined) throw new UsageError(problem);
  makeFolder(name);
  writeFileSync(join(sourcesDir, name, 'chain.ts'), chainTemplate(name));
  writeFileSync(join(sourcesDir, name, 'README.md'), readmeTemplate(name));
  process.stdout.write(`sources/${name}/chain.ts is written. Next:

  1. Put the API's paths into it.
  2. See what it makes of the API's answers, one call at a time:
       npm run try -- --source ${name} --url URL
  3. Run it from a seed to its end:
       npm start -- --source ${name} --url URL
  4. Deploy it:
       npx sls deploy --param source=${name} --param apiUrl=URL

A secret goes into the environment variable API_TOKEN for 2 and 3.
`);
  return 0;
}

/** @throws UsageError when there is one already, or it can't be made */
function makeFolder(name: string): void {
  try {
    mkdirSync(join(sourcesDir, name));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UsageError(`sources/${name} exists already. Choose another name.`);
    throw new UsageError(`sources/${name} can not be made (${code ?? 'unknown'}).`);
  }
}

await runCommand(() => Promise.resolve().then(main));
