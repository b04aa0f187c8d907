/**
 * A Lambda service for tests, with the fixture functions as an unzipped artifact, a queue that keeps what is sent, and a
 * gate that functions wait at.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach } from '@jest/globals';
import { openDatabase } from '../database.ts';
import type { FunctionDefinition } from '../lambda/definition.ts';
import { LambdaService } from '../lambda/service.ts';
import type { LambdaServiceOptions } from '../lambda/service.ts';

const sourcesUrl = new URL('./fixtures/lambda/functions/', import.meta.url);

export type SentMessage = {
  queueArn: string;
  body: string;
  attributes: Record<string, { DataType: string; StringValue: string }> | undefined;
};

export type TestService = {
  service: LambdaService;
  db: DatabaseSync;
  sent: SentMessage[];
  lines: string[];
};

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lambda-test-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The fixtures as an artifact has them: JavaScript under `functions/`; and other files as given. */
export function artifact(files: Record<string, string> = {}): string {
  const codeDir = temporaryFolder();
  mkdirSync(join(codeDir, 'functions'));
  for (const file of readdirSync(sourcesUrl)) {
    const code = stripTypeScriptTypes(readFileSync(new URL(file, sourcesUrl), 'utf8'));
    writeFileSync(join(codeDir, 'functions', file.replace(/\.ts$/, '.mjs')), code);
  }
  for (const [file, code] of Object.entries(files)) writeFileSync(join(codeDir, file), code);
  return codeDir;
}

/** @param handler `work.echo`: what is after `functions/` */
export function functionOf(
  handler: string,
  codeDir: string,
  changes: Partial<Omit<FunctionDefinition, 'async'>> & { async?: Partial<FunctionDefinition['async']> } = {},
): FunctionDefinition {
  const name = changes.name ?? `svc-${handler.replace('.', '-')}`;
  return {
    logicalId: `${name.replaceAll('-', '')}LambdaFunction`,
    arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
    codeDir,
    handler: `functions/${handler}`,
    environment: {},
    memoryMb: 256,
    timeoutMs: 30_000,
    ...changes,
    name,
    async: {
      maximumRetryAttempts: 2,
      maximumEventAgeMs: 21_600_000,
      onFailureQueueArn: 'arn:aws:sqs:us-east-1:000000000000:failures',
      ...changes.async,
    },
  };
}

export function startService(
  functions: FunctionDefinition[],
  options: Partial<LambdaServiceOptions> = {},
): TestService {
  const db = options.db ?? openDatabase();
  const sent: SentMessage[] = [];
  const lines: string[] = [];
  const service = new LambdaService({
    db,
    functions,
    maxEnvironments: 4,
    timeScale: 10_000,
    sendMessage: (queueArn, body, attributes) => {
      sent.push({ queueArn, body, attributes });
      return Promise.resolve();
    },
    onLog: (_functionName, line) => lines.push(line),
    ...options,
  });
  cleanups.push(async () => {
    await service.stop();
    if (db.isOpen) db.close();
  });
  return { service, db, sent, lines };
}

/** Resolves when the condition holds; looks again after every turn of the event loop. A test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export type Gate = {
  url: string;
  /** How many wait now. */
  waiting: () => number;
  /** Resolves when that many wait. */
  reached: (visitors: number) => Promise<void>;
  /** Lets the one go that has waited longest. */
  letOneGo: () => void;
  /** Lets all go, from now on. */
  open: () => void;
};

/** Where `work.visit` waits until it is let go. */
export async function startGate(): Promise<Gate> {
  const held: ServerResponse[] = [];
  let isOpen = false;
  const server = createServer((_request, response) => {
    if (isOpen) response.end('through');
    else held.push(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    waiting: () => held.length,
    reached: (visitors) => until(() => held.length >= visitors),
    letOneGo: () => held.shift()?.end('through'),
    open: () => {
      isOpen = true;
      for (const response of held.splice(0)) response.end('through');
    },
  };
}

/** The JSON lines that a function wrote. */
export function notes<T>(file: string): T[] {
  const text = readFileSync(file, 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as T);
}
