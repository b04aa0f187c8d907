import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  DeleteFunctionCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
} from '@aws-sdk/client-lambda';
import { afterEach, expect, test } from '@jest/globals';
import type { FunctionDefinition } from '../lambda/definition.ts';
import { serveLambda } from '../lambda/http.ts';
import { artifact, functionOf, startGate, startService } from './lambda-service.ts';
import type { TestService } from './lambda-service.ts';

type Served = TestService & { client: LambdaClient; endpoint: string; operations: string[] };

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(functions: FunctionDefinition[]): Promise<Served> {
  const started = startService(functions);
  const operations: string[] = [];
  const server = createServer((request, response) => {
    void serveLambda(started.service, request, response).then(({ operation, status }) =>
      operations.push(`${operation} ${status}`),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new LambdaClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  cleanups.push(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { ...started, client, endpoint, operations };
}

test('RequestResponse gives the payload, the version that ran and, asked for, the log', async () => {
  const { client, operations } = await serve([functionOf('work.write', artifact())]);
  const answer = await client.send(
    new InvokeCommand({ FunctionName: 'svc-work-write', Payload: '{"text":"hello"}', LogType: 'Tail' }),
  );
  expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
  expect(answer.FunctionError).toBeUndefined();
  expect(answer.Payload?.transformToString()).toBe('null');
  const log = Buffer.from(answer.LogResult ?? '', 'base64').toString();
  expect(log).toMatch(/^START RequestId: .*\nhello\nto stderr\nno line end\nEND RequestId: .*\nREPORT RequestId: /);
  expect(log).toContain(answer.$metadata.requestId);
  expect(operations).toEqual(['Invoke 200']);
});

test('a function error is a success of the API, marked as Unhandled', async () => {
  const { client } = await serve([functionOf('trouble.throwsError', artifact())]);
  const answer = await client.send(new InvokeCommand({ FunctionName: 'svc-trouble-throwsError' }));
  expect(answer).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
  expect(answer.LogResult).toBeUndefined();
  expect(JSON.parse(answer.Payload?.transformToString() ?? '')).toMatchObject({ errorType: 'SoilError' });
});

test('Event is accepted with 202 and run later; DryRun runs nothing', async () => {
  const { client, service } = await serve([functionOf('work.echo', artifact())]);
  const FunctionName = 'svc-work-echo';
  const dry = await client.send(new InvokeCommand({ FunctionName, InvocationType: 'DryRun', Payload: '{}' }));
  expect(dry.StatusCode).toBe(204);
  const event = await client.send(new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload: '{}' }));
  expect(event.StatusCode).toBe(202);
  expect(event.Payload?.length ?? 0).toBe(0);
  await service.idle();
  expect(service.stats()).toMatchObject({ invocations: 1, asyncInvocations: 1 });
});

test('a function is found by its ARN in the path, with a qualifier', async () => {
  const definition = functionOf('work.echo', artifact());
  const { client } = await serve([definition]);
  const answer = await client.send(
    new InvokeCommand({ FunctionName: definition.arn, Qualifier: '$LATEST', Payload: '"é"' }),
  );
  expect(answer.Payload?.transformToString()).toBe('"é"');
});

test('errors have the name, status and text that the SDK expects', async () => {
  const gate = await startGate();
  const codeDir = artifact();
  const { client } = await serve([
    functionOf('work.echo', codeDir),
    functionOf('work.visit', codeDir, { reservedConcurrency: 1 }),
  ]);
  const failure = async (input: ConstructorParameters<typeof InvokeCommand>[0]) =>
    client.send(new InvokeCommand(input)).then(
      () => 'no error',
      (error: unknown) => error,
    );
  expect(await failure({ FunctionName: 'missing' })).toMatchObject({
    name: 'ResourceNotFoundException',
    message: 'Function not found: missing',
    $metadata: { httpStatusCode: 404 },
  });
  expect(await failure({ FunctionName: 'svc-work-echo', Payload: '{' })).toMatchObject({
    name: 'InvalidRequestContentException',
    $metadata: { httpStatusCode: 400 },
  });
  const tooBig = {
    FunctionName: 'svc-work-echo',
    Payload: `"${'x'.repeat(1_048_576)}"`,
    InvocationType: 'Event',
  } as const;
  expect(await failure(tooBig)).toMatchObject({
    name: 'RequestTooLargeException',
    $metadata: { httpStatusCode: 413 },
  });
  const first = client.send(
    new InvokeCommand({ FunctionName: 'svc-work-visit', Payload: JSON.stringify({ url: gate.url }) }),
  );
  await gate.reached(1);
  expect(await failure({ FunctionName: 'svc-work-visit' })).toMatchObject({
    name: 'TooManyRequestsException',
    Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
    $metadata: { httpStatusCode: 429 },
  });
  gate.open();
  await first;
});

test('a body over 6 MB is refused with 413, and the connection takes no harm', async () => {
  const { endpoint, client } = await serve([functionOf('work.echo', artifact())]);
  const response = await fetch(`${endpoint}/2015-03-31/functions/svc-work-echo/invocations`, {
    method: 'POST',
    body: `"${'x'.repeat(6_300_000)}"`,
  });
  expect(response.status).toBe(413);
  expect(response.headers.get('x-amzn-errortype')).toBe('RequestTooLargeException');
  expect((await client.send(new InvokeCommand({ FunctionName: 'svc-work-echo', Payload: '1' }))).StatusCode).toBe(200);
});

test('functions can be looked at and listed, without their variables', async () => {
  const definition = functionOf('work.echo', artifact(), { environment: { TOKEN: 'hidden' }, reservedConcurrency: 5 });
  const { client, operations } = await serve([definition]);
  const FunctionName = definition.name;
  const { Configuration, Concurrency } = await client.send(new GetFunctionCommand({ FunctionName }));
  expect(Configuration).toMatchObject({
    FunctionName,
    FunctionArn: definition.arn,
    Runtime: 'nodejs24.x',
    Timeout: 30,
    MemorySize: 256,
  });
  expect(Concurrency?.ReservedConcurrentExecutions).toBe(5);
  const configured = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
  expect(configured.Handler).toBe('functions/work.echo');
  const { Functions } = await client.send(new ListFunctionsCommand({}));
  expect(Functions?.map((one) => one.FunctionName)).toEqual([FunctionName]);
  expect(JSON.stringify(Functions)).not.toContain('hidden');
  expect(operations).toEqual(['GetFunction 200', 'GetFunctionConfiguration 200', 'ListFunctions 200']);
});

test('what it does not know it refuses by name', async () => {
  const { client, endpoint } = await serve([functionOf('work.echo', artifact())]);
  await expect(client.send(new DeleteFunctionCommand({ FunctionName: 'svc-work-echo' }))).rejects.toMatchObject({
    name: 'NotImplementedException',
    message: 'The local Lambda service does not know DELETE /2015-03-31/functions/svc-work-echo',
    $metadata: { httpStatusCode: 501 },
  });
  const response = await fetch(`${endpoint}/2015-03-31/functions/svc-work-echo/invocations`, {
    method: 'POST',
    headers: { 'x-amz-invocation-type': 'Later' },
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ message: 'Later is not an invocation type' });
});
