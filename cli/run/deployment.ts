/** A deployment as the page and `npm run explain` use it: its functions, and its bucket with the caller's own rights. */
import { S3Client } from '@aws-sdk/client-s3';
import { createStageStore } from '../../shared/aws/object-store.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { InputError } from '../../shared/engine/errors.ts';
import type { ObjectStore } from '../../shared/engine/ports.ts';
import { stoppedUntilMs } from '../../shared/engine/rate/rate-control.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import type { SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import { explain, type ExplainRequest } from '../../shared/engine/report/explain.ts';
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import type { RunStatus, StatusRequest } from '../../shared/engine/report/status.ts';
import type { DeploymentFacts } from '../../shared/lambda/deployment-facts.ts';
import type { SweepAnswer } from '../../shared/lambda/sweep-answer.ts';
import { clientConfigOf, createFunctionClient, DeploymentError, type Deployment } from './function-client.ts';
import { setRun, type RunChange, type RunChanged } from './run-change.ts';
import { isRate, setRate, type RateAnswer, type RateChange } from './rate-change.ts';

export type OpenDeployment = {
  facts: DeploymentFacts;
  chain: Chain;
  store: ObjectStore;
  s3: S3Client;
  /** In words: `stage dev in eu-central-1`, or the local engine's address. */
  place: string;
  isLocal: boolean;
  /** Each @throws DeploymentError when there is no answer, in one line. */
  status: (run: string, fresh: boolean) => Promise<RunStatus>;
  sweep: (request: SweepRequest) => Promise<SweepAnswer>;
  replay: (request: ReplayRequest) => Promise<ReplayReport>;
  rate: () => Promise<RateAnswer>;
  setRate: (change: RateChange) => Promise<RateAnswer>;
  /** @throws DeploymentError; UsageError when there is no such run, or it can't be so */
  setRun: (run: string, change: RunChange) => Promise<RunChanged>;
  /** @throws DeploymentError, also for what is no item's key */
  explain: (request: ExplainRequest) => Promise<Explanation>;
  close: () => void;
};

/** @throws DeploymentError */
export async function openDeployment(deployment: Deployment): Promise<OpenDeployment> {
  const asFunction = <Request extends object, Answer extends object>(name: string, ...fields: readonly string[]) =>
    createFunctionClient<Request, Answer>(name, (answer): answer is Answer => hasFields(answer, fields), deployment);
  const about = await asFunction<{ deployment: true }, DeploymentFacts>('status', 'bucket', 'levels', 'lostAfterMs');
  const status = await asFunction<StatusRequest, RunStatus>('status', 'run', 'levels');
  const sweep = await asFunction<SweepRequest, SweepAnswer>('sweep', 'runs', 'resultPrefix');
  const replay = await asFunction<ReplayRequest, ReplayReport>('replay', 'replayed', 'skipped');
  const rate = await createFunctionClient<object, RateAnswer>('rate', isRate, deployment);
  const s3 = new S3Client(clientConfigOf(deployment));
  const close = (): void => {
    for (const client of [about, status, sweep, replay, rate]) client.close();
    s3.destroy();
  };
  try {
    const facts = await about.ask({ deployment: true });
    const { bucket, levels, params, ratePlace } = facts;
    const store = createStageStore(s3, bucket, ratePlace);
    const endpoint = deployment.local?.endpoint ?? process.env['AWS_ENDPOINT_URL'];
    return {
      facts,
      chain: { levels, params },
      store,
      s3,
      place: endpoint ?? `stage ${deployment.stage} in ${await s3.config.region()}`,
      isLocal: endpoint !== undefined && /^https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/]/.test(`${endpoint}/`),
      status: (run, fresh) => status.ask({ run, fresh }),
      sweep: (request) => sweep.ask(request),
      replay: (request) => replay.ask(request),
      rate: () => rate.ask({}),
      async setRate(change) {
        await setRate(await rate.ask({}), change, s3);
        return rate.ask({});
      },
      setRun: (run, change) => setRun(run, change, { bucket, store }),
      explain: (request) => explainIn(request, facts, store),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function explainIn(request: ExplainRequest, facts: DeploymentFacts, store: ObjectStore): Promise<Explanation> {
  const { levels, params, rate, maxFreezeMs, lostAfterMs, retryingForMs } = facts;
  try {
    return await explain(request, {
      chain: { levels, params },
      store,
      clock: Date,
      lostAfterMs: () => lostAfterMs,
      retryingForMs,
      stoppedUntilMs: () => stoppedUntilMs(store, rate, maxFreezeMs),
    });
  } catch (error) {
    if (error instanceof InputError) throw new DeploymentError(error.message.replace(/^Bad input: /, ''));
    const { name, message } = error as Error;
    throw new DeploymentError(`The bucket ${facts.bucket} could not be read: ${name}: ${message}`, { cause: error });
  }
}

function hasFields(answer: unknown, fields: readonly string[]): boolean {
  return typeof answer === 'object' && answer !== null && fields.every((field) => field in answer);
}
