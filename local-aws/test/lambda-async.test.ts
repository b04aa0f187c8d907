import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../database.ts';
import { artifact, functionOf, notes, startGate, startService, temporaryFolder, until } from './lambda-service.ts';
import type { TestService } from './lambda-service.ts';

type Attempt = { requestId: string; atMs: number };
type DestinationRecord = {
  version: string;
  timestamp: string;
  requestContext: { requestId: string; functionArn: string; condition: string; approximateInvokeCount: number };
  requestPayload: unknown;
  responseContext?: { statusCode: number; executedVersion: string; functionError: string };
  responsePayload?: { errorType: string; errorMessage: string; trace: string[] };
};

const failing = 'svc-trouble-failsAndNotes';

function onlyRecord({ sent }: TestService): DestinationRecord {
  expect(sent).toHaveLength(1);
  return JSON.parse(sent[0]?.body ?? '') as DestinationRecord;
}

describe('an event that fails', () => {
  test('is run twice more, with the same request id, after waits of one minute and two in the scale', async () => {
    const file = join(temporaryFolder(), 'attempts');
    const { service } = startService([functionOf('trouble.failsAndNotes', artifact())], { timeScale: 1_000 });
    const requestId = service.enqueue(failing, JSON.stringify({ file }));
    await service.idle();
    const attempts = notes<Attempt>(file);
    expect(attempts.map((one) => one.requestId)).toEqual([requestId, requestId, requestId]);
    const [first = 0, second = 0, third = 0] = attempts.map(({ atMs }) => atMs);
    // A wait may take longer on a busy machine, never less; a millisecond for the rounding of two clocks.
    expect(second - first).toBeGreaterThanOrEqual(59);
    expect(third - second).toBeGreaterThanOrEqual(119);
    expect(service.stats()).toMatchObject({
      invocations: 3,
      asyncInvocations: 3,
      errors: 3,
      retries: 2,
      deadLetters: 1,
    });
  });

  test('waits exactly its minute and its two, by the clock that the service is given', async () => {
    let nowMs = 1_800_000_000_000;
    const file = join(temporaryFolder(), 'attempts');
    const { service, db } = startService([functionOf('trouble.failsAndNotes', artifact())], {
      timeScale: 6_000,
      now: () => nowMs,
    });
    service.enqueue(failing, JSON.stringify({ file }));
    const failedRuns = (runs: number) => () => rowOf(db)?.failed_runs === runs;
    await until(failedRuns(1));
    expect(rowOf(db)?.ready_at_ms).toBe(nowMs + 10);
    nowMs += 10;
    await until(failedRuns(2));
    expect(rowOf(db)?.ready_at_ms).toBe(nowMs + 20);
    nowMs += 20;
    await service.idle();
    expect(notes(file)).toHaveLength(3);
  });

  test.each([
    [0, 1],
    [1, 2],
    [2, 3],
  ])('with %i retries is run %i times', async (maximumRetryAttempts, runs) => {
    const definition = functionOf('trouble.throwsError', artifact(), { async: { maximumRetryAttempts } });
    const { service, sent } = startService([definition]);
    service.enqueue(definition.name, '{}');
    await service.idle();
    expect(service.stats().invocations).toBe(runs);
    expect(sent).toHaveLength(1);
  });

  test('is done when a later attempt works', async () => {
    const { service, sent } = startService([functionOf('trouble.failsFirst', artifact())]);
    service.enqueue('svc-trouble-failsFirst', '{"times":2}');
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 3, errors: 2, retries: 2, deadLetters: 0 });
    expect(sent).toEqual([]);
  });

  test.each([
    ['a timeout', 'neverAnswers', 'Sandbox.Timedout', { timeouts: 2, crashes: 0 }],
    ['a crash', 'throwsLater', 'SoilError', { timeouts: 0, crashes: 2 }],
  ])('by %s is retried as after any other error', async (_what, handler, errorType, counted) => {
    const definition = functionOf(`trouble.${handler}`, artifact(), {
      timeoutMs: 200,
      async: { maximumRetryAttempts: 1 },
    });
    const started = startService([definition]);
    started.service.enqueue(definition.name, '{}');
    await started.service.idle();
    expect(started.service.stats()).toMatchObject({ errors: 2, retries: 1, ...counted });
    expect(onlyRecord(started).responsePayload?.errorType).toBe(errorType);
  });
});

