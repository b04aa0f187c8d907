/** Which mutants are tried. */
import { matchesGlob } from 'node:path';
import { hashText } from '../simulation/random.ts';
import type { Mutant } from './mutants.ts';

/**
 * In an order by chance that follows from what each mutant is, and not from where it stands: when a line of the engine changes,
 * the others keep their places.
 */
export function shuffled(mutants: readonly Mutant[], seed: number): Mutant[] {
  const counts = new Map<string, number>();
  return mutants
    .map((mutant) => {
      const { file, rule, was, now } = mutant;
      const text = [file, rule, was, now].join('\n');
      const count = (counts.get(text) ?? 0) + 1;
      counts.set(text, count);
      return { mutant, place: hashText(`${text} ${count}`, seed) };
    })
    .sort((a, b) => a.place - b.place)
    .map(({ mutant }) => mutant);
}

export function filesOf(files: readonly string[], glob: string | undefined): string[] {
  return files.filter((file) => glob === undefined || matchesGlob(file, glob));
}
