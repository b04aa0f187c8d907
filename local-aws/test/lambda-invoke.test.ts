import { describe, expect, test } from '@jest/globals';
import { artifact, functionOf, startGate, startService, until } from './lambda-service.ts';

type ErrorPayload = { errorType: string; errorMessage: string; trace?: string[] };
type Counted = { runs: number; threadId: number };

const parsed = ({ payload }: { payload: string }): unknown => JSON.parse(payload);
const failure = (result: { payload: string }): ErrorPayload => parsed(result) as ErrorPayload;

describe('a direct call', () => {
  test('gives what the handler returns, byte for byte as JSON', async () => {
    const { service } = startService([functionOf('work.echo', artifact())]);
    const event = { text: 'é "\u2028" 🌱', nested: [1, null, { a: 2 }] };
    const result = await service.invoke('svc-work-echo', JSON.stringify(event));
    expect(result).toMatchObject({ statusCode: 200, payload: JSON.stringify(event) });
    expect(result).not.toHaveProperty('functionError');
  });

  test('answers null for a handler that returns nothing', async () => {
    const { service } = startService([functionOf('work.nothing', artifact())]);
    expect((await service.invoke('svc-work-nothing', '{}')).payload).toBe('null');
  });

  test('takes a name, a qualified name, ARNs and the logical id for the same function', async () => {
    const definition = functionOf('work.echo', artifact());
    const { service } = startService([definition]);
    const { name, arn, logicalId } = definition;
    for (const reference of [name, `${name}:$LATEST`, `000000000000:function:${name}`, arn, `${arn}:live`, logicalId]) {
      expect((await service.invoke(reference, '1')).payload).toBe('1');
    }
  });

  test('is refused for a function that is not there, a body that is not JSON, and one over 6 MB', async () => {
    const { service } = startService([functionOf('work.echo', artifact())]);
    await expect(service.invoke('missing', '{}')).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
    await expect(service.invoke('svc-work-echo', '{')).rejects.toMatchObject({
      code: 'InvalidRequestContentException',
    });
    await expect(service.invoke('svc-work-echo', `"${'x'.repeat(6_291_456)}"`)).rejects.toMatchObject({
      code: 'RequestTooLargeException',
    });
    expect(service.stats().invocations).toBe(0);
  });

  test('is refused, not queued, while the reserved concurrency is in use', async () => {
    const gate = await startGate();
    const { service } = startService([functionOf('work.visit', artifact(), { reservedConcurrency: 1 })]);
    const first = service.invoke('svc-work-visit', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    await expect(service.invoke('svc-work-visit', '{}')).rejects.toMatchObject({
      code: 'TooManyRequestsException',
      statusCode: 429,
    });
    gate.open();
    await first;
    expect(service.stats()).toMatchObject({ throttles: 1, invocations: 1 });
  });

  test('is an error when the answer is over 6 MB', async () => {
    const { service } = startService([functionOf('work.big', artifact())]);
    const result = await service.invoke('svc-work-big', '{"sizeBytes":6300000}');
    expect(result.functionError).toBe('Unhandled');
    expect(failure(result).errorType).toBe('Function.ResponseSizeTooLarge');
  });

  test('that is open when the service stops is told so', async () => {
    const { service } = startService([functionOf('trouble.neverAnswers', artifact())]);
    const call = expect(service.invoke('svc-trouble-neverAnswers', '{}')).rejects.toMatchObject({
      code: 'ServiceException',
    });
    await until(() => service.stats().byFunction['svc-trouble-neverAnswers']?.running === 1);
    await service.stop();
    await call;
  });
});

describe('an environment', () => {
  test('tells the function about itself, and nothing of our own variables but where programs are', async () => {
    process.env.SECRET_OF_THE_HOST = 'must not be seen';
    const definition = functionOf('work.about', artifact(), {
      environment: { BUCKET: 'b', AWS_LAMBDA_FUNCTION_NAME: 'x' },
    });
    const { service } = startService([definition]);
    const result = await service.invoke(definition.name, '{}');
    delete process.env.SECRET_OF_THE_HOST;
    const { context, remainingMs, env } = parsed(result) as {
      context: Record<string, unknown>;
      remainingMs: number;
      env: Record<string, string>;
    };
    expect(env).toMatchObject({
      BUCKET: 'b',
      AWS_REGION: 'us-east-1',
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      AWS_LAMBDA_FUNCTION_NAME: definition.name,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      LAMBDA_TASK_ROOT: definition.codeDir,
      _HANDLER: 'functions/work.about',
      TZ: ':UTC',
    });
    expect(env).not.toHaveProperty('SECRET_OF_THE_HOST');
    expect(context).toEqual({
      awsRequestId: result.requestId,
      functionName: definition.name,
      functionVersion: '$LATEST',
      invokedFunctionArn: definition.arn,
      memoryLimitInMB: '256',
      logGroupName: `/aws/lambda/${definition.name}`,
      logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
      callbackWaitsForEmptyEventLoop: true,
    });
    expect(Number.isInteger(remainingMs)).toBe(true);
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(30_000);
  });

  test('is used again while it is warm', async () => {
    const { service } = startService([functionOf('work.count', artifact())]);
    const first = parsed(await service.invoke('svc-work-count', '{}')) as Counted;
    const second = parsed(await service.invoke('svc-work-count', '{}')) as Counted;
    expect([first.runs, second.runs]).toEqual([1, 2]);
    expect(second.threadId).toBe(first.threadId);
    expect(service.stats().coldStarts).toBe(1);
  });

  test.each(['.js', '.mjs', '.cjs'])('finds its handler in a %s file', async (extension) => {
    const code = extension === '.mjs' ? 'export const handler = async () => 7' : 'exports.handler = async () => 7';
    const codeDir = artifact({ [`functions/plain${extension}`]: code });
    const { service } = startService([functionOf('plain.handler', codeDir)]);
    expect((await service.invoke('svc-plain-handler', '{}')).payload).toBe('7');
  });

  test.each([
    ['a file that is not there', 'absent.handler', 'Runtime.ImportModuleError', /functions\/absent/],
    ['an import that is not there', 'lost.handler', 'Runtime.ImportModuleError', /no-such-package/],
    ['code that is no JavaScript', 'garbled.handler', 'Runtime.UserCodeSyntaxError', /SyntaxError/],
    ['what the module throws while it loads', 'unset.handler', 'ConfigError', /^BUCKET is not set$/],
    ['an export that is not there', 'work.other', 'Runtime.HandlerNotFound', /is undefined or not exported/],
    ['an export that is no function', 'trouble.notAFunction', 'Runtime.HandlerNotFound', /is not a function/],
    ['a handler with a callback', 'trouble.takesCallback', 'Runtime.CallbackHandlerDeprecated', /Node\.js 24/],
    ['a process that exits while it loads', 'quits.handler', 'Runtime.ExitError', /exit status 3$/],
  ])('reports %s', async (_what, handler, errorType, message) => {
    const codeDir = artifact({
      'functions/lost.mjs': `import 'no-such-package'; export const handler = async () => 1`,
      'functions/garbled.mjs': 'export const handler = async () => {{',
      'functions/unset.mjs': `class ConfigError extends Error { name = 'ConfigError' } throw new ConfigError('BUCKET is not set')`,
      'functions/quits.mjs': 'process.exit(3)',
    });
    const definition = functionOf(handler, codeDir);
    const { service } = startService([definition]);
    const result = await service.invoke(definition.name, '{}');
    expect(result.functionError).toBe('Unhandled');
    expect(failure(result)).toMatchObject({ errorType, errorMessage: expect.stringMatching(message) });
    // The next one gets an environment of its own.
    expect(failure(await service.invoke(definition.name, '{}')).errorType).toBe(errorType);
    expect(service.stats()).toMatchObject({ errors: 2, coldStarts: 2 });
  });

  test('reports options for Node that a thread can not have, and takes no harm', async () => {
    const definition = functionOf('work.echo', artifact(), { environment: { NODE_OPTIONS: '--title=x' } });
    const { service } = startService([definition]);
    const result = await service.invoke(definition.name, '{}');
    expect(result.functionError).toBe('Unhandled');
    expect(result.payload).toContain('NODE_OPTIONS');
  });
});

describe('a function error', () => {
  test('has the name, message and stack of what was thrown, and not its cause', async () => {
    const { service } = startService([functionOf('trouble.throwsError', artifact())]);
    const payload = failure(await service.invoke('svc-trouble-throwsError', '{}'));
    expect(Object.keys(payload)).toEqual(['errorType', 'errorMessage', 'trace']);
    expect(payload).toMatchObject({ errorType: 'SoilError', errorMessage: 'too wet' });
    expect(payload.trace?.[0]).toBe('SoilError: too wet');
    expect(payload.trace?.[1]).toMatch(/trouble\.mjs/);
  });

  test('of something that is no Error is its text', async () => {
    const { service } = startService([functionOf('trouble.throwsString', artifact())]);
    const payload = failure(await service.invoke('svc-trouble-throwsString', '{}'));
    expect(payload).toEqual({ errorType: 'string', errorMessage: 'just a string', trace: [] });
  });

  test('is also an answer that JSON can not hold', async () => {
    const { service } = startService([functionOf('trouble.cyclic', artifact())]);
    const payload = failure(await service.invoke('svc-trouble-cyclic', '{}'));
    expect(payload.errorType).toBe('Runtime.JSONStringifyError');
  });

  test('leaves the environment as it is', async () => {
    const { service } = startService([functionOf('trouble.failsFirst', artifact())]);
    await service.invoke('svc-trouble-failsFirst', '{"times":1}');
    expect((await service.invoke('svc-trouble-failsFirst', '{"times":1}')).payload).toBe('"done"');
    expect(service.stats()).toMatchObject({ coldStarts: 1, invocations: 2, errors: 1, crashes: 0 });
  });
});

describe('a timeout', () => {
  test.each(['busyLoop', 'neverAnswers'])(
    'ends %s, and the next invocation gets a new environment',
    async (handler) => {
      const definition = functionOf(`trouble.${handler}`, artifact(), { timeoutMs: 250 });
      const { service, lines } = startService([definition]);
      const result = await service.invoke(definition.name, '{}');
      const errorMessage = `RequestId: ${result.requestId} Error: Task timed out after 0.25 seconds`;
      expect(result.functionError).toBe('Unhandled');
      expect(parsed(result)).toEqual({ errorType: 'Sandbox.Timedout', errorMessage });
      expect(lines).toContain(errorMessage);
      await service.invoke(definition.name, '{}');
      expect(service.stats()).toMatchObject({ coldStarts: 2, timeouts: 2, errors: 2, crashes: 0 });
    },
  );

  test('keeps what was written before it', async () => {
    const definition = functionOf('trouble.busyLoop', artifact(), { timeoutMs: 250 });
    const { service } = startService([definition]);
    expect((await service.invoke(definition.name, '{}')).logTail).toContain('going round\n');
  });

  test('ends a module that never finishes loading', async () => {
    const codeDir = artifact({ 'functions/endless.mjs': 'for (;;);' });
    const definition = functionOf('endless.handler', codeDir, { timeoutMs: 100 });
    const { service } = startService([definition], { initLimitMs: 200 });
    const payload = failure(await service.invoke(definition.name, '{}'));
    expect(payload.errorType).toBe('Sandbox.Timedout');
  });

  test('does not count the time that loading takes', async () => {
    const codeDir = artifact({
      'functions/slow.mjs': 'await new Promise((r) => setTimeout(r, 400)); export const handler = async () => 1',
    });
    const { service } = startService([functionOf('slow.handler', codeDir, { timeoutMs: 300 })]);
    expect((await service.invoke('svc-slow-handler', '{}')).payload).toBe('1');
  });
});

describe('a crash', () => {
  test.each([
    ['process.exit(7)', 'exits', '{"code":7}', 'Runtime.ExitError', /^RequestId: .* exited with error: exit status 7$/],
    ['process.exit(0)', 'exits', '{"code":0}', 'Runtime.ExitError', /exited without providing a reason$/],
    ['an uncaught exception', 'throwsLater', '{}', 'SoilError', /^out of the blue$/],
    ['an unhandled rejection', 'leavesRejection', '{}', 'Runtime.UnhandledPromiseRejection', /^SoilError: forgotten$/],
    ['a full heap', 'eatsMemory', '{}', 'Runtime.ExitError', /JavaScript heap out of memory/],
  ])('by %s ends this environment and nothing else', async (_what, handler, event, errorType, message) => {
    const gate = await startGate();
    const codeDir = artifact();
    const crashing = functionOf(`trouble.${handler}`, codeDir, { memoryMb: 64 });
    const { service } = startService([crashing, functionOf('work.visit', codeDir)]);
    const neighbour = service.invoke('svc-work-visit', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    const result = await service.invoke(crashing.name, event);
    expect(result.functionError).toBe('Unhandled');
    expect(failure(result)).toMatchObject({ errorType, errorMessage: expect.stringMatching(message) });
    gate.open();
    expect((await neighbour).payload).toBe('"through"');
    expect(service.stats()).toMatchObject({ crashes: 1, errors: 1, invocations: 2 });
  });
});

describe('the log', () => {
  test('has START, what the function wrote to stdout and stderr in order, END and REPORT', async () => {
    const { service, lines } = startService([functionOf('work.write', artifact())]);
    const { requestId, logTail } = await service.invoke('svc-work-write', '{"text":"first\\nsecond"}');
    const report = new RegExp(
      `^REPORT RequestId: ${requestId}\\tDuration: [\\d.]+ ms\\tBilled Duration: \\d+ ms\\tMemory Size: 256 MB\\tMax Memory Used: [1-9]\\d* MB\\tInit Duration: [\\d.]+ ms$`,
    );
    expect(lines).toEqual([
      `START RequestId: ${requestId} Version: $LATEST`,
      'first',
      'second',
      'to stderr',
      'no line end',
      `END RequestId: ${requestId}`,
      expect.stringMatching(report),
    ]);
    expect(logTail).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  test('of a warm invocation has no init and nothing of the invocation before', async () => {
    const { service } = startService([functionOf('work.write', artifact())]);
    await service.invoke('svc-work-write', '{"text":"before"}');
    const { logTail } = await service.invoke('svc-work-write', '{"text":"after"}');
    expect(logTail).toContain('after');
    expect(logTail).not.toMatch(/before|Init Duration/);
  });

  test('has the line of the runtime for what a handler throws', async () => {
    const { service, lines } = startService([functionOf('trouble.throwsError', artifact())]);
    const { payload, requestId } = await service.invoke('svc-trouble-throwsError', '{}');
    expect(lines[1]?.split('\t').slice(1)).toEqual([requestId, 'ERROR', 'Invoke Error ', payload]);
  });

  test("'s tail is the last 4 KB, and begins with a whole character", async () => {
    const { service } = startService([functionOf('work.write', artifact())]);
    const { logTail } = await service.invoke('svc-work-write', JSON.stringify({ text: '🌱'.repeat(5_000) }));
    const sizeBytes = Buffer.byteLength(logTail);
    expect(sizeBytes).toBeLessThanOrEqual(4_096);
    expect(sizeBytes).toBeGreaterThan(4_092);
    expect(logTail).not.toContain('\ufffd');
  });
});

test('what a function costs is its memory times its billed whole milliseconds', async () => {
  const { service } = startService([functionOf('work.echo', artifact(), { memoryMb: 512 })]);
  const results = [await service.invoke('svc-work-echo', '1'), await service.invoke('svc-work-echo', '1')];
  const billedMs = results.map(({ logTail }) => Number(/Billed Duration: (\d+) ms/.exec(logTail)?.[1]));
  const gbSeconds = billedMs.reduce((sum, ms) => sum + 0.5 * (ms / 1_000), 0);
  expect(service.stats().lambdaGbSeconds).toBeCloseTo(gbSeconds, 9);
});
