/** The engine's level table of a declaration. */
import type { ChainSpec, LevelSpec } from '../engine/chain/chain.ts';
import { tableSpec } from './table-declaration.ts';
import type { ChainDeclaration, LevelDeclaration, ResultDeclaration } from './declaration.ts';

/** Fields of a wrong type are left out: they have a line of their own among the declaration's problems. */
export function levelSpecs(declaration: ChainDeclaration): ChainSpec {
  const { levels, params }: Partial<ChainDeclaration> = isObject(declaration) ? declaration : {};
  const specs = Array.isArray(levels) ? levels.filter(isLevel).map(specOf) : [];
  const declared = isObject(params) ? Object.entries(params).filter(([, param]) => isParam(param)) : [];
  return { levels: specs, params: Object.fromEntries(declared) };
}

function isLevel(level: unknown): level is LevelDeclaration {
  return isObject(level) && (level['kind'] === 'list' || level['kind'] === 'result');
}

function isParam(param: unknown): boolean {
  return isObject(param) && ['text', 'number', 'boolean', 'timestamp'].includes(param['type'] as string);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function specOf(level: LevelDeclaration, index: number): LevelSpec {
  const { prefix, environments, callsInFlight } = level;
  const batch = level.kind === 'result' && index > 0 ? batchOf(level) : 1;
  const table = tableSpec(level.name, level, level.kind === 'result' && isJsonResult(level));
  return {
    name: typeof level.name === 'string' ? level.name : `level${index + 1}`,
    children: level.kind === 'list' ? 'many' : 'one',
    ...(typeof prefix === 'string' && { prefix }),
    ...(typeof environments === 'number' && { environments }),
    ...(table !== undefined && { table }),
    ...(level.kind === 'list' && { id: typeof level.id === 'string' ? level.id : `id${index + 1}` }),
    ...(typeof callsInFlight === 'number' && { callsInFlight }),
    ...(level.kind === 'result' && { batch }),
    ...(level.kind === 'result' && batch === 1 && { suffix: suffixOf(level) }),
  };
}

/** A part of fifty results is a file worth opening, and a fiftieth of the requests. */
const defaultBatch = 50;

function batchOf({ batch, ...fields }: ResultDeclaration): number {
  if (typeof batch === 'number') return batch;
  return isJsonResult(fields) ? defaultBatch : 1;
}

/** Whether results are JSON for certain: a table can be made of them. With a suffix of their own they may be anything. */
export function isJsonResult({ as, suffix, contentType }: Readonly<Record<string, unknown>>): boolean {
  return (as === undefined || as === 'json') && suffix === undefined && contentType === undefined;
}

const suffixes: Readonly<Record<string, string>> = {
  'application/json': '.json',
  'text/csv': '.csv',
  'application/x-ndjson': '.ndjson',
  'application/ndjson': '.ndjson',
  'application/jsonl': '.jsonl',
  'application/gzip': '.gz',
  'application/x-gzip': '.gz',
  'application/zip': '.zip',
  'application/pdf': '.pdf',
  'application/xml': '.xml',
  'application/vnd.apache.parquet': '.parquet',
  'text/xml': '.xml',
  'text/html': '.html',
  'text/plain': '.txt',
  'text/tab-separated-values': '.tsv',
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'image/gif': '.gif',
  'image/webp': '.webp',
  'image/svg+xml': '.svg',
};

const suffixesOfForms = { json: '.json', text: '.txt', bytes: '.bin' } as const;

function suffixOf({ suffix, contentType, as = 'json' }: ResultDeclaration): string {
  if (typeof suffix === 'string') return suffix;
  const type = typeof contentType === 'string' ? contentType.replace(/;.*$/s, '').trim().toLowerCase() : '';
  const isJson = type.endsWith('+json');
  return suffixes[type] ?? (isJson ? '.json' : ((suffixesOfForms as Record<string, string>)[as] ?? '.json'));
}
