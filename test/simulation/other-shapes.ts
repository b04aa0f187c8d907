/** Records of which one field, however deep, is of another shape. */

/** However deep, e.g. `levels.0.items`. */
export function fieldsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    name,
    ...fieldsOf(inner).map((field) => `${name}.${field}`),
  ]);
}

/** @param path of the field */
export function spoilt(record: object, [name = '', ...deeper]: readonly string[]): string {
  const inner = (record as Record<string, unknown>)[name];
  const by = typeof inner === 'string' ? 5 : 'x';
  const changed = deeper.length > 0 ? (JSON.parse(spoilt(inner as object, deeper)) as unknown) : by;
  return JSON.stringify(Array.isArray(record) ? record.with(Number(name), changed) : { ...record, [name]: changed });
}
