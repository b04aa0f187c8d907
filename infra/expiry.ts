/**
 * What is deleted from the bucket by itself, and when. Order is all: a run's seed goes first, and with it the sweep's interest
 * in the run; only then its receipts, without which its items would look lost and be fetched again; the marker that it is
 * finished goes last. What people set under control/ stays. docs/decisions/0012-expiry.md
 */
import { firstLevel } from '../shared/engine/chain/chain.ts';
import { recordPrefixes } from '../shared/engine/chain/keys.ts';
import type { Deployment } from './deployment.ts';
import { publishLevelsOf } from './publishing.ts';

/** S3 deletes some time after the day that the rule says (page lifecycle-expire-general-considerations). */
const marginDays = 7;

const { receipts, failures, params, reports, finished, publications, pieces, tables } = recordPrefixes;

/** The bucket's lifecycle rules. */
export function expiryRules({ chain, parameters }: Pick<Deployment, 'chain' | 'parameters'>): object[] {
  const records = daysOf(parameters.keepRecordsDays);
  const data = daysOf(parameters.keepDataDays);
  return [
    { Id: 'EndUnfinishedUploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    ...expire(firstLevel(chain).reads, Math.min(records, data)),
    ...[receipts, failures, params, reports].flatMap((prefix) => expire(prefix, records + marginDays)),
    ...expire(finished, records + 2 * marginDays),
    ...chain.levels.flatMap(({ writes }) => expire(writes, data + marginDays)),
    ...publishedRules({ chain, parameters }, records, data),
  ];
}

/** A finished run without the record that it is published would be published anew: that record goes after the marker. */
function publishedRules(deployment: Pick<Deployment, 'chain' | 'parameters'>, records: number, data: number): object[] {
  if (publishLevelsOf(deployment).length === 0) return [];
  return [
    ...expire(pieces, records + marginDays),
    ...expire(publications, records + 3 * marginDays),
    ...expire(tables, data + marginDays),
  ];
}

const daysOf = (days: number | 'forever'): number => (days === 'forever' ? Infinity : days);

const expire = (prefix: string, days: number): object[] =>
  days === Infinity
    ? []
    : [{ Id: `Expire-${prefix}`, Status: 'Enabled', Prefix: `${prefix}/`, ExpirationInDays: days }];
