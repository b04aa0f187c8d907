/** Which keys a resource of a policy stands for, compared with the keys that a trigger takes. */

/**
 * Whether any key is under both patterns; `*` stands for any text, `?` for one character, as in policies.
 * @example overlap('things_more/*', 'things/*.json') is false
 */
export function overlap(a: string, b: string): boolean {
  const known = new Map<string, boolean>();
  const meet = (i: number, j: number): boolean => {
    const place = `${i} ${j}`;
    const before = known.get(place);
    if (before !== undefined) return before;
    known.set(place, false);
    const answer = meetNow(i, j);
    known.set(place, answer);
    return answer;
  };
  const meetNow = (i: number, j: number): boolean => {
    if (i === a.length && j === b.length) return true;
    if (a[i] === '*') return meet(i + 1, j) || (j < b.length && meet(i, j + 1));
    if (b[j] === '*') return meet(i, j + 1) || (i < a.length && meet(i + 1, j));
    if (i === a.length || j === b.length) return false;
    return (a[i] === b[j] || a[i] === '?' || b[j] === '?') && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}
