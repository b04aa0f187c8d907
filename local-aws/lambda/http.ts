/**
 * The part of Lambda's HTTP API that clients need here: Invoke in its three types, and looking at functions. Everything
 * else is refused with 501 and its name, never answered with a success that is not one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { syncPayloadLimitBytes } from './async-rules.ts';
import { latestVersion } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { LambdaServiceError } from './errors.ts';
import type { LambdaService } from './service.ts';

type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body: string };
type Route = { readonly operation: string; readonly answer: () => Answer | Promise<Answer> };

const apiPath = /^\/2015-03-31\/functions(?:\/([^/]*)(?:\/(.*?))?)?\/?$/;

/** Answers one request, whatever comes. @returns what was asked and how it ended, for the engine's counts */
export async function serveLambda(
  service: LambdaService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ operation: string; status: number }> {
  const { operation, answer } = route(service, request);
  let given: Answer;
  try {
    given = await answer();
  } catch (error) {
    given = errorAnswer(error);
  }
  response.writeHead(given.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(given.body),
    'x-amzn-requestid': crypto.randomUUID(),
    ...given.headers,
  });
  response.end(given.body);
  // The rest of a body that was refused: closing the connection on it could cost the client our answer.
  if (!request.complete) request.resume();
  return { operation, status: given.status };
}

function route(service: LambdaService, request: IncomingMessage): Route {
  const { method = '', url = '' } = request;
  const path = url.split('?', 1)[0] ?? '';
  const [matched, encodedName = '', rest = ''] = apiPath.exec(path) ?? [];
  const asked = `${method} ${path}`;
  const unknown = (): never => {
    throw new LambdaServiceError('NotImplementedException', `The local Lambda service does not know ${asked}`);
  };
  if (matched === undefined) return { operation: asked, answer: unknown };
  const named = <T>(then: (name: string) => T): T => then(functionReference(encodedName));
  if (method === 'POST' && rest === 'invocations') {
    return { operation: 'Invoke', answer: () => named((name) => invoke(service, name, request)) };
  }
  if (method === 'GET' && encodedName === '') {
    const list = () => ({ Functions: service.functions.map(configuration) });
    return { operation: 'ListFunctions', answer: () => json(200, list()) };
  }
  if (method === 'GET' && rest === '') {
    return {
      operation: 'GetFunction',
      answer: () => named((name) => json(200, description(service.definition(name)))),
    };
  }
  if (method === 'GET' && rest === 'configuration') {
    const answer = () => named((name) => json(200, configuration(service.definition(name))));
    return { operation: 'GetFunctionConfiguration', answer };
  }
  return { operation: asked, answer: unknown };
}

async function invoke(service: LambdaService, name: string, request: IncomingMessage): Promise<Answer> {
  // First of all whether it is there: a caller with a wrong name need not send the body.
  service.definition(name);
  // Node joins a header that is sent twice; that is then no type either.
  const type = header(request, 'x-amz-invocation-type') ?? 'RequestResponse';
  const payload = (await readBody(request)) || '{}';
  switch (type) {
    case 'RequestResponse': {
      const result = await service.invoke(name, payload);
      const headers: Record<string, string> = {
        'x-amzn-requestid': result.requestId,
        'x-amz-executed-version': latestVersion,
      };
      if (result.functionError !== undefined) headers['x-amz-function-error'] = result.functionError;
      if (header(request, 'x-amz-log-type') === 'Tail') {
        headers['x-amz-log-result'] = Buffer.from(result.logTail).toString('base64');
      }
      return { status: 200, headers, body: result.payload };
    }
    case 'Event':
      return { status: 202, headers: { 'x-amzn-requestid': service.enqueue(name, payload) }, body: '' };
    case 'DryRun':
      return { status: 204, body: '' };
    default:
      throw new LambdaServiceError('InvalidParameterValueException', `${type} is not an invocation type`, {
        functionName: name,
      });
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > syncPayloadLimitBytes) {
      const message = `Request must be smaller than ${syncPayloadLimitBytes} bytes for the InvokeFunction operation`;
      throw new LambdaServiceError('RequestTooLargeException', message);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function functionReference(encodedName: string): string {
  try {
    return decodeURIComponent(encodedName);
  } catch (error) {
    throw new LambdaServiceError('InvalidParameterValueException', `${encodedName} is not a function's name`, {
      cause: error,
    });
  }
}

function configuration(definition: FunctionDefinition): Record<string, unknown> {
  // Not its variables: they may hold secrets.
  return {
    FunctionName: definition.name,
    FunctionArn: definition.arn,
    Runtime: 'nodejs24.x',
    Handler: definition.handler,
    Timeout: definition.timeoutMs / 1_000,
    MemorySize: definition.memoryMb,
    Version: latestVersion,
    PackageType: 'Zip',
    State: 'Active',
    LastUpdateStatus: 'Successful',
  };
}

function description(definition: FunctionDefinition): Record<string, unknown> {
  const { reservedConcurrency } = definition;
  return {
    Configuration: configuration(definition),
    ...(reservedConcurrency !== undefined && { Concurrency: { ReservedConcurrentExecutions: reservedConcurrency } }),
  };
}

function json(status: number, value: unknown): Answer {
  return { status, body: JSON.stringify(value) };
}

function errorAnswer(error: unknown): Answer {
  const known =
    error instanceof LambdaServiceError
      ? error
      : new LambdaServiceError('ServiceException', error instanceof Error ? error.message : String(error));
  const type = known.statusCode < 500 ? 'User' : 'Service';
  const reason = known.reason === undefined ? {} : { Reason: known.reason };
  return {
    status: known.statusCode,
    headers: { 'x-amzn-errortype': known.code },
    // AWS is not of one mind about the capital: clients look for either.
    body: JSON.stringify({ Type: type, ...reason, message: known.message, Message: known.message }),
  };
}
