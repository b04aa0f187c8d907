/**
 * What the simulation has found and the code does not mend yet: broken promises that are let pass. Each goes when its mending
 * comes; the checker is strict by then.
 */
export type Finding =
  /** A letter that came twice, or a second one of its item, is deleted before the first one's re-fire was accepted. */
  | 'letter-deleted-beside-its-refire'
  /** A parent short of children that the sweep gave up has a receipt, so no replay takes it. */
  | 'given-up-short-is-stuck'
  /** A seed that is dropped again while a sweep finishes its run is older than the marker, and never looked at again. */
  | 'seed-dropped-while-swept'
  /** After an invocation the next one may call at once, from another environment: R·t + 2C instead of R·t + C. */
  | 'two-calls-at-once'
  /** A sweep that fails goes on with the looks that were under way: it writes notes and re-fires behind its answer. */
  | 'sweep-goes-on-after-it-failed'
  /** A warm environment keeps a setting of any age when it can't read the new one, and calls in a pause. */
  | 'old-rate-after-a-failed-read'
  /** A parent short of children whose expansion fails again is re-fired by every sweep: its failure's note resets the count. */
  | 'failing-short-is-refired-without-end';

export const known: ReadonlySet<Finding> = new Set<Finding>();
