/**
 * A role for each function, with the rights that it needs and no other. A right to write names what is written, by prefix and
 * suffix: so no fetch function may write a success marker. docs/decisions/0016-rights.md says why listings are not bound.
 */
import { firstLevel, isBatched, nextLevel, type Level } from '../shared/engine/chain/chain.ts';
import {
  apiLimitKey,
  donePrefix,
  failurePrefix,
  freezeKey,
  lastGoodRateKey,
  recordPrefixes,
  runControlPrefix,
  sharesKey,
} from '../shared/engine/chain/keys.ts';
import { sharedRateKeys } from '../shared/engine/rate/rate-place.ts';
import type { Deployment } from './deployment.ts';
import { objectArn, queueId, sharedArn } from './names.ts';
import {
  allow,
  createObjects,
  drain,
  listBucket,
  readObjects,
  readTheToken,
  recordsOf,
  refireEvents,
  refireItems,
  removeMarkers,
  roleOf,
  send,
  successMarkers,
  takeMessages,
  writeObjects,
  type Statement,
} from './policy-statements.ts';
import { lookAtPublications, publishRoles } from './publish-roles.ts';
import { publishLevelsOf } from './publishing.ts';
import { merge, type Resources } from './resources.ts';

export function roles(deployment: Deployment): Resources {
  const { chain } = deployment;
  const refire = refireItems(deployment);
  const list = listBucket(deployment, 'List');
  const read = (sid: string, ...prefixes: readonly string[]): Statement => readObjects(deployment, sid, prefixes);
  const write = (sid: string, ...keys: readonly string[]): Statement => writeObjects(deployment, sid, keys);
  const { control, reports, finished } = recordPrefixes;
  const seeds = firstLevel(chain).reads;
  const readReports = read('ReadReports', reports);
  const readControl = [read('ReadControl', control), ...readSharedRate(deployment)];
  const noteFailures = write('NoteFailures', `${recordPrefixes.failures}/*.json`);
  const seeSeeds = read('SeeSeeds', seeds);
  // A census lists items and results, and reads what the records say of them.
  const takeACensus = read('TakeACensus', ...chain.levels.flatMap(recordsOf));
  const publishing = publishLevelsOf(deployment);
  const refirePublishing = publishing.length === 0 ? [] : [refireEvents('RefirePublishing', publishing)];
  return merge(
    ...chain.levels.map((level) => fetchRole(deployment, level)),
    roleOf(
      deployment,
      'replay',
      drain(deployment, 'dead-letters', publishing),
      refire,
      ...refirePublishing,
      // The item itself, and whether it is done.
      read(
        'LookAtItems',
        ...[...chain.levels, ...publishing].flatMap((level) => [level.reads, donePrefix(level), failurePrefix(level)]),
      ),
      noteFailures,
      read('SeeStoppedRuns', runControlPrefix),
      list,
    ),
    roleOf(
      deployment,
      'sweep',
      refire,
      ...refirePublishing,
      ...lookAtPublications(deployment, (piece) => [donePrefix(piece)]),
      seeSeeds,
      takeACensus,
      noteFailures,
      readReports,
      allow('CompareWithMarkers', 's3:GetObject', objectArn(deployment, successMarkers(chain))),
      ...readControl,
      write('WriteReportsAndMarkers', `${reports}/*.json`, `${finished}/*.json`, successMarkers(chain)),
      removeMarkers(deployment),
      list,
    ),
    roleOf(
      deployment,
      'rate',
      ...readControl,
      write('KeepTheLastGoodRate', lastGoodRateKey),
      drain(deployment, 'waiting'),
      refire,
      list,
    ),
    roleOf(
      deployment,
      'status',
      seeSeeds,
      takeACensus,
      readReports,
      ...readControl,
      ...(publishing.length === 0
        ? []
        : [
            ...lookAtPublications(deployment, () => []),
            allow('SeeSuccess', 's3:GetObject', objectArn(deployment, successMarkers(chain))),
          ]),
      list,
    ),
    publishRoles(deployment),
  );
}

function fetchRole(deployment: Deployment, level: Level): Resources {
  const { chain, parameters } = deployment;
  const { params, control } = recordPrefixes;
  const isFirst = level.name === firstLevel(chain).name;
  const failures = failurePrefix(level);
  const done = donePrefix(level);
  const next = nextLevel(chain, level);
  const created = [`${level.writes}/*${level.suffix}`, ...(isFirst ? [`${params}/*.json`] : [])];
  const records = [
    ...(level.children === 'many' ? [`${done}/*.json`] : []),
    `${failures}/*.json`,
    ...(parameters.rateBucket === undefined ? rateRecords(deployment) : []),
  ];
  return roleOf(
    deployment,
    level.function,
    readObjects(deployment, 'ReadItems', [level.reads, done, failures, params, control]),
    // A number that is taken: what is in that batch, and which results are there of batches that were deleted.
    ...(next !== undefined && isBatched(next)
      ? [readObjects(deployment, 'ReadBatches', [level.writes, `${next.writes}/*${next.suffix}`])]
      : []),
    createObjects(deployment, 'WriteChildren', created),
    writeObjects(deployment, 'WriteRecords', records),
    ...readSharedRate(deployment),
    ...writeSharedRate(deployment),
    // A seed that is expanded anew makes its run incomplete.
    ...(isFirst ? [removeMarkers(deployment)] : []),
    listBucket(deployment, 'TellMissingFromForbidden'),
    // Lambda sends to the failure destination with this role, and deletes the event if it may not. The function sends what
    // must not wait for the retries.
    send('SendDeadLetters', queueId(level, 'dead-letters')),
    send('RequeueItems', queueId(level, 'waiting')),
    ...(parameters.trigger === 'queue' ? takeMessages(level) : []),
    ...(parameters.apiTokenSecret === undefined ? [] : [readTheToken(parameters.apiTokenSecret)]),
  );
}

/** What the calls of all environments depend on. A person may set the rate to auto, whatever number is deployed. */
function rateRecords({ parameters }: Deployment): string[] {
  return parameters.rate === 'unlimited' ? [freezeKey] : [freezeKey, sharesKey, apiLimitKey];
}

/** Of a bucket that may be another stage's, or another account's: these objects and no others. */
function readSharedRate(deployment: Deployment): Statement[] {
  if (deployment.parameters.rateBucket === undefined) return [];
  const objects = sharedRateKeys.map((key) => sharedArn(deployment, key));
  return [
    allow('ReadSharedRate', 's3:GetObject', objects),
    // As in `listBucket`: otherwise an object that is not there yet is a refusal.
    allow('TellMissingFromForbiddenThere', 's3:ListBucket', sharedArn(deployment)),
  ];
}

function writeSharedRate(deployment: Deployment): Statement[] {
  if (deployment.parameters.rateBucket === undefined) return [];
  const objects = rateRecords(deployment).map((key) => sharedArn(deployment, key));
  return [allow('WriteSharedRate', 's3:PutObject', objects.length === 1 ? objects[0] : objects)];
}
