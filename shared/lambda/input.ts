/** Checks what a person or a schedule asks of a function. */
import * as v from 'valibot';
import { InputError } from '../engine/errors.ts';

/**
 * Nothing, or an object of known fields. A schedule's own fields never come here: its input is set in serverless.yml.
 * @throws InputError naming every field that is wrong and what is allowed
 */
export function readInput<Entries extends v.ObjectEntries>(
  schema: v.StrictObjectSchema<Entries, undefined>,
  event: unknown,
): v.InferOutput<v.StrictObjectSchema<Entries, undefined>> {
  const fields = Object.keys(schema.entries).join(', ');
  // `sls invoke` without -d sends an empty text or an empty object.
  const asked = event === undefined || event === null || event === '' ? {} : event;
  if (typeof asked !== 'object' || Array.isArray(asked))
    throw new InputError([`the input must be an object with any of ${fields}`]);
  const parsed = v.safeParse(schema, asked);
  if (parsed.success) return parsed.output;
  throw new InputError(
    parsed.issues.map((issue) => {
      const field = v.getDotPath(issue) ?? 'the input';
      return issue.expected === 'never' ? `${field} is not known; allowed are ${fields}` : `${field} ${issue.message}`;
    }),
  );
}
