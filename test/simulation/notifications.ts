/** S3 tells of objects that appear under a level's prefix: at least once as a rule, late, twice, out of order, or never. */
import { bucketName } from './core.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { Faults } from './faults.ts';
import { eventKey } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

const hourMs = 3_600_000;

/** @returns tells of the object under a key, if it is one that a level reads */
export function createNotifications({
  plan,
  time,
  faults,
  accept,
}: {
  plan: ChainPlan;
  time: VirtualTime;
  faults: Faults;
  accept: (level: string, payload: string) => void;
}): (key: string) => void {
  return (key) => {
    const row = plan.rows.find(({ reads }) => key.startsWith(`${reads}/`));
    if (row === undefined || !key.endsWith('.json')) return;
    const site = faults.site(`notify ${key}`);
    const deliver = (delayMs: number): void => {
      const payload = eventOf(key, time.nowMs);
      time.in(delayMs, () => accept(row.level, payload));
    };
    if (faults.strikes('event-dropped', site)) return;
    const usualMs = faults.between(site, 'delay', 20, 1_500);
    if (faults.strikes('event-delayed', site)) deliver(faults.between(site, 'late', 60_000, 6 * hourMs));
    else deliver(faults.strikes('event-reordered', site) ? usualMs * 40 : usualMs);
    if (!faults.strikes('event-duplicated', site)) return;
    deliver(faults.between(site, 'twice', 20, faults.pick(site, 'twice until', [2_000, 60_000, 6 * hourMs])));
  };
}

/** The event as S3 sends it. */
export function eventOf(key: string, nowMs: number, bucket = bucketName): string {
  const record = {
    eventVersion: '2.3',
    eventSource: 'aws:s3',
    awsRegion: 'us-east-1',
    eventTime: new Date(nowMs).toISOString(),
    eventName: 'ObjectCreated:Put',
    s3: {
      s3SchemaVersion: '1.0',
      bucket: { name: bucket },
      object: { key: eventKey(key), size: 2, sequencer: '0' },
    },
  };
  return JSON.stringify({ Records: [record] });
}
