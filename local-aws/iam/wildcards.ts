/**
 * The two wildcards of IAM's actions, resources and conditions: `*` for any text, `?` for one character. A `*` also
 * stands for slashes and colons ("it can expand to match beyond the colon boundaries", page
 * reference_policies_elements_resource). They are no regular expressions, whose worst case a policy could choose.
 */

export type Matcher = (text: string) => boolean;

/** The usual shapes, a plain text and `prefix*`, cost a comparison: every request of a function passes through here. */
export function wildcardMatcher(pattern: string): Matcher {
  const star = pattern.indexOf('*');
  if (!pattern.includes('?')) {
    if (star === -1) return (text) => text === pattern;
    const start = pattern.slice(0, -1);
    if (star === pattern.length - 1) return (text) => text.startsWith(start);
  }
  const wanted = Array.from(pattern);
  return (text) => matches(wanted, Array.from(text));
}

/** In whole characters. After a mismatch only the last `*` takes one more: linear but for that. */
function matches(pattern: readonly string[], text: readonly string[]): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let starTook = 0;
  while (at < text.length) {
    const wanted = pattern[inPattern];
    if (wanted === '*') {
      star = inPattern;
      starTook = at;
      inPattern += 1;
    } else if (wanted === '?' || wanted === text[at]) {
      inPattern += 1;
      at += 1;
    } else if (star !== -1) {
      starTook += 1;
      at = starTook;
      inPattern = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern += 1;
  return inPattern === pattern.length;
}