describe('the failure destination', () => {
  test('gets the documented record once the retries are exhausted', async () => {
    const nowMs = Date.UTC(2026, 10, 20, 12);
    const started = startService([functionOf('trouble.throwsError', artifact())], {
      now: () => nowMs + performance.now(),
    });
    const requestId = started.service.enqueue('svc-trouble-throwsError', '{"order":"a/b"}');
    await started.service.idle();
    expect(started.sent[0]).toMatchObject({
      queueArn: 'arn:aws:sqs:us-east-1:000000000000:failures',
      attributes: undefined,
    });
    expect(onlyRecord(started)).toEqual({
      version: '1.0',
      timestamp: expect.stringMatching(/^2026-11-20T12:\d\d:\d\d\.\d{3}Z$/),
      requestContext: {
        requestId,
        functionArn: 'arn:aws:lambda:us-east-1:000000000000:function:svc-trouble-throwsError:$LATEST',
        condition: 'RetriesExhausted',
        approximateInvokeCount: 3,
      },
      requestPayload: { order: 'a/b' },
      responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
      responsePayload: {
        errorType: 'SoilError',
        errorMessage: 'too wet',
        trace: expect.arrayContaining(['SoilError: too wet']),
      },
    });
  });

  test('gets the event with its bytes as they were', async () => {
    const started = startService([functionOf('trouble.throwsError', artifact())]);
    const payload = '{"big": 12345678901234567890, "twice": 1, "twice": 2, "text": "\\u00e9"}';
    started.service.enqueue('svc-trouble-throwsError', payload);
    await started.service.idle();
    expect(started.sent[0]?.body).toContain(`"requestPayload":${payload}`);
  });

  test('that can not be reached costs the event, which is counted', async () => {
    const { service, db } = startService([functionOf('trouble.throwsError', artifact())], {
      sendMessage: () => Promise.reject(new Error('no such queue')),
    });
    service.enqueue('svc-trouble-throwsError', '{}');
    await service.idle();
    expect(service.stats()).toMatchObject({ deadLetters: 0, destinationDeliveryFailures: 1 });
    expect(rowOf(db)).toBeUndefined();
  });

  test('keeps the event on disk until it has taken the record', async () => {
    let accept = (): void => undefined;
    const { service, db } = startService([functionOf('trouble.throwsError', artifact())], {
      sendMessage: () => new Promise((resolve) => (accept = resolve)),
    });
    service.enqueue('svc-trouble-throwsError', '{}');
    await until(() => service.stats().invocations === 3);
    expect(rowOf(db)).toBeDefined();
    expect(service.pending()).toBe(1);
    accept();
    await service.idle();
    expect(rowOf(db)).toBeUndefined();
  });

  test('that is slow holds back the reading of the queue, not the memory', async () => {
    const waiting: (() => void)[] = [];
    let isOpen = false;
    const definition = functionOf('work.echo', artifact(), { reservedConcurrency: 0 });
    const { service } = startService([definition], {
      sendMessage: () => (isOpen ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    });
    for (let n = 0; n < 500; n++) service.enqueue(definition.name, String(n));
    await until(() => waiting.length > 0);
    expect(waiting.length).toBeLessThanOrEqual(32);
    isOpen = true;
    for (const accept of waiting) accept();
    await service.idle();
    expect(service.stats().deadLetters).toBe(500);
  });

  test('is not needed: without one the event ends after its retries', async () => {
    const { async: settings, ...rest } = functionOf('trouble.throwsError', artifact());
    const { maximumRetryAttempts, maximumEventAgeMs } = settings;
    const { service, sent } = startService([{ ...rest, async: { maximumRetryAttempts, maximumEventAgeMs } }]);
    service.enqueue(rest.name, '{}');
    await service.idle();
    expect(sent).toEqual([]);
    expect(service.stats()).toMatchObject({ invocations: 3, deadLetters: 0, destinationDeliveryFailures: 0 });
  });
});

test('a dead-letter queue gets the event itself, with the error in three attributes', async () => {
  const deadLetterQueueArn = 'arn:aws:sqs:us-east-1:000000000000:dead-letters';
  const { service, sent } = startService([
    functionOf('trouble.throwsError', artifact(), { async: { deadLetterQueueArn } }),
  ]);
  const requestId = service.enqueue('svc-trouble-throwsError', '{ "a": 1 }');
  await service.idle();
  expect(sent).toHaveLength(2);
  expect(sent.find(({ queueArn }) => queueArn === deadLetterQueueArn)).toEqual({
    queueArn: deadLetterQueueArn,
    body: '{ "a": 1 }',
    attributes: {
      RequestID: { DataType: 'String', StringValue: requestId },
      ErrorCode: { DataType: 'Number', StringValue: '200' },
      ErrorMessage: { DataType: 'String', StringValue: 'too wet' },
    },
  });
});

describe('reserved concurrency', () => {
  test('sends events back without counting as an attempt, and all are run in the end', async () => {
    const gate = await startGate();
    const definition = functionOf('work.visit', artifact(), {
      reservedConcurrency: 1,
      async: { maximumRetryAttempts: 0 },
    });
    const { service, sent } = startService([definition]);
    for (let n = 0; n < 5; n++) service.enqueue(definition.name, JSON.stringify({ url: gate.url }));
    await until(() => service.stats().throttles >= 3);
    await gate.reached(1);
    expect(gate.waiting()).toBe(1);
    gate.open();
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 5, errors: 0, retries: 0, deadLetters: 0 });
    expect(sent).toEqual([]);
  });

  test('lets the next event run as soon as there is a place, whatever the throttled one waits', async () => {
    let nowMs = 1_800_000_000_000;
    const gate = await startGate();
    const { service } = startService([functionOf('work.visit', artifact(), { reservedConcurrency: 1 })], {
      now: () => nowMs,
    });
    for (let n = 0; n < 3; n++) service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    expect(service.stats().throttles).toBe(1);
    gate.letOneGo();
    await gate.reached(1);
    gate.open();
    await until(() => service.stats().invocations === 2);
    await until(() => service.pending() === 1);
    nowMs += 1_000;
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 3, throttles: 1, errors: 0 });
  });

  test('is never exceeded', async () => {
    const gate = await startGate();
    const { service } = startService([functionOf('work.visit', artifact(), { reservedConcurrency: 2 })], {
      maxEnvironments: 6,
    });
    for (let n = 0; n < 12; n++) service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
    for (let done = 0; done < 12; done++) {
      await gate.reached(Math.min(2, 12 - done));
      expect(gate.waiting()).toBeLessThanOrEqual(2);
      expect(service.stats().byFunction['svc-work-visit']?.running).toBeLessThanOrEqual(2);
      gate.letOneGo();
      await until(() => service.stats().invocations > done);
    }
    await service.idle();
    expect(service.stats().coldStarts).toBe(2);
  });

  test('keeps an event in the queue up to its maximum age, then gives it up as one that never ran', async () => {
    const gate = await startGate();
    const started = startService([
      functionOf('work.visit', artifact(), { reservedConcurrency: 1, async: { maximumEventAgeMs: 60_000 } }),
    ]);
    const { service } = started;
    const event = JSON.stringify({ url: gate.url });
    service.enqueue('svc-work-visit', event);
    await gate.reached(1);
    const requestId = service.enqueue('svc-work-visit', event);
    await until(() => started.sent.length > 0);
    const record = onlyRecord(started);
    expect(record.requestContext).toMatchObject({
      requestId,
      condition: 'EventAgeExceeded',
      approximateInvokeCount: 0,
    });
    expect(record.requestPayload).toEqual({ url: gate.url });
    expect(record).not.toHaveProperty('responseContext');
    expect(record).not.toHaveProperty('responsePayload');
    // 1 + 2 + 4 + 8 + 16 seconds, and what is left of the minute.
    expect(service.stats()).toMatchObject({ throttles: 6, eventAgeExceeded: 1 });
    gate.open();
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 1, errors: 0 });
  });

  test('of 0 sends every event to the failure destination at once, without a run', async () => {
    const deadLetterQueueArn = 'arn:aws:sqs:us-east-1:000000000000:dead-letters';
    const definition = functionOf('work.echo', artifact(), { reservedConcurrency: 0, async: { deadLetterQueueArn } });
    const { service, sent } = startService([definition]);
    service.enqueue(definition.name, '{"a":1}');
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 0, deadLetters: 2, coldStarts: 0 });
    const [record, deadLetter] = sent;
    expect(JSON.parse(record?.body ?? '')).toMatchObject({
      requestContext: { condition: 'ZeroReservedConcurrency', approximateInvokeCount: 0 },
      requestPayload: { a: 1 },
    });
    expect(record?.body).not.toContain('response');
    expect(deadLetter?.attributes).toMatchObject({ ErrorCode: { StringValue: '429' } });
  });
});

