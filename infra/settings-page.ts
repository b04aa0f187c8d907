/** docs/settings.md, made from the table of parameters. `npm run pages` writes it; a test compares. */
import { derivedSettings, type Parameter } from '../shared/lambda/setting-table.ts';
import { markdownTable } from './markdown-table.ts';
import { parameters } from './parameters.ts';

const sections: readonly [string, readonly (keyof typeof parameters)[]][] = [
  ['The API', ['source', 'apiUrl', 'apiTokenSecret']],
  [
    'The rate',
    [
      'rate',
      'autoRateMost',
      'expectedCallMs',
      'rateBucket',
      'ratePrefix',
      'reserve',
      'maxFreeze',
      'maxItemFreeze',
      'maxWait',
      'rateEvery',
      'callRetries',
      'callTimeoutMs',
    ],
  ],
  ['Triggers', ['trigger', 'batchSize', 'maxReceives', 'queueRetention', 'maximumEventAge']],
  ['Bounds of an item', ['maxChildren', 'maxBodyBytes', 'maxBatchBytes', 'maxPartBytes', 'writeConcurrency']],
  [
    'Recovery',
    [
      ...(['sweepEvery', 'maxRefires', 'maxReplays'] as const),
      ...(['autoReplay', 'autoReplayEvery', 'autoReplayRate', 'autoReplayLimit'] as const),
      ...(['autoVerify', 'autoVerifyEvery'] as const),
    ],
  ],
  ['Tables', ['publish', 'alarmOnSchemaChange']],
  ['The stack', ['bucketName', 'keepRecordsDays', 'keepDataDays', 'logRetentionDays', 'alarmTopicArn', 'dashboard']],
];

export function settingsPage(): string {
  const shown = new Set(sections.flatMap(([, names]) => names));
  const forgotten = Object.keys(parameters).filter((name) => !(shown as ReadonlySet<string>).has(name));
  if (forgotten.length > 0) throw new Error(`settings-page.ts has no section for ${forgotten.join(', ')}.`);
  const tables = sections.map(([title, names]) => `## ${title}\n\n${table(names)}`);
  return `# Settings

Parameters of a deployment. Set them for a stage under \`params:\` in \`serverless.yml\`, or for one deployment with
\`--param NAME=VALUE\`. An unknown name or an invalid value ends the command before anything is packaged.

This page is made from the table in \`infra/parameters.ts\` and \`shared/lambda/setting-table.ts\` by \`npm run pages\`.

${tables.join('\n\n')}

The variables are those of the functions. The template also sets ${listed(Object.values(derivedSettings).map(({ variable }) => variable))},
which follow from the parameters and the chain; \`LAMBDA_TIME_SCALE\` is set by the local engine only.
`;
}

function table(names: readonly (keyof typeof parameters)[]): string {
  const rows = names.map((name) => {
    const parameter: Parameter<unknown> & { variable?: string } = parameters[name];
    const { default: value, allowed, about, variable } = parameter;
    return [
      `\`${name}\``,
      about,
      value === '' ? 'empty' : `\`${value}\``,
      allowed,
      variable === undefined ? '' : `\`${variable}\``,
    ];
  });
  return markdownTable(['Parameter', 'What it is', 'Default', 'Allowed', 'Variable'], rows);
}

const listed = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
