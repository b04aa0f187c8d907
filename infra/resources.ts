/** Resources of a template, put together. */
import { DeploymentError } from './mistakes.ts';
import type { Resource } from './compiled.ts';

export type Resources = Readonly<Record<string, Resource>>;

/** @throws DeploymentError when two have the same logical id: one of them would be missing without a word */
export function merge(...parts: readonly Resources[]): Resources {
  const merged: Record<string, Resource> = {};
  for (const [id, resource] of parts.flatMap((part) => Object.entries(part))) {
    if (id in merged)
      throw new DeploymentError([
        `Two resources would have the logical id ${id}: give a level of the chain another name.`,
      ]);
    merged[id] = resource;
  }
  return merged;
}
