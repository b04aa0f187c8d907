/** The one address: who gets a request, who is counted for it, and what happens when something is wrong. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { addresseeOf, openEndpoint, PortError, type Endpoint, type Service } from '../endpoint.ts';
import { serveSecrets, serveSts } from '../secrets/service.ts';

const place = { accountId: '000000000000', region: 'us-east-1' };
const opened: Endpoint[] = [];
const faults: unknown[] = [];

afterEach(async () => {
  for (const endpoint of opened.splice(0)) await endpoint.stop();
});

async function open(port = 0): Promise<Endpoint> {
  const endpoint = await openEndpoint({ port, functionKeyPrefix: 'LOCAL', onFault: (error) => faults.push(error) });
  opened.push(endpoint);
  return endpoint;
}

/** Says which service it is. */
const naming =
  (name: string): Service =>
  ({ response }) => {
    response.end(name);
    return Promise.resolve(`Call${name}`);
  };

function openServices(endpoint: Endpoint, secrets: Record<string, string> = {}): void {
  endpoint.open({
    s3: naming('s3'),
    sqs: naming('sqs'),
    lambda: naming('lambda'),
    logs: naming('logs'),
    sts: async ({ request, response, accessKeyId }) => {
      await serveSts(place, { arn: 'arn:aws:iam::000000000000:user/local', userId: accessKeyId }, request, response);
      return 'GetCallerIdentity';
    },
    secretsmanager: async ({ request, response }) => {
      await serveSecrets(secrets, place, request, response);
      return undefined;
    },
  });
}

const signed = (service: string, keyId = 'local'): string =>
  `AWS4-HMAC-SHA256 Credential=${keyId}/20261120/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=00`;

describe('a request goes', () => {
  const headers = (authorization?: string, target?: string) => ({
    ...(authorization !== undefined && { authorization }),
    ...(target !== undefined && { 'x-amz-target': target }),
  });
  test.each([
    ['to the service that it is signed for', '/', headers(signed('sqs'), 'AmazonSQS.SendMessage'), 'sqs', 'local'],
    ['to Lambda when signed so', '/2015-03-31/functions/x', headers(signed('lambda', 'LOCALx')), 'lambda', 'LOCALx'],
    ['to S3 when presigned', '/b/k?X-Amz-Credential=me%2F20261120%2Fus-east-1%2Fs3%2Faws4_request', {}, 's3', 'me'],
    [
      'by its target without a signature',
      '/',
      headers(undefined, 'secretsmanager.GetSecretValue'),
      'secretsmanager',
      '',
    ],
    ['by its path without a signature', '/2015-03-31/functions/x/invocations', {}, 'lambda', ''],
    ['to S3 otherwise', '/bucket/key', {}, 's3', ''],
  ])('%s', (_, url, sent, service, accessKeyId) => {
    expect(addresseeOf({ url, headers: sent })).toEqual({ service, accessKeyId });
  });
});

describe('the endpoint', () => {
  test('counts by service and operation, functions apart from people', async () => {
    const endpoint = await open();
    openServices(endpoint);
    for (const keyId of ['LOCALFetchData', 'LOCALFetchData', 'local']) {
      const response = await fetch(`${endpoint.url}/b/k`, { headers: { authorization: signed('s3', keyId) } });
      expect(await response.text()).toBe('s3');
    }
    endpoint.count('functions', 'sqs', 'SendMessage');
    expect(endpoint.counts()).toEqual({
      functions: { s3: { Calls3: 2 }, sqs: { SendMessage: 1 } },
      people: { s3: { Calls3: 1 } },
    });
  });

  test('a service that throws answers 500 and takes nothing else along', async () => {
    const endpoint = await open();
    const broken: Service = () => Promise.reject(new Error('broken on purpose'));
    const fine = naming('sqs');
    endpoint.open({ s3: broken, sqs: fine, lambda: fine, logs: fine, secretsmanager: fine, sts: fine });
    expect((await fetch(`${endpoint.url}/b/k`)).status).toBe(500);
    const response = await fetch(endpoint.url, { headers: { authorization: signed('sqs') } });
    expect(await response.text()).toBe('sqs');
    expect(faults).toEqual([new Error('broken on purpose')]);
  });

  test('answers 503 until its services are there', async () => {
    const endpoint = await open();
    expect((await fetch(endpoint.url)).status).toBe(503);
  });

  test('a port in use is one line that names the port and the option', async () => {
    const { port } = await open();
    const error = await open(port).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PortError);
    expect((error as PortError).message).toBe(
      `Port ${port} on 127.0.0.1 is in use; choose another with --port, or end what uses it.`,
    );
  });
});

describe('the small services', () => {
  const secretsClient = (endpoint: Endpoint): SecretsManagerClient =>
    new SecretsManagerClient({
      endpoint: endpoint.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
    });

  test('Secrets Manager gives a secret by name or ARN, and says when there is none', async () => {
    const endpoint = await open();
    openServices(endpoint, { 'api/token': 'open sesame' });
    const client = secretsClient(endpoint);
    for (const id of ['api/token', 'arn:aws:secretsmanager:us-east-1:000000000000:secret:api/token-AbCdEf']) {
      const secret = await client.send(new GetSecretValueCommand({ SecretId: id }));
      expect(secret.SecretString).toBe('open sesame');
    }
    await expect(client.send(new GetSecretValueCommand({ SecretId: 'other' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    client.destroy();
  });

  test('any other call of theirs is refused, not answered with a made-up success', async () => {
    const endpoint = await open();
    openServices(endpoint);
    const response = await fetch(endpoint.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.PutSecretValue' },
      body: '{}',
    });
    expect([response.status, await response.json()]).toMatchObject([501, { __type: 'NotImplemented' }]);
    const sts = await fetch(endpoint.url, {
      method: 'POST',
      headers: { authorization: signed('sts') },
      body: 'Action=AssumeRole',
    });
    expect([sts.status, (await sts.text()).includes('NotImplemented')]).toEqual([501, true]);
  });

  test('STS tells who is asking', async () => {
    const endpoint = await open();
    openServices(endpoint);
    const response = await fetch(endpoint.url, {
      method: 'POST',
      headers: { authorization: signed('sts') },
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    });
    expect(await response.text()).toContain('<Account>000000000000</Account>');
  });
});
