/**
 * What goes out of the bucket by itself, and when. Order is all: a run's seed goes first, and with it the sweep's interest in
 * the run; only then its receipts, without which its items would look lost and be fetched again; the marker that it is finished
 * goes last. What people set under control/ stays. docs/decisions/0012-expiry.md
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { mistake } from './names.js';

/** S3 deletes some time after the day that the rule says (page lifecycle-expire-general-considerations). */
const marginDays = 7;

/** A dead letter lives so long, and its replay looks for the receipt. */
const leastDays = 14;

async function daysOf({ resolveVariable }, name) {
  const value = String(await resolveVariable(`param:${name}`));
  if (value === 'forever') return Infinity;
  if (/^\d{1,5}$/.test(value) && Number(value) >= leastDays) return Number(value);
  throw mistake(`${name} must be a whole number of days, at least ${leastDays}, or forever, not ${value}.`);
}

const expire = (prefix, days) =>
  days === Infinity
    ? []
    : [{ Id: `Expire-${prefix}`, Status: 'Enabled', Prefix: `${prefix}/`, ExpirationInDays: days }];

export async function rules(framework) {
  const records = await daysOf(framework, 'keepRecordsDays');
  const data = await daysOf(framework, 'keepDataDays');
  return [
    { Id: 'EndUnfinishedUploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    ...expire(chain[0].reads, Math.min(records, data)),
    ...['receipts', 'failures', 'runs'].flatMap((prefix) => expire(prefix, records + marginDays)),
    ...expire('finished', records + 2 * marginDays),
    ...chain.flatMap(({ writes }) => expire(writes, data + marginDays)),
  ];
}
