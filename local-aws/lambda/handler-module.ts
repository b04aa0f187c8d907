/**
 * How a handler is found and what its failures look like, as Lambda's own Node.js runtime has it. Nothing is imported
 * until `loadHandler` is called, inside an environment's thread.
 */
import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

export type Handler = (event: unknown, context: unknown) => unknown;

/** In the order in which the runtime looks for them. */
const moduleExtensions = ['', '.js', '.mjs', '.cjs'] as const;

/** An error that the runtime itself reports: its name is what the caller sees as `errorType`. */
export class RuntimeError extends Error {
  override readonly name: `Runtime.${string}`;

  constructor(name: `Runtime.${string}`, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = name;
  }
}

/** The JSON that stands for an error in a response: name, message and stack, and nothing else of it (its cause neither). */
export function errorPayload(error: unknown): string {
  // Not instanceof: an Error of another realm is one too.
  if (Error.isError(error)) {
    const trace = (error.stack ?? '').split('\n');
    return JSON.stringify({ errorType: error.name, errorMessage: error.message, trace });
  }
  return JSON.stringify({ errorType: typeof error, errorMessage: String(error), trace: [] });
}

/**
 * Loads `functions/work.handler` from the task root.
 *
 * @throws RuntimeError when there is no such file, it imports what is not there, it can't be parsed, or it exports no such function
 * @throws whatever the module throws while it is evaluated
 */
export async function loadHandler(taskRoot: string, handlerSetting: string): Promise<Handler> {
  // The module's name ends at the first dot after the last slash; the rest is a path inside what it exports.
  const dot = handlerSetting.indexOf('.', handlerSetting.lastIndexOf('/') + 1);
  if (dot === -1 || handlerSetting.includes('..') || isAbsolute(handlerSetting)) {
    throw new RuntimeError('Runtime.MalformedHandlerName', `'${handlerSetting}' is not a valid handler name`);
  }
  const moduleName = handlerSetting.slice(0, dot);
  const exported: unknown = await importModule(taskRoot, moduleName);
  const path = handlerSetting.slice(dot + 1).split('.');
  const handler = inside(exported, path) ?? inside(inside(exported, ['default']), path);
  if (typeof handler !== 'function') {
    const problem = handler === undefined ? 'is undefined or not exported' : 'is not a function';
    throw new RuntimeError('Runtime.HandlerNotFound', `${handlerSetting} ${problem}`);
  }
  // A handler that waits for a callback would hang here and be refused on AWS (page nodejs-handler).
  if (handler.length >= 3) {
    throw new RuntimeError(
      'Runtime.CallbackHandlerDeprecated',
      `${handlerSetting} takes a callback: since Node.js 24 a handler is async or returns its result`,
    );
  }
  return handler as Handler;
}

async function importModule(taskRoot: string, moduleName: string): Promise<unknown> {
  const base = join(taskRoot, moduleName);
  const file = moduleExtensions.map((extension) => base + extension).find((candidate) => existsSync(candidate));
  if (file === undefined) {
    const shown = relative(taskRoot, base);
    throw new RuntimeError('Runtime.ImportModuleError', `Error: Cannot find module '${shown}' in ${taskRoot}`);
  }
  try {
    return (await import(pathToFileURL(file).href)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError('Runtime.UserCodeSyntaxError', String(error), { cause: error });
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') {
      throw new RuntimeError('Runtime.ImportModuleError', String(error), { cause: error });
    }
    throw error;
  }
}

function inside(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (found === null || (typeof found !== 'object' && typeof found !== 'function')) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}
