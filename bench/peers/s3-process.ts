/** The local S3 in a process of its own, with one bucket whose objects start nothing: `node s3-process.ts FOLDER BUCKET`. */
import { startStores } from '../../local-aws/index.ts';

const [dataDir = '', bucket = ''] = process.argv.slice(2);
const stores = await startStores({ dataDir });
stores.s3.createBucket(bucket);
process.stdout.write(`S3 listens on ${stores.endpoint}\n`);
process.once('SIGTERM', () => void stores.stop());
