/** The roles of the functions that publish tables, and what the others may see of it. */
import type { Level } from '../shared/engine/chain/chain.ts';
import { donePrefix, failurePrefix, recordPrefixes, successName } from '../shared/engine/chain/keys.ts';
import { publishLevels, type PublishLevels } from '../shared/engine/publish/publish-levels.ts';
import { tablesOf } from '../shared/engine/publish/tables.ts';
import type { Deployment } from './deployment.ts';
import { objectArn, queueId } from './names.ts';
import {
  allow,
  createObjects,
  listBucket,
  readObjects,
  roleOf,
  send,
  writeObjects,
  type Statement,
} from './policy-statements.ts';
import { publishLevelsOf } from './publishing.ts';
import { merge, type Resources } from './resources.ts';

export function publishRoles(deployment: Deployment): Resources {
  const levels = deployment.parameters.publish ? publishLevels(deployment.chain) : undefined;
  return levels === undefined ? {} : merge(publishRole(deployment, levels), publishPieceRole(deployment, levels));
}

/** Nothing of it writes a table: a piece's function does. */
function publishRole(deployment: Deployment, { publish, piece }: PublishLevels): Resources {
  const { publications, tables } = recordPrefixes;
  const results = tablesOf(deployment.chain).map(({ level }) => level.writes);
  return roleOf(
    deployment,
    publish.function,
    readObjects(deployment, 'ReadResults', [publish.reads, ...results]),
    readObjects(deployment, 'ReadRecords', [
      publications,
      tables,
      donePrefix(publish),
      failurePrefix(publish),
      piece.reads,
    ]),
    createObjects(deployment, 'WritePieces', [`${piece.reads}/*.json`]),
    writeObjects(deployment, 'WriteRecords', [
      ...[publications, donePrefix(publish), failurePrefix(publish)].map((prefix) => `${prefix}/*.json`),
    ]),
    removeTableMarkers(deployment),
    listBucket(deployment, 'List'),
    send('SendDeadLetters', queueId(publish, 'dead-letters')),
  );
}

function publishPieceRole(deployment: Deployment, { piece }: PublishLevels): Resources {
  const { publications, tables } = recordPrefixes;
  const results = tablesOf(deployment.chain).map(({ level }) => level.writes);
  return roleOf(
    deployment,
    piece.function,
    readObjects(deployment, 'ReadPieces', [piece.reads, ...results]),
    readObjects(deployment, 'ReadRecords', [publications, tables, donePrefix(piece), failurePrefix(piece)]),
    writeObjects(deployment, 'WriteTables', [
      `${tables}/*.parquet`,
      `${tables}/*/_manifest.json`,
      `${tables}/*/${successName}`,
    ]),
    writeObjects(deployment, 'WriteRecords', [
      ...[publications, donePrefix(piece), failurePrefix(piece)].map((prefix) => `${prefix}/*.json`),
    ]),
    removeTableMarkers(deployment),
    allow('RemovePieces', 's3:DeleteObject', objectArn(deployment, `${piece.reads}/*.json`)),
    listBucket(deployment, 'List'),
    send('SendDeadLetters', queueId(piece, 'dead-letters')),
  );
}

/** A table whose parts are written anew is not there until they are. */
function removeTableMarkers(deployment: Deployment): Statement {
  const markers = objectArn(deployment, `${recordPrefixes.tables}/*/${successName}`);
  return allow('RemoveTableMarkers', 's3:DeleteObject', markers);
}

/** How far publishing is, and what it failed at. @param more prefixes, by the level of the pieces */
export function lookAtPublications(deployment: Deployment, more: (piece: Level) => readonly string[]): Statement[] {
  const publishing = publishLevelsOf(deployment);
  const piece = publishing.at(-1);
  if (piece === undefined) return [];
  const prefixes = [recordPrefixes.publications, ...publishing.map(failurePrefix), ...more(piece)];
  return [readObjects(deployment, 'LookAtPublications', prefixes)];
}
