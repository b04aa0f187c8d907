/** Asks a function of a deployment, on AWS or on the local engine; when there is no answer, one line says why. */
import { UsageError } from '../terminal/options.ts';
import {
  InvokeCommand,
  LambdaClient,
  ResourceNotFoundException,
  type LambdaClientConfig,
} from '@aws-sdk/client-lambda';

/** The deployment can't be asked, or does not answer what was asked. The message is one line that says what to do. */
export class DeploymentError extends Error {
  override readonly name = 'DeploymentError';
  readonly code = 'NO_ANSWER';
}

export type Deployment = {
  stage: string;
  region: string | undefined;
  /** Instead of what the environment says, for an engine in this process. */
  local?: { endpoint: string; credentials: NonNullable<LambdaClientConfig['credentials']> } | undefined;
};

/** What every client of the deployment is made with. */
export function clientConfigOf({ region, local }: Deployment) {
  return { ...(region !== undefined && { region }), ...local };
}

export type FunctionClient<Request, Answer> = {
  /** @throws DeploymentError */
  ask: (request: Request) => Promise<Answer>;
  close: () => void;
};

const exportsHint = 'export them, or AWS_PROFILE; for the local engine, export what `npm run local` prints';

/**
 * The SDK finds the place and the credentials: the usual AWS variables, the profile, AWS_ENDPOINT_URL.
 * @param name of the function, as in serverless.yml
 * @throws DeploymentError when there is no region or there are no credentials
 */
export async function createFunctionClient<Request extends object, Answer>(
  name: string,
  isAnswer: (answer: unknown) => answer is Answer,
  deployment: Deployment,
): Promise<FunctionClient<Request, Answer>> {
  const { stage } = deployment;
  const functionName = `s3-cascade-${stage}-${name}`;
  const client = new LambdaClient(clientConfigOf(deployment));
  const where = await found(client.config.region(), 'There is no region', 'give --region, or export AWS_REGION');
  await found(client.config.credentials(), 'There are no AWS credentials', exportsHint);
  return {
    async ask(request) {
      const { functionError, payload } = await invoke(request);
      if (functionError !== undefined)
        throw new DeploymentError(whyItFailed(payload, functionName, `npx sls logs -f ${name} --stage ${stage}`));
      const answer = parse(payload);
      if (isAnswer(answer)) return answer;
      throw new DeploymentError(
        `${functionName} gave an answer that is not the one expected: ${payload.slice(0, 200)}`,
      );
    },
    close: () => client.destroy(),
  };

  async function invoke(request: Request): Promise<{ functionError: string | undefined; payload: string }> {
    try {
      const { FunctionError: functionError, Payload } = await client.send(
        new InvokeCommand({ FunctionName: functionName, Payload: JSON.stringify(request) }),
      );
      return { functionError, payload: new TextDecoder().decode(Payload) };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) {
        throw new DeploymentError(
          `There is no function ${functionName} in ${where}: deploy it with npx sls deploy --stage ${stage} --region ${where}, or give the --stage and --region that it was deployed with.`,
          { cause: error },
        );
      }
      throw new DeploymentError(`${functionName} in ${where} could not be asked: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  }
}

async function found<Value>(looking: Promise<Value>, what: string, otherwise: string): Promise<Value> {
  try {
    return await looking;
  } catch (error) {
    throw new DeploymentError(`${what}: ${otherwise}. (${reasonOf(error)})`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ECONNRESET') {
    return `nothing answers there (${code}): check AWS_ENDPOINT_URL, and that the local engine runs`;
  }
  return `${error.name}: ${error.message.replaceAll(/\s+/g, ' ').replace(/\.$/, '')}`;
}

function whyItFailed(payload: string, functionName: string, logCommand: string): string {
  const { errorType, errorMessage } = (parse(payload) ?? {}) as { errorType?: unknown; errorMessage?: unknown };
  const message = typeof errorMessage === 'string' ? errorMessage.replaceAll(/\s+/g, ' ') : payload.slice(0, 200);
  // The function's own words for a wrong question, e.g. that there is no such run.
  if (errorType === 'InputError') return message.replace(/^Bad input: /, '');
  return `${functionName} failed: ${message} (its log: ${logCommand})`;
}

function parse(payload: string): unknown {
  try {
    return JSON.parse(payload) as unknown;
  } catch {
    return undefined;
  }
}

/** Runs a command that asks a deployment. Exit status 3: an option is wrong, or there was no answer. */
export async function askDeployment(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const isTheirs = error instanceof UsageError || error instanceof DeploymentError;
    const message = isTheirs ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${message ?? 'failed'}\n`);
    process.exitCode = 3;
  }
}
