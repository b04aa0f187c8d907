/** How many calls a second an API says that it allows: from every header in which APIs say so. Pure. */
import type { LimitDeclaration } from './declaration.ts';
import type { ReplyHeaders } from './exchange.ts';

/** `RateLimit-Limit`, `X-RateLimit-Limit`, `X-Rate-Limit-Limit`, `X-RateLimit-Limit-Minute`, … */
const limitName = /^(?:x-)?rate-?limit-limit(?:-([a-z]+))?$/;

/** Gateways that have several limits name the time of each. */
const secondsOf: Readonly<Record<string, number>> = {
  second: 1,
  minute: 60,
  hour: 3_600,
  day: 86_400,
  month: 30 * 86_400,
};

type Quota = {
  /** Calls. */
  calls: number;
  /** undefined: the header does not say in which time. */
  seconds: number | undefined;
};

export type HeaderLimit = {
  /** Calls a second; absent: the API does not say in which time its calls may be made, and neither does the source. */
  perSecond?: number;
  /** Of the header, for messages. */
  calls: number;
};

/**
 * The least of all limits that the answer tells. What is no positive number says nothing: an API's mistake is no error of the
 * call.
 * @param declared by the source, for what the headers do not say
 * @returns undefined when the answer tells no limit
 */
export function readToldLimit(headers: ReplyHeaders, declared?: LimitDeclaration): HeaderLimit | undefined {
  const all = quotasOf(headers, declared);
  // A number alone beside policies is that of one of them: `100, 100;w=60`, or the old header beside the new ones.
  const timed = all.filter(({ seconds }) => seconds !== undefined);
  const quotas = timed.length > 0 ? timed : all;
  const rates = quotas.flatMap(({ calls, seconds = declared?.windowSeconds }) =>
    seconds === undefined ? [] : [{ perSecond: calls / seconds, calls }],
  );
  const [least] = rates.sort((a, b) => a.perSecond - b.perSecond);
  if (least !== undefined) return least.perSecond > 0 ? least : undefined;
  const [some] = quotas;
  return some && { calls: some.calls };
}

function quotasOf(headers: ReplyHeaders, declared: LimitDeclaration | undefined): Quota[] {
  const own = declared?.header?.toLowerCase();
  return Object.entries(headers).flatMap(([name, text]) => {
    // The declared window is that of the declared header, whatever its name looks like.
    if (name === own) return listed(text).map((quota) => ({ seconds: declared?.windowSeconds, calls: quota.calls }));
    if (name === 'ratelimit-policy') return listed(text);
    if (name === 'ratelimit') return listed(/(?:^|[,;\s])limit\s*=\s*([^,;\s]+)/i.exec(text)?.[1] ?? '');
    const suffix = limitName.exec(name);
    if (suffix === null) return [];
    const [, unit] = suffix;
    if (unit === undefined || unit === 'requests') return listed(text);
    const seconds = Object.hasOwn(secondsOf, unit) ? secondsOf[unit] : undefined;
    // Such as the tokens of a language model.
    return seconds === undefined ? [] : listed(text).map(({ calls }) => ({ calls, seconds }));
  });
}

/** `100`; `100, 100;w=60`; `"burst";q=10;w=1, "day";q=1000;w=86400`. What is left out is not understood, or counts no requests. */
function listed(text: string): Quota[] {
  return text.split(outsideQuotes).flatMap((item): Quota[] => {
    const [value = '', ...fields] = item.split(';').map((part) => part.trim());
    const parameters = new Map(
      fields.map((field): [string, string] => {
        const [name = '', given = ''] = field.split('=', 2).map((part) => part.trim());
        return [name.toLowerCase(), given.replaceAll('"', '')];
      }),
    );
    if ((parameters.get('qu') ?? 'requests') !== 'requests') return [];
    const calls = positive(parameters.get('q') ?? value);
    if (calls === undefined) return [];
    const window = parameters.get('w') ?? parameters.get('window');
    const seconds = window === undefined ? undefined : positive(window);
    // A window that is no number is no window of another length.
    return window !== undefined && seconds === undefined ? [] : [{ calls, seconds }];
  });
}

/** A policy's name may hold a comma. */
const outsideQuotes = /,(?=(?:[^"]*"[^"]*")*[^"]*$)/;

function positive(text: string): number | undefined {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  return value > 0 && Number.isFinite(value) ? value : undefined;
}