describe('the age of an event', () => {
  test('that failed and is too old for its next attempt comes with its last answer', async () => {
    const started = startService([
      functionOf('trouble.throwsError', artifact(), { async: { maximumEventAgeMs: 100_000 } }),
    ]);
    started.service.enqueue('svc-trouble-throwsError', '{}');
    await started.service.idle();
    const record = onlyRecord(started);
    expect(record.requestContext).toMatchObject({ condition: 'EventAgeExceeded', approximateInvokeCount: 2 });
    expect(record.responsePayload).toMatchObject({ errorMessage: 'too wet' });
    expect(started.service.stats()).toMatchObject({ invocations: 2, retries: 1, eventAgeExceeded: 1 });
  });

  test('does not grow while it only waits for one of our few environments', async () => {
    let nowMs = Date.now();
    const gate = await startGate();
    const { service } = startService([functionOf('work.visit', artifact(), { async: { maximumEventAgeMs: 60_000 } })], {
      maxEnvironments: 1,
      now: () => nowMs,
    });
    for (let n = 0; n < 3; n++) service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    nowMs += 86_400_000;
    gate.open();
    await service.idle();
    expect(service.stats()).toMatchObject({ invocations: 3, throttles: 0, eventAgeExceeded: 0, deadLetters: 0 });
  });
});

