/** docs/dependencies.md, made from what the bundles hold. `npm run pages` writes it; dependencies.test.ts compares. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../../infra/markdown-table.ts';
import { ownName, type Bundle } from './bundled.ts';
import { serviceDir } from './variants.ts';

type Manifest = { version: string; license: string; dependencies?: Record<string, string> };

export const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(serviceDir, folder, 'package.json'), 'utf8')) as Manifest;
export const directDependencies = (): string[] => Object.keys(manifestOf('.').dependencies ?? {});

/** Why package.json asks for each. */
const reasons: Readonly<Record<string, string>> = {
  '@aws-lambda-powertools/batch': 'which messages of a batch failed',
  '@aws-lambda-powertools/logger': 'log lines as JSON, with the request',
  '@aws-lambda-powertools/metrics': 'metrics in the embedded format: no call to CloudWatch',
  '@aws-sdk/client-lambda': 're-fires into functions: replay, sweep, rate',
  '@aws-sdk/client-s3': 'the objects',
  '@aws-sdk/client-secrets-manager': 'the token: [0001](decisions/0001-secrets-manager.md)',
  '@aws-sdk/client-sqs': 'dead letters, waiting items, trigger queues',
  '@middy/core': 'puts logger and metrics around a handler',
  'hyparquet-writer': 'tables as Parquet: [0019](decisions/0019-parquet.md)',
  valibot: 'declarations, events, settings and inputs are checked',
};

export function packagesIn(bundles: readonly Bundle[]): string[] {
  const names = new Set(bundles.flatMap(({ bytesOf }) => [...bytesOf.keys()]));
  names.delete(ownName);
  return [...names].sort();
}

/** @throws Error for a direct dependency without a reason */
export function dependenciesPage(bundles: readonly Bundle[]): string {
  const all = packagesIn(bundles);
  const direct = directDependencies();
  const largest = (name: string): string =>
    (Math.max(...bundles.map(({ bytesOf }) => bytesOf.get(name) ?? 0)) / 1000).toFixed(1);
  const cells = (name: string, why: string): string[] => {
    const { version, license } = manifestOf(join('node_modules', name));
    return [name, version, license, largest(name), why];
  };
  const sizes = bundles.map(({ built }) => Math.round(built.length / 1000));
  const asked = all.filter((name) => direct.includes(name));
  const brought = all.filter((name) => !direct.includes(name));
  return `# What is in the bundles

Each function is one minified file of ${Math.min(...sizes)} to ${Math.max(...sizes)} kB, and this is all that is in it besides ${largest(ownName)} kB of our own at most. Sizes are
kB in the largest bundle that has the package, as esbuild accounts for them. This page is made by \`npm run pages\` from the packaged
bundles, and a test compares.

Asked for by package.json, pinned exactly:

${markdownTable(
  ['package', 'version', 'licence', 'kB', 'why'],
  asked.map((name) => cells(name, reasonOf(name))),
)}

What these bring along, pinned by package-lock.json:

${markdownTable(
  ['package', 'version', 'licence', 'kB', 'comes with'],
  brought.map((name) => cells(name, comesWith(name))),
)}

Left out of the bundles by name (\`custom.esbuild.exclude\` in serverless.yml): the SDK's other ways to find credentials. In Lambda they
come from the environment.

The SDK is bundled although Lambda's runtime has one: that one changes without a deployment, and what was tested would not be what runs.

All licences (MIT, MIT-0, Apache-2.0) allow use, change and sale; Apache-2.0 asks that its text and notices are kept with copies.
Nothing here runs code at installation; of the development dependencies those that may are listed under \`allowScripts\` in package.json.
`;
}

/** Sizes change with every edit of the code; what a bundle is made of does not. */
export function withoutSizes(page: string): string {
  return page
    .replaceAll(/\d+(\.\d+)? to \d+ kB|\d+\.\d+/g, (text) => (/^\d+\.\d$| kB$/.test(text) ? 'N' : text))
    .replaceAll(/ +/g, ' ');
}

function reasonOf(name: string): string {
  const reason = reasons[name];
  if (reason === undefined) throw new Error(`dependencies-page.ts does not say why package.json asks for ${name}.`);
  return reason;
}

const comesWith = (name: string): string => {
  if (name.startsWith('@aws-lambda-powertools/')) return 'Powertools';
  if (name === '@aws/lambda-invoke-store') return 'Powertools, the SDK: what belongs to one invocation';
  return /^@(aws-sdk|smithy|aws-crypto|aws)\//.test(name) ? 'the SDK' : 'a dependency of the above';
};
