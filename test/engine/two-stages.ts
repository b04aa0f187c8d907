/** Two stages of one source on one local engine, which share one API, and a bucket for its rate. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import { startDeployed, type Deployed } from './deployed.ts';
import { packageSource, startScriptedApi, type ScriptedApi, type SourceName } from './neutral-world.ts';

export const rateBucket = 'shared-rate';
export const ratePrefix = 'apis/tree/';

type Template = { Resources: Record<string, unknown> } & Record<string, unknown>;

export type Stage = {
  drop: (key: string, body: string) => Promise<void>;
  invoke: (functionName: string, payload: object) => Promise<unknown>;
  /** Gives back what waits, as the schedule does, until the run is complete. */
  complete: (run: string) => Promise<void>;
};

export type TwoStages = {
  engine: Deployed['engine'];
  api: ScriptedApi;
  first: Stage;
  second: Stage;
  /** What lies in the bucket of the rate. */
  shared: (key: string) => unknown;
  stop: () => Promise<void>;
};

/** @param rates of the two stages */
export async function startTwoStages(
  source: SourceName,
  rates: readonly [string, string],
  params: Readonly<Record<string, string>>,
  hasBucket = true,
): Promise<TwoStages> {
  const common = { ...params, rateBucket, ratePrefix };
  const packageDir = await packageSource(source, { ...common, rate: rates[0] });
  const otherDir = await packageSource(source, { ...common, rate: rates[1] }, 'two');
  const text = await readFile(join(otherDir, 'cloudformation-template-update-stack.json'), 'utf8');
  const other = JSON.parse(text) as Template;
  const api = await startScriptedApi();
  const { engine, ...deployed } = await startDeployed(packageDir, {
    timeScale: 200,
    environment: { API_URL: api.url },
    template: (template) => together(template as Template, other, hasBucket),
  });
  const client = { endpoint: engine.endpoint, region, credentials: peoplesCredentials };
  const [s3, lambda] = [new S3Client(client), new LambdaClient(client)];
  const stageOf = (stage: string): Stage => {
    const bucket = engine.bucket.replace('-dev-', `-${stage}-`);
    const invoke = async (name: string, payload: object): Promise<unknown> => {
      const FunctionName = `s3-cascade-${stage}-${name}`;
      const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload) }));
      const said = new TextDecoder().decode(answer.Payload);
      if (answer.FunctionError !== undefined) throw new Error(said);
      return JSON.parse(said) as unknown;
    };
    return {
      invoke,
      async drop(key, body) {
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
      },
      async complete(run) {
        for (;;) {
          await engine.idle();
          const { waiting } = (await invoke('rate', {})) as RateReport;
          if (Object.values(waiting).some((items) => items > 0)) continue;
          const { runs } = (await invoke('sweep', { run, olderThan: 0 })) as SweepReport;
          if (runs[0]?.complete === true) return;
        }
      },
    };
  };
  return {
    engine,
    api,
    first: stageOf('dev'),
    second: stageOf('two'),
    shared: (key) =>
      JSON.parse(Buffer.from(engine.s3.get(rateBucket, `${ratePrefix}${key}`).body).toString()) as unknown,
    async stop() {
      s3.destroy();
      lambda.destroy();
      await deployed.stop();
      await api.stop();
    },
  };
}

/** The second stage's resources beside the first one's, under names of their own, as two stacks have them in one account. */
function together(template: Template, other: Template, hasBucket: boolean): Template {
  let text = JSON.stringify(other);
  for (const id of Object.keys(other.Resources))
    text = text
      .replaceAll(`"${id}"`, `"Two${id}"`)
      .replaceAll(`\${${id}.`, `\${Two${id}.`)
      .replaceAll(`\${${id}}`, `\${Two${id}}`);
  const { Resources: renamed } = JSON.parse(text) as Template;
  const bucket = { Type: 'AWS::S3::Bucket', Properties: { BucketName: rateBucket } };
  return { ...template, Resources: { ...template.Resources, ...renamed, ...(hasBucket && { SharedRate: bucket }) } };
}
