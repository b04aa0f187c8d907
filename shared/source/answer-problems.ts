import { checkFields, flag, headerName, isRecord, jsonPath, show, text, type Say } from './field-checks.ts';

const outcomes = ['retry', 'ignore', 'fail', 'accept'];
const then = {
  allowed: `one of "${outcomes.join('", "')}", or { rateLimit: "Header-Name" }`,
  fits: (value: unknown) =>
    outcomes.includes(value as string) ||
    (isRecord(value) && Object.keys(value).join() === 'rateLimit' && headerName.fits(value['rateLimit'])),
};

const status = {
  allowed: 'a status such as 404, a class such as "4xx" (2xx to 5xx), or a list of these',
  fits: (value: unknown) => {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.length > 0 && values.every(isStatus);
  },
};

function isStatus(value: unknown): boolean {
  if (typeof value === 'string') return /^[2-5]xx$/.test(value);
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
}

const ruleFields = {
  status,
  header: { allowed: "an object such as { name: 'x-error', matches: 'quota' }", fits: isRecord },
  body: { allowed: "an object such as { path: 'status', equals: 'error' }", fits: isRecord },
  then,
  message: jsonPath,
};

const pattern = {
  allowed: 'a regular expression as a text',
  fits: (value: unknown) => {
    if (typeof value !== 'string') return false;
    try {
      return new RegExp(value, 'i').source !== '';
    } catch {
      return false;
    }
  },
};

const bodyValue = {
  allowed: 'a text, a number, true, false or null',
  fits: (value: unknown) => value === null || text.fits(value) || flag.fits(value) || Number.isFinite(value),
};

/** @param owner a result must not `ignore`: there would be nothing that is true to store */
export function answerProblems(rules: readonly unknown[], owner: 'api' | 'list' | 'result', say: Say): void {
  for (const [index, rule] of rules.entries()) {
    const at = `answers[${index}]`;
    if (!isRecord(rule)) {
      say(at, `must be an object such as { status: 404, then: 'ignore' }, not ${show(rule)}`);
      continue;
    }
    checkFields(rule, ruleFields, ['then'], say, `${at}.`);
    if (rule['status'] === undefined && rule['header'] === undefined && rule['body'] === undefined)
      say(at, 'must name at least one of status, header and body, since it would hold for every answer');
    if (isRecord(rule['header']))
      checkFields(rule['header'], { name: headerName, matches: pattern }, ['name'], say, `${at}.header.`);
    if (isRecord(rule['body'])) {
      checkFields(rule['body'], { path: jsonPath, equals: bodyValue, exists: flag }, ['path'], say, `${at}.body.`);
      if (rule['body']['equals'] !== undefined && rule['body']['exists'] !== undefined)
        say(`${at}.body`, 'must name equals or exists, not both');
    }
    if (rule['then'] === 'ignore' && owner !== 'list')
      say(
        `${at}.then`,
        owner === 'api'
          ? "must not be ignore for all levels: put it on the list whose items may have no children, since a result can't be nothing"
          : "must not be ignore: a result can't be nothing; let the list above leave the item out, or use fail, retry or accept",
      );
  }
}
