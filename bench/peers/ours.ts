/**
 * s3-cascade as a contender: the packaged service on the local engine, whose S3 is in this process. A measured run ends
 * when nothing is queued or runs; one that goes on after a kill ends with its sweep.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials, region, startLocalAws } from '../../local-aws/index.ts';
import { apiAccess } from '../../cli/run/api.ts';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import { run } from './job.ts';
import { onTold, readSettings, say, sayFailed } from './worker.ts';

/** Where the package is stands in for a server's address. */
const { apiUrl, token, dir, environments, server: packageDir = '' } = readSettings();
try {
  const { environment, secrets } = apiAccess(apiUrl, token);
  const engine = await startLocalAws(packageDir, {
    dataDir: dir,
    // Lambda's real waits: nothing fails here, and an event that waits its turn is not taken for a retry.
    timeScale: 1,
    maxEnvironments: environments,
    environment,
    secrets,
  });
  const s3 = new S3Client({ endpoint: engine.endpoint, region, credentials: peoplesCredentials });
  onTold(async (how) => {
    if (how === 'seed') {
      await s3.send(new PutObjectCommand({ Bucket: engine.bucket, Key: `seeds/${run}.json`, Body: '{}' }));
      await engine.idle();
    } else {
      await sweepToTheEnd(engine, run);
    }
    say({ type: 'done', s3Requests: engine.counts().functions.s3 ?? {} });
  });
} catch (error) {
  sayFailed(error);
}
