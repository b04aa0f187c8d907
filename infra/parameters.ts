/**
 * Every parameter of a deployment, each once: its default, what it may say, and what it is. serverless.yml shows the defaults,
 * and a test compares them with these; docs/settings.md is made from them.
 */
import { decimal, flag, matching, orEmpty, orWord, parse, wholeNumber, type Kind } from '../shared/lambda/setting.ts';
import { secretProblems, urlProblems } from './api-rules.ts';
import { functionParameters, type Parameter } from '../shared/lambda/setting-table.ts';

/** A dead letter is kept this many days, and its replay looks for the receipt. */
const leastDays = 14;
const daysOrForever = orWord(
  'forever',
  wholeNumber(leastDays, 99_999),
  `a whole number of days, at least ${leastDays}, or forever`,
);

/** Page eb-scheduled-rule-pattern. AWS checks the fields of a cron expression. */
const schedule = matching(
  /^(rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)|cron\(\S+( \S+){5}\))$/,
  'a schedule, e.g. rate(15 minutes), rate(1 hour) or cron(0 6 * * ? *)',
);

/** Page API_PutRetentionPolicy. */
const logRetentions = [
  ...[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
  ...[1096, 1827, 2192, 2557, 2922, 3288, 3653],
];
const logRetention = matching(new RegExp(`^(${logRetentions.join('|')})$`), `one of ${logRetentions.join(', ')}`);

const infraParameters = {
  source: {
    default: 'hermes',
    ...matching(/^[A-Za-z0-9][\w-]*$/, 'the name of a folder in sources/'),
    about: 'The API to fetch: its chain is `sources/NAME/chain.ts`.',
  },
  expectedCallMs: {
    default: '250',
    ...decimal(1, 600_000),
    about:
      'Milliseconds that a call takes: this decides how many environments a level has, so that it can use the whole rate while it is the only one at work. With more of them, each sleeps longer.',
  },
  rateBucket: {
    default: '',
    ...orEmpty(
      matching(/^([a-z0-9.-]|\$\{AWS::(AccountId|Region|Partition)\})+$/, "a bucket's name"),
      'the rate is shared with no other stage',
    ),
    about:
      'The bucket in which stages that share one API have the shares of the rate, the freeze and the limit of the API: all of them together keep one rate. docs/deployment.md says what they need.',
  },
  reserve: {
    default: 'true',
    ...flag,
    about:
      '`direct`: whether each level reserves the environments that it may have. `false` for an account that may not: control/shares.json bounds how many make calls, to as many, and 10 at the least. More that Lambda starts make none, and requeue their items.',
  },
  rateEvery: {
    default: 'rate(5 minutes)',
    ...schedule,
    about:
      'How often items that wait for calls to be allowed are looked at. A change of control/rate.json is seen at once.',
  },
  batchSize: {
    default: '10',
    ...wholeNumber(1, 10),
    about: '`queue`: messages in a batch at most; fewer when their turns would take long.',
  },
  sweepEvery: {
    default: 'rate(15 minutes)',
    ...schedule,
    about: 'How often the sweep looks at every run that is not finished. At most three and a half days.',
  },
  autoReplay: { default: 'false', ...flag, about: 'Whether dead letters are replayed on a schedule.' },
  autoReplayEvery: { default: 'rate(1 hour)', ...schedule, about: 'That schedule.' },
  autoReplayRate: { default: '5', ...decimal(0.001, 1_000), about: 'Items a second that it replays.' },
  autoReplayLimit: { default: '1000', ...wholeNumber(1, 1_000_000), about: 'Items that it replays each time.' },
  autoVerify: {
    default: 'false',
    ...flag,
    about:
      'Whether complete runs are verified on a schedule: are they still what they were when they were marked complete?',
  },
  autoVerifyEvery: { default: 'rate(7 days)', ...schedule, about: 'That schedule.' },
  alarmOnSchemaChange: {
    default: 'false',
    ...flag,
    about:
      'Whether it is an alarm when a published table lost a column, or a column changed its type, against the run before.',
  },
  keepRecordsDays: {
    default: '90',
    ...daysOrForever,
    about:
      'Seeds are deleted after this many days; receipts, failures, params and reports a week later (docs/decisions/0012-expiry.md).',
  },
  keepDataDays: {
    default: 'forever',
    ...daysOrForever,
    about: 'Items and results are deleted a week after this many days.',
  },
  logRetentionDays: { default: '14', ...logRetention, about: "Days that the functions' logs are kept." },
  alarmTopicArn: {
    default: '',
    ...orEmpty(matching(/^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]{1,256}$/, 'the ARN of an SNS topic'), 'none'),
    about: 'The SNS topic that each alarm notifies.',
  },
  dashboard: {
    default: 'true',
    ...flag,
    about: 'Whether there is a CloudWatch dashboard. An account pays $3 a month for each beyond three.',
  },
  bucketName: {
    default: '${self:service}-${sls:stage}-${AWS::AccountId}',
    ...matching(/./, "a bucket's name"),
    about: 'Set it when the bucket of a removed stack still exists under this name.',
  },
} satisfies Record<string, Parameter<unknown>>;

/** In the order of docs/settings.md. */
export const parameters = { ...infraParameters, ...functionParameters };

export type ParameterName = keyof typeof parameters;
export type ParameterValues = {
  [Name in ParameterName]: (typeof parameters)[Name] extends Kind<infer Value> ? Value : never;
};

/** Parameters of 0.1, and what to give instead. */
const formerly: readonly [RegExp, string][] = [
  [/^hermesUrl$/, 'it is apiUrl now'],
  [/^hermesTokenSecret$/, 'it is apiTokenSecret now'],
  [/^hermesRate$/, 'it is rate now'],
  [/^weight[A-Z]/, 'the levels at work share the rate without weights'],
  [/^environments[A-Z]/, "a level's environments stand in its source's chain.ts now, as `environments`"],
];

/** @param known what serverless.yml declares beside ours @returns what is wrong with names that are given, one line each */
export function parameterNameProblems(given: readonly string[], known: ReadonlySet<string>): string[] {
  return given.flatMap((name) => {
    if (name in parameters) return [];
    const now = formerly.find(([pattern]) => pattern.test(name))?.[1];
    if (now !== undefined) return [`There is no parameter ${name} any more: ${now}.`];
    if (known.has(name)) return [];
    return [`There is no parameter ${name}; the parameters are ${Object.keys(parameters).sort().join(', ')}.`];
  });
}

/**
 * @param texts what is given, by the parameter's name
 * @returns the values, and what is wrong: one line each, never with the value of what could be a secret
 */
export function parseParameters(texts: Readonly<Record<ParameterName, string>>): {
  values: ParameterValues;
  problems: string[];
} {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(parameters) as [ParameterName, Parameter<unknown>][]) {
    const text = texts[name];
    const read = parse(parameter, text);
    if ('value' in read) values[name] = read.value;
    if (name === 'apiUrl') {
      values[name] = text;
      // It is needed to deploy only: a package for the local engine has none.
      if (text !== '') problems.push(...urlProblems(text));
    } else if (name === 'apiTokenSecret') problems.push(...secretProblems(text).problems);
    else if ('problem' in read) problems.push(`${name} ${read.problem}, not ${text === '' ? 'empty' : text}.`);
  }
  if (texts.ratePrefix !== '' && texts.rateBucket === '')
    problems.push('ratePrefix is of no use without rateBucket: stages that share an API have both.');
  return { values: values as ParameterValues, problems };
}
