/** Which service answers a request that came over HTTP, after what its caller may. */
import { accountId, region } from './account.ts';
import type { Service, ServiceName } from './endpoint.ts';
import type { Identities } from './iam/identities.ts';
import { refusedByLambda } from './iam/lambda-access.ts';
import { maySqs } from './iam/sqs-access.ts';
import { serveLambda } from './lambda/http.ts';
import type { LambdaService } from './lambda/service.ts';
import { onFault } from './lifecycle.ts';
import type { FunctionLogs } from './logs/function-logs.ts';
import { serveLogs } from './logs/service.ts';
import { serveS3 } from './s3/http.ts';
import type { S3Store } from './s3/store.ts';
import { serveSecrets, serveSts } from './secrets/service.ts';
import type { LocalSqs } from './sqs/service.ts';

const place = { accountId, region };

export function servicesOf(parts: {
  identities: Identities;
  s3: S3Store;
  sqs: LocalSqs;
  lambda: LambdaService;
  logs: FunctionLogs;
  secrets: Readonly<Record<string, string>>;
}): Record<ServiceName, Service> {
  const { identities, s3, sqs, lambda, logs, secrets } = parts;
  const functionNames = lambda.functions.map(({ name }) => name);
  return {
    s3: s3Service(s3, (accessKeyId) => identities.ofKey(accessKeyId)?.refusal),
    async sqs({ request, response, accessKeyId }) {
      const identity = identities.ofKey(accessKeyId);
      if (identity === undefined || (await maySqs(identity, place, request, response))) {
        await sqs.serve(request, response);
      }
      return undefined;
    },
    async lambda({ request, response, accessKeyId }) {
      const identity = identities.ofKey(accessKeyId);
      const refused = identity && refusedByLambda(identity, place, request, response);
      return refused ?? (await serveLambda(lambda, request, response)).operation;
    },
    async logs({ request, response, accessKeyId }) {
      await serveLogs({ logs, functionNames, place }, request, response, identities.ofKey(accessKeyId)?.refusal);
      return undefined;
    },
    async secretsmanager({ request, response, accessKeyId }) {
      await serveSecrets(secrets, place, request, response, identities.ofKey(accessKeyId)?.refusal);
      return undefined;
    },
    async sts({ request, response, accessKeyId }) {
      const arn = identities.ofKey(accessKeyId)?.arn ?? `arn:aws:iam::${accountId}:user/local`;
      await serveSts(place, { arn, userId: accessKeyId }, request, response);
      return 'GetCallerIdentity';
    },
  };
}

/** @param rightsOf what the holder of a key may; undefined: everything */
export function s3Service(s3: S3Store, rightsOf: (accessKeyId: string) => Parameters<typeof serveS3>[3]): Service {
  return async ({ request, response, accessKeyId }) => {
    const { operation, fault } = await serveS3(s3, request, response, rightsOf(accessKeyId));
    if (fault !== undefined) onFault(fault);
    return operation;
  };
}
