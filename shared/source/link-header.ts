/** The `Link` header of RFC 8288: several links with commas, each `<URL>; rel="next"; …`. */

const link = /<([^>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,;"]+))?)*)/g;
const parameter = /;\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]+)))?/g;

/** @returns the first link with this relation; a link may have several */
export function linkWithRel(header: string | undefined, rel: string): string | undefined {
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(link)) {
    // Of several rel the first counts (section 3.3).
    const given = [...parameters.matchAll(parameter)].find(([, name = '']) => name.toLowerCase() === 'rel');
    const rels = (given?.[2]?.replace(/\\(.)/g, '$1') ?? given?.[3] ?? '').toLowerCase().split(/\s+/);
    if (rels.includes(rel.toLowerCase())) return target;
  }
  return undefined;
}
