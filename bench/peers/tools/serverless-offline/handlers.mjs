/** The four functions: each does the task that its object stands for. What follows is started by the objects it writes. */
import { decodeSegment } from '../../../../shared/engine/chain/keys.ts';
import { createPerform, s3Writer } from '../../job.ts';

const settings = JSON.parse(process.env.BENCH_SETTINGS);
const perform = createPerform(settings, s3Writer(settings));

export async function item(event) {
  for (const { s3 } of event.Records) {
    const key = decodeURIComponent(s3.object.key);
    const [prefix, , ...segments] = key.replace(/\.json$/, '').split('/');
    const next = await perform({ ids: prefix === 'seeds' ? [] : segments.map(decodeSegment) });
    await fetch(`${process.env.BENCH_REPORT_URL}/${next.length}`);
  }
}
