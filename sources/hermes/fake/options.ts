/** What a local Hermes can be told, and the check that it makes sense. Every option but the port and the log can be changed while it runs. */
import { isCallPath } from './call-key.ts';

/** How one call, or one list, misbehaves. Those that say "list" hold for all pages; the others for exactly the key given. */
export type Override =
  /** 200 with a page of HTML, as a proxy in the way sends it. */
  | 'html'
  /** 200, half of the right body, with a Content-Length that agrees: the transfer is whole, the JSON is not. */
  | 'truncated-json'
  /** 200 with a JSON body of the wrong shape. */
  | 'wrong-types'
  /** 200 with the page's first item once more at its end. */
  | 'duplicate-ids'
  /** A list: every page names the same next cursor. */
  | 'page-loop'
  /** 200 with an empty id in the page's first item. */
  | 'empty-id'
  /** No answer, until the client goes. */
  | 'hang'
  /** 302 to `/redirected` on this server, which is no path of the API: the call log shows whether it was followed. */
  | 'redirect'
  /** 200 with a body that never ends. */
  | 'huge-body'
  /** A list: empty pages, each with a new next cursor, without end. */
  | 'endless-pages'
  | { status: number; headers?: Record<string, string>; body?: string }
  /** A list: this many children instead of the tree's number. */
  | { children: number };

export type HermesSettings = {
  troops: number;
  warriors: number;
  groups: number;
  seed: number;
  hostile: boolean;
  pageSize: number;
  /** '' for an API that asks for no token. */
  token: string;
  /** Each answer waits this long. */
  latencyMs: number;
  /** 0 to 1: the share of calls that fail at random, each time they are made. */
  failRate: number;
  /** This many calls answer 500 every time. */
  failForever: number;
  /** Calls that are let through in any sliding second; above it 429. 0 for no limit. */
  rateLimit: number;
  /** By call key. Configuring replaces all of them. */
  overrides: Readonly<Record<string, Override>>;
};

export const defaultSettings: HermesSettings = {
  troops: 5,
  warriors: 20,
  groups: 10,
  seed: 1,
  hostile: false,
  pageSize: 100,
  token: '',
  latencyMs: 0,
  failRate: 0,
  failForever: 0,
  rateLimit: 0,
  overrides: {},
};

const forAnyCall = new Set<unknown>(['html', 'truncated-json', 'wrong-types', 'hang', 'redirect', 'huge-body']);
const forLists = new Set<unknown>(['duplicate-ids', 'page-loop', 'empty-id', 'endless-pages']);

const wholeFrom = (least: number, most = 1e9) =>
  [
    (value: unknown): boolean => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
    `a whole number from ${least} to ${most}`,
  ] as const;

const checks: Record<keyof HermesSettings, readonly [(value: unknown) => boolean, string]> = {
  troops: wholeFrom(0, 1e6),
  warriors: wholeFrom(0, 1e6),
  groups: wholeFrom(0, 1e6),
  seed: wholeFrom(0, 2 ** 31),
  hostile: [(value) => typeof value === 'boolean', 'true or false'],
  pageSize: wholeFrom(1, 10_000),
  token: [(value) => typeof value === 'string', 'a string'],
  latencyMs: [(value) => typeof value === 'number' && value >= 0 && value <= 600_000, 'from 0 to 600000'],
  failRate: [(value) => typeof value === 'number' && value >= 0 && value <= 1, 'from 0 to 1'],
  failForever: wholeFrom(0),
  rateLimit: wholeFrom(0),
  overrides: [
    (value) => isRecord(value) && Object.entries(value).every(([key, override]) => isOverride(key, override)),
    'an object from call keys to overrides that fit them',
  ],
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOverride(key: string, value: unknown): boolean {
  const path = key.split('?', 1)[0] ?? '';
  if (!isCallPath(path)) return false;
  if (!isRecord(value)) return forAnyCall.has(value) || (path !== 'data' && forLists.has(value));
  if ('children' in value) return wholeFrom(0)[0](value['children']);
  return wholeFrom(200, 599)[0](value['status']);
}

/** @throws RangeError naming the first setting that is unknown or out of range, and what it may be */
export function changeSettings(settings: HermesSettings, change: Partial<HermesSettings>): HermesSettings {
  for (const [name, value] of Object.entries(change)) {
    if (!Object.hasOwn(checks, name)) throw new RangeError(`Hermes has no setting ${JSON.stringify(name)}`);
    const [isRight, allowed] = checks[name as keyof HermesSettings];
    if (!isRight(value)) throw new RangeError(`${name} must be ${allowed}, not ${JSON.stringify(value)}`);
  }
  return { ...settings, ...change };
}
