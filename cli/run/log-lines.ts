/** What goes wrong in the functions, out of their logs: a line for each warning and error, without those that only repeat. */

/** Of lines that say the same, this many are shown, and then every hundredth. */
const mostAlike = 3;
const everyOf = 100;

/** What Powertools' lines hold that a person needs; the rest is in the log. */
type Line = {
  level?: unknown;
  message?: unknown;
  key?: unknown;
  error?: { name?: unknown; message?: unknown; code?: unknown };
  code?: unknown;
};

/** Reasons that were logged lately: what a handler throws repeats one of them. */
const mostReasons = 100;

/** @returns a function that takes a function's name and a line of its log, and gives the line to show, if any */
export function createTroubleLines(): (functionName: string, line: string) => string | undefined {
  const counts = new Map<string, number>();
  const reasons = new Set<string>();
  return (functionName, line) => {
    const trouble = line.startsWith('{') ? troubleOf(line) : lambdaTrouble(line);
    if (trouble === undefined) return undefined;
    const { thrown, reason } = trouble;
    if (thrown !== undefined && [...reasons].some((known) => thrown.includes(known))) return undefined;
    if (reason !== undefined) {
      const [oldest] = reasons;
      if (reasons.size >= mostReasons && oldest !== undefined) reasons.delete(oldest);
      reasons.add(reason);
    }
    const name = functionName.slice(functionName.lastIndexOf('-') + 1);
    const kind = `${name} ${trouble.kind}`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count > mostAlike && count % everyOf !== 0) return undefined;
    const alike = count > mostAlike ? ` (${count} like it)` : '';
    return `${name}: ${trouble.text}${alike}`;
  };
}

type Trouble = {
  /** Lines with the same are alike. */
  kind: string;
  text: string;
  /** An error's message: of one that was logged, of one that a handler threw. */
  reason?: string | undefined;
  thrown?: string;
};

function troubleOf(line: string): Trouble | undefined {
  let entry: Line;
  try {
    entry = JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
  const { level, message, key, error } = entry;
  if (level !== 'WARN' && level !== 'ERROR' && level !== 'CRITICAL') return undefined;
  const code = asText(error?.code) ?? asText(entry.code) ?? asText(error?.name);
  const reason = asText(error?.message);
  const text = [
    `${level === 'WARN' ? 'warning' : 'error'}: ${asText(message) ?? ''}`,
    ...(reason === undefined ? [] : [`${code === undefined ? '' : `${code}: `}${reason}`]),
    ...(typeof key === 'string' ? [`(${key})`] : []),
  ].join(' ');
  return {
    kind: `${level} ${asText(message) ?? ''} ${code ?? ''}`,
    text: text.replaceAll(/\s+/g, ' '),
    reason,
  };
}

/** Lambda's own lines are plain text: of a timeout, of a crash, of what a handler throws. */
function lambdaTrouble(line: string): Trouble | undefined {
  const thrown = /\tInvoke Error \t(\{.*\})\s*$/s.exec(line)?.[1];
  if (thrown !== undefined) return troubleOfThrown(thrown);
  if (/^(?:START|END|REPORT) RequestId: /.test(line) || !/Task timed out|Runtime exited|Runtime\.\w/.test(line))
    return undefined;
  return { kind: line.replace(/[0-9a-f-]{36}|[\d.]+/g, ''), text: line };
}

function troubleOfThrown(json: string): Trouble | undefined {
  try {
    const { errorType, errorMessage } = JSON.parse(json) as { errorType?: unknown; errorMessage?: unknown };
    const type = asText(errorType) ?? 'Error';
    const message = (asText(errorMessage) ?? '').replaceAll(/\s+/g, ' ');
    return { kind: `thrown ${type}`, text: `failed: ${type}: ${message}`, thrown: asText(errorMessage) ?? '' };
  } catch {
    return undefined;
  }
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
