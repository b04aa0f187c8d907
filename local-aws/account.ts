/** Who and where one is on the local engine: the account, the region, the key ids, and what functions are told of it. */
import { randomUUID } from 'node:crypto';
import type { ServiceFunction } from './package/model.ts';

export const accountId = '000000000000';
export const region = 'us-east-1';

/**
 * Functions sign with key ids of their own, which end in something random: by its key id a function's request is told from a
 * person's and from another function's, and none takes another's by mistake. Signatures are not verified.
 */
export const functionKeyPrefix = 'LOCAL';

/** For people, who are administrators. */
export const peoplesCredentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/** What Lambda's own environment variables are to the SDK, ours are here: where the services are, and who is asking. */
export function withEnvironment(
  definition: ServiceFunction,
  engine: { endpoint: string; timeScale: number; more?: Readonly<Record<string, string>> | undefined },
): ServiceFunction {
  const environment = {
    ...definition.environment,
    // The SDK addresses buckets by path at an IP address by itself: there is no bucket.127.0.0.1.
    AWS_ENDPOINT_URL: engine.endpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: `${functionKeyPrefix}${definition.logicalId.replace(/LambdaFunction$/, '')}${random()}`,
    AWS_SECRET_ACCESS_KEY: random(),
    AWS_SESSION_TOKEN: random(),
    AWS_EC2_METADATA_DISABLED: 'true',
    LAMBDA_TIME_SCALE: String(engine.timeScale),
    ...engine.more,
  };
  return { ...definition, environment };
}

function random(): string {
  return randomUUID().replaceAll('-', '').toUpperCase();
}
