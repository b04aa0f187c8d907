/** A run's parameters: what a chain declares, and what they come to for one run. */

export type ParamDeclaration = {
  /** `timestamp`: an ISO 8601 text. */
  type: 'text' | 'number' | 'boolean' | 'timestamp';
  /**
   * Without one the seed has to give the parameter. For a timestamp also `now`, or so much before: `now-90s`, `now-15m`,
   * `now-1h`, `now-7d`.
   */
  default?: string | number | boolean | undefined;
};

export type ParamValue = string | number | boolean;
export type Params = Readonly<Record<string, ParamValue>>;

const paramName = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
const types = ['text', 'number', 'boolean', 'timestamp'];
const relative = /^now(?:-(\d{1,6})([smhd]))?$/;
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A date, or a date and a time with its zone. */
const isoTimestamp = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A seed that does not give such a name would seem to give it: every object has it, e.g. `constructor`. */
export function isInherited(name: string): boolean {
  return name in {};
}

/** @returns one line a problem with what a chain declares */
export function paramProblems(params: Readonly<Record<string, ParamDeclaration>>): string[] {
  return Object.entries(params).flatMap(([name, declaration]) => {
    const say = (text: string): string => `params.${name} ${text}`;
    if (!paramName.test(name) || isInherited(name))
      return [say('must be named with 1 to 32 of A-Z a-z 0-9 _, beginning with a letter')];
    if (!types.includes(declaration.type)) return [say(`type must be one of ${types.join(', ')}`)];
    const { default: value } = declaration;
    if (value === undefined || isRelative(declaration, value)) return [];
    return isParamValue(declaration, value) ? [] : [say(`default must be ${allowedFor(declaration)}`)];
  });
}

/** Whether a seed may give this for the parameter. */
export function isParamValue({ type }: ParamDeclaration, value: unknown): value is ParamValue {
  switch (type) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'timestamp':
      return typeof value === 'string' && isoTimestamp.test(value) && !Number.isNaN(Date.parse(value));
  }
}

export function allowedFor({ type }: ParamDeclaration): string {
  if (type === 'text') return 'a text';
  if (type === 'number') return 'a number';
  return type === 'boolean' ? 'true or false' : 'an ISO 8601 timestamp, e.g. "2026-11-20T00:00:00Z"';
}

/** Whether the default moves with the time of the seed. */
export function isRelative({ type }: ParamDeclaration, value: ParamValue): boolean {
  return type === 'timestamp' && typeof value === 'string' && relative.test(value);
}

/** @param nowMs milliseconds since 1970 @returns undefined when there is no default */
export function defaultOf(declaration: ParamDeclaration, nowMs: number): ParamValue | undefined {
  const { default: value } = declaration;
  if (value === undefined || !isRelative(declaration, value)) return value;
  const [, count = '0', unit = 's'] = relative.exec(String(value)) ?? [];
  return new Date(nowMs - Number(count) * (unitMs[unit] ?? 0)).toISOString();
}
