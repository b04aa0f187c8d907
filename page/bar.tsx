/** A bar of parts: what is done, failed, and still to come. Its numbers are next to it. */

const order = ['done', 'retrying', 'dead', 'parked', 'open', 'lost'] as const;
export type Part = (typeof order)[number];

export function Bar({ parts, isSmall = false }: { parts: Partial<Record<Part, number>>; isSmall?: boolean }) {
  const shown = order.filter((part) => (parts[part] ?? 0) > 0);
  return (
    <div class={isSmall ? 'bar small' : 'bar'} aria-hidden="true">
      {shown.map((part) => (
        <span key={part} class={`part ${part}`} style={{ flexGrow: parts[part] ?? 0 }} title={part} />
      ))}
    </div>
  );
}