describe('an accepted event', () => {
  test('exists only if the transaction that it was accepted in commits', async () => {
    const { service, db } = startService([functionOf('work.echo', artifact())]);
    const rolledBack = () =>
      inTransaction(db, () => {
        service.enqueue('svc-work-echo', '1');
        throw new Error('the object was not stored');
      });
    expect(rolledBack).toThrow('the object was not stored');
    inTransaction(db, () => service.enqueue('svc-work-echo', '2'));
    await service.idle();
    expect(service.stats().invocations).toBe(1);
  });

  test('is JSON of 1 MB at most, for a function that is there', () => {
    const { service } = startService([functionOf('work.echo', artifact())]);
    const code = (name: string, payload: string) => {
      try {
        service.enqueue(name, payload);
        return 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code('svc-work-echo', `"${'é'.repeat(524_287)}"`)).toBe('accepted');
    expect(code('svc-work-echo', `"${'é'.repeat(524_288)}"`)).toBe('RequestTooLargeException');
    expect(code('svc-work-echo', 'text')).toBe('InvalidRequestContentException');
    expect(code('missing', '{}')).toBe('ResourceNotFoundException');
  });

  test('can be lost by a fault, as on AWS: it has a request id and never runs', async () => {
    const asked: string[] = [];
    const { service } = startService([functionOf('work.echo', artifact())], {
      faults: { loseAcceptedEvent: (requestId) => asked.push(requestId) === 1 },
    });
    const ids = [service.enqueue('svc-work-echo', '1'), service.enqueue('svc-work-echo', '2')];
    await service.idle();
    expect(asked).toEqual(ids);
    expect(service.stats().invocations).toBe(1);
  });
});

describe('idle', () => {
  test('resolves at once when there is nothing to do', async () => {
    await startService([functionOf('work.echo', artifact())]).service.idle();
  });

  test('waits for direct calls too', async () => {
    const gate = await startGate();
    const { service } = startService([functionOf('work.visit', artifact())]);
    const call = service.invoke('svc-work-visit', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    let isIdle = false;
    const idle = service.idle().then(() => (isIdle = true));
    expect(isIdle).toBe(false);
    expect(service.pending('svc-work-visit')).toBe(1);
    gate.open();
    await Promise.all([idle, call]);
  });

  test('is an error when the service is stopped before', async () => {
    const { service } = startService([functionOf('trouble.neverAnswers', artifact())]);
    service.enqueue('svc-trouble-neverAnswers', '{}');
    const idle = expect(service.idle()).rejects.toMatchObject({ code: 'ServiceException' });
    await service.stop();
    await idle;
  });
});

describe('a schedule', () => {
  test('gives its function an event again and again until the service stops', async () => {
    const { service, lines } = startService([functionOf('work.write', artifact())], { timeScale: 90_000 });
    service.addSchedule({ functionName: 'svc-work-write', everyMs: 900_000, input: '{"text":"swept"}' });
    await until(() => lines.filter((line) => line === 'swept').length >= 3);
    await service.stop();
    const { asyncInvocations } = service.stats();
    expect(asyncInvocations).toBeGreaterThanOrEqual(3);
  });

  test("without an input gives EventBridge's scheduled event", async () => {
    const definition = functionOf('trouble.throwsError', artifact(), { async: { maximumRetryAttempts: 0 } });
    const { service, sent } = startService([definition], { timeScale: 90_000 });
    service.addSchedule({ functionName: definition.arn, everyMs: 900_000 });
    await until(() => sent.length > 0);
    await service.stop();
    expect((JSON.parse(sent[0]?.body ?? '') as DestinationRecord).requestPayload).toMatchObject({
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      account: '000000000000',
      region: 'us-east-1',
      detail: {},
    });
  });
});

type Row = { ready_at_ms: number; failed_runs: number };

function rowOf(db: TestService['db']): Row | undefined {
  return db.prepare('SELECT ready_at_ms, failed_runs FROM lambda_events').get() as Row | undefined;
}
