/**
 * Placeholders in a declaration's texts: `{shop}` is an id from above, `{params.from}` a parameter of the run,
 * `{item.some.field}` a field of the item's own JSON. `{+id}` keeps slashes in a path. `{id|json}` is escaped as in a JSON
 * string, for a text in quotes of a query language. `{{` and `}}` are braces.
 */
import { parseJsonPath, type PathStep } from './json-path.ts';

export type Placeholder = (
  { kind: 'id'; name: string } | { kind: 'param'; name: string } | { kind: 'item'; steps: readonly PathStep[] }
) & {
  /** `{+id}` */
  keepsSlashes: boolean;
  /** `{id|json}` */
  escapesJson: boolean;
};

export type Template = readonly (string | Placeholder)[];

/** What a text may hold, for messages and checks. */
export type PlaceholderScope = { ids: readonly string[]; params: readonly string[]; hasItem: boolean };

const token = /\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g;

/** @returns the template, or a text that says what is wrong with it */
export function parseTemplate(text: string): Template | { problem: string } {
  const parts: (string | Placeholder)[] = [];
  for (const [part, inside] of text.matchAll(token)) {
    if (inside !== undefined) {
      const placeholder = parsePlaceholder(inside);
      if (placeholder === undefined) return { problem: `{${inside}} is not a placeholder` };
      parts.push(placeholder);
    } else if (part === '{' || part === '}') {
      return { problem: `has a ${part} without its partner (write ${part}${part} for the brace itself)` };
    } else {
      parts.push(part === '{{' ? '{' : part === '}}' ? '}' : part);
    }
  }
  return parts;
}

const inner = /^(\+?)([^|]*)(\|json)?$/;

function parsePlaceholder(inside: string): Placeholder | undefined {
  const [whole, plus, name = '', escape] = inner.exec(inside) ?? [];
  if (whole === undefined) return undefined;
  const marks = { keepsSlashes: plus === '+', escapesJson: escape !== undefined };
  if (name.startsWith('params.')) return { kind: 'param', name: name.slice('params.'.length), ...marks };
  if (/^item[.[]/.test(name)) {
    const steps = parseJsonPath(name.slice('item'.length).replace(/^\./, ''));
    return steps === undefined || steps.length === 0 ? undefined : { kind: 'item', steps, ...marks };
  }
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) ? { kind: 'id', name, ...marks } : undefined;
}

/** @returns what is wrong with a text's placeholders, and what is allowed; undefined when nothing is */
export function placeholderProblem(text: string, scope: PlaceholderScope, inPath: boolean): string | undefined {
  const template = parseTemplate(text);
  if ('problem' in template) return `${template.problem}; ${allowedIn(scope)}`;
  for (const part of template) {
    if (typeof part === 'string') continue;
    if (part.keepsSlashes && !inPath) return `has a {+…}, which only a path may have; write it without the +`;
    if (part.kind === 'id' && !scope.ids.includes(part.name)) return `{${part.name}} is unknown; ${allowedIn(scope)}`;
    if (part.kind === 'param' && !scope.params.includes(part.name))
      return `{params.${part.name}} is unknown; ${allowedIn(scope)}`;
    if (part.kind === 'item' && !scope.hasItem)
      return `{item.…} has no item here: the first level's item is the seed; ${allowedIn(scope)}`;
  }
  return undefined;
}

function allowedIn({ ids, params, hasItem }: PlaceholderScope): string {
  const names = [
    ...ids.map((id) => `{${id}}`),
    ...params.map((name) => `{params.${name}}`),
    ...(hasItem ? ['{item.<field>}'] : []),
  ];
  return names.length === 0 ? 'no placeholder is allowed here' : `allowed: ${names.join(', ')}`;
}

/** Whether a text of this value reads the item's own JSON. */
export function usesItem(value: unknown): boolean {
  if (typeof value === 'string') {
    const template = parseTemplate(value);
    return !('problem' in template) && template.some((part) => typeof part !== 'string' && part.kind === 'item');
  }
  return typeof value === 'object' && value !== null && Object.values(value).some(usesItem);
}
