/** What each resource of a template needs to be there before it: Ref, Fn::GetAtt, the names in Fn::Sub, and DependsOn. */
import { listOf, type Template } from '../../infra/compiled.ts';

/** By logical id, those of the template's other resources that it names. */
export function referencesOf(template: Template): Map<string, Set<string>> {
  return new Map(
    Object.entries(template.Resources).map(([id, resource]) => {
      const named = [...namesIn(resource.Properties), ...listOf(resource.DependsOn).map(String)];
      return [id, new Set(named.filter((name) => name in template.Resources))];
    }),
  );
}

function namesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (key === 'Ref') return [String(inner)];
    if (key === 'Fn::GetAtt') return [String(Array.isArray(inner) ? inner[0] : inner).split('.')[0] ?? ''];
    if (key !== 'Fn::Sub') return namesIn(inner);
    const [text, map] = Array.isArray(inner) ? (inner as [string, unknown]) : [String(inner), undefined];
    return [...[...text.matchAll(/\$\{([^.}!]+)/g)].map(([, name = '']) => name), ...namesIn(map)];
  });
}

/** @returns a cycle, from a resource back to itself; undefined when there is none */
export function cycleIn(references: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const clear = new Set<string>();
  const look = (id: string, way: readonly string[]): string[] | undefined => {
    if (clear.has(id)) return undefined;
    if (way.includes(id)) return [...way.slice(way.indexOf(id)), id];
    for (const next of references.get(id) ?? []) {
      const found = look(next, [...way, id]);
      if (found !== undefined) return found;
    }
    clear.add(id);
    return undefined;
  };
  for (const id of references.keys()) {
    const found = look(id, []);
    if (found !== undefined) return found;
  }
  return undefined;
}
