/** The local S3 in a process of its own, with one bucket whose objects start nothing: `node s3-process.ts FILE BUCKET`. */
import { functionKeyPrefix } from '../../local-aws/account.ts';
import { openDatabase } from '../../local-aws/database.ts';
import { openEndpoint, type Service } from '../../local-aws/endpoint.ts';
import { serveS3 } from '../../local-aws/s3/http.ts';
import { S3Store } from '../../local-aws/s3/store.ts';

const [file = '', bucket = ''] = process.argv.slice(2);
const onFault = (fault: unknown): void => void process.stderr.write(`${String(fault)}\n`);
const endpoint = await openEndpoint({ port: 0, functionKeyPrefix, onFault });
const db = openDatabase(file);
const store = new S3Store(db);
store.createBucket(bucket);
const none: Service = () => Promise.reject(new Error('Only S3 is served here.'));
endpoint.open({
  s3: async ({ request, response }) => {
    const { operation, fault } = await serveS3(store, request, response);
    if (fault !== undefined) onFault(fault);
    return operation;
  },
  sqs: none,
  lambda: none,
  secretsmanager: none,
  sts: none,
});
process.stdout.write(`S3 listens on ${endpoint.url}\n`);
process.once('SIGTERM', () => {
  void endpoint.stop().then(() => db.close());
});
