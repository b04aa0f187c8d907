/** Where something is in a JSON value: `data.result`, `links[0].href`, or a list of names where a name has a dot in it. */

/** A text with dots and `[0]`, `$` for the whole value, or a list of names and indexes. */
export type JsonPath = string | readonly (string | number)[];

export type PathStep = string | number;

const step = /(?:^|\.)([^.[\]]+)|\[(\d+)\]/y;

/** @returns the steps from the root; undefined for a text that is no path */
export function parseJsonPath(path: JsonPath): readonly PathStep[] | undefined {
  if (typeof path !== 'string') return path;
  const text = path.replace(/^\$\.?/, '');
  if (text === '') return path === '' || path === '$.' ? undefined : [];
  const steps: PathStep[] = [];
  for (let at = 0; at < text.length; at = step.lastIndex) {
    step.lastIndex = at;
    const match = step.exec(text);
    if (match === null) return undefined;
    steps.push(match[1] ?? Number(match[2]));
  }
  return steps;
}

/** @throws Error for a text that is no path; declarations are checked before */
export function stepsOf(path: JsonPath): readonly PathStep[] {
  const steps = parseJsonPath(path);
  if (steps === undefined) throw new Error(`${JSON.stringify(path)} is no path in JSON; use names with dots, or $.`);
  return steps;
}

export function valueAt(value: unknown, steps: readonly PathStep[]): unknown {
  let at = value;
  for (const name of steps) {
    if (typeof at !== 'object' || at === null) return undefined;
    if (typeof name === 'number' ? !Array.isArray(at) : Array.isArray(at) || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[name];
  }
  return at;
}

/** As a person writes it: `data.result[0].id`; the whole value is `$`. */
export function showPath(steps: readonly PathStep[]): string {
  const text = steps.map((name) => (typeof name === 'number' ? `[${name}]` : `.${name}`)).join('');
  return text === '' ? '$' : text.replace(/^\./, '');
}
