/** A piece becomes one part of a table: its results are read, typed, and written as a Parquet file over what was there. */
import { parseItemKey, receiptKey, type ItemPath } from '../chain/keys.ts';
import { ItemError, TransientError } from '../errors.ts';
import type { ItemEvent } from '../events.ts';
import { textHash } from '../item/key-digest.ts';
import { isDone } from '../item/receipt.ts';
import { columnsOf, cellsOf, SeenRows, type Column } from './columns.ts';
import { finishPublication } from './finish.ts';
import { readInOrder } from './ordered-reads.ts';
import { maxPieceBytes, parsePiece, type Piece } from './piece.ts';
import { readPieceReceipt, writePieceReceipt } from './piece-receipt.ts';
import { readPublication, type Publication } from './publication.ts';
import type { PublishLevels } from './publish-levels.ts';
import type { PieceDeps, TableFile } from './publish-ports.ts';
import { rowsIn, type Row } from './rows.ts';
import { tablePartKey, tableSuccessKey } from './table-keys.ts';
import { tablesOf, type Table } from './tables.ts';

/**
 * - `written`: the part is there.
 * - `duplicate`: it was there before.
 * - `superseded`: another publication of the run took this one's place.
 * - `missing`: the piece was deleted, since its publication is over.
 */
export type PieceOutcome = {
  outcome: 'written' | 'duplicate' | 'superseded' | 'missing';
  rows: number;
  bytes: number;
  /** Whether this was the last part, and the run is published now. */
  isPublished: boolean;
};

/** A row group: as many rows as a filter should have to read, and as much text as is encoded at once. */
const groupRows = 20_000;
const groupLength = 32_000_000;
/** Two or three invocations of one part at the same time are rare. */
const mostContests = 10;

const parquet = 'application/vnd.apache.parquet';

/** @throws ItemError for a piece or a result that is none; TransientError; what the store throws */
export async function publishPiece(event: ItemEvent, levels: PublishLevels, deps: PieceDeps): Promise<PieceOutcome> {
  const { store } = deps;
  const path = parseItemKey(levels.piece, event.key);
  const nothing = { rows: 0, bytes: 0, isPublished: false };
  const object = await store.get(event.key, maxPieceBytes);
  if (object === undefined) return { outcome: 'missing', ...nothing };
  const piece = parsePiece(event.key, object.body);
  const { run, publication } = piece;
  const finish = async (): Promise<boolean> =>
    (await finishPublication(run, publication, levels, deps)) === 'published';
  const state = await stateOf(piece, deps);
  if (state === undefined) return { outcome: 'superseded', ...nothing };
  if (state === 'published' || (await isWritten(path, piece, object.eTag, levels, deps)))
    return { outcome: 'duplicate', ...nothing, isPublished: await finish() };
  const table = tablesOf(deps.chain).find(({ name }) => name === piece.table);
  if (table === undefined)
    throw new ItemError('NO_TABLE', `The chain has no table ${piece.table} any more; the piece can be deleted.`);
  const part = await encode(table, piece, deps);
  const eTag = await writePart(event.key, piece, part, deps);
  if (eTag === undefined) return { outcome: 'superseded', ...nothing };
  const { rows, columns } = part;
  await writePieceReceipt(
    levels.piece,
    path,
    {
      ...{ key: event.key, inputETag: object.eTag, table: table.name, part: piece.part },
      ...{ rows, bytes: part.bytes.length, eTag, columns, at: new Date(deps.clock.now()).toISOString() },
    },
    store,
  );
  return { outcome: 'written', rows, bytes: part.bytes.length, isPublished: await finish() };
}

/** @returns undefined when the run is published as something else now */
async function stateOf({ run, publication }: Piece, { store }: PieceDeps): Promise<Publication['state'] | undefined> {
  const current = (await readPublication(run, store)).publication;
  return current?.publication === publication ? current.state : undefined;
}

async function isWritten(
  path: ItemPath,
  wanted: Piece,
  pieceETag: string,
  { piece }: PublishLevels,
  { store }: PieceDeps,
): Promise<boolean> {
  const head = await store.head(receiptKey(piece, path));
  if (head === undefined || !isDone(piece, head, pieceETag)) return false;
  const receipt = await readPieceReceipt(piece, path, store);
  if (receipt === undefined) return false;
  const { table, run, part, columns } = wanted;
  if (columns !== undefined && JSON.stringify(columns) !== JSON.stringify(receipt.columns)) return false;
  const there = await store.head(tablePartKey(table, run, part));
  return there?.eTag === receipt.eTag;
}

type EncodedPart = { bytes: Uint8Array; rows: number; columns: readonly Column[] };

async function encode(table: Table, piece: Piece, deps: PieceDeps): Promise<EncodedPart> {
  if (piece.columns !== undefined) {
    // The rows are read and written as they come.
    const groups = new RowGroups(table, piece.columns, deps.createTableFile(piece.columns));
    for await (const row of rowsOf(table, piece, deps)) groups.add(row);
    return groups.finish();
  }
  // What the columns are is known behind the last row. A piece is small enough to be kept until then.
  const rows: Row[] = [];
  const seen = new SeenRows(table);
  for await (const row of rowsOf(table, piece, deps)) {
    seen.add(row);
    rows.push(row);
  }
  const columns = columnsOf(table, seen.seen(), new Map(piece.earlier));
  const groups = new RowGroups(table, columns, deps.createTableFile(columns));
  for (const row of rows) groups.add(row);
  return groups.finish();
}

async function* rowsOf(table: Table, { prefix, objects }: Piece, deps: PieceDeps): AsyncGenerator<Row> {
  for await (const { key, object } of readInOrder(prefix, objects, deps)) yield* rowsIn(table, key, object);
}

class RowGroups {
  readonly #table: Table;
  readonly #columns: readonly Column[];
  readonly #file: TableFile;
  #group: Row[] = [];
  #length = 0;
  #rows = 0;

  constructor(table: Table, columns: readonly Column[], file: TableFile) {
    this.#table = table;
    this.#columns = columns;
    this.#file = file;
  }

  add(row: Row): void {
    this.#group.push(row);
    this.#length += row.data.length;
    if (this.#group.length >= groupRows || this.#length >= groupLength) this.#write();
  }

  finish(): EncodedPart {
    this.#write();
    return { bytes: this.#file.finish(), rows: this.#rows, columns: this.#columns };
  }

  #write(): void {
    if (this.#group.length > 0) this.#file.write(cellsOf(this.#table, this.#columns, this.#group));
    this.#rows += this.#group.length;
    this.#group = [];
    this.#length = 0;
  }
}

/** @returns the part's ETag; undefined when the piece is not the one to write it any more */
async function writePart(
  key: string,
  piece: Piece,
  { bytes, columns }: EncodedPart,
  deps: PieceDeps,
): Promise<string | undefined> {
  const { store } = deps;
  const { run, table, part, publication } = piece;
  const partKey = tablePartKey(table, run, part);
  // The same piece always comes to the same part, unless its columns are others.
  const partOf = `${key} ${textHash(JSON.stringify(columns))}`;
  for (let contests = 0; contests < mostContests; contests += 1) {
    const there = await store.head(partKey);
    if (there?.metadata['publication'] === publication && there.metadata['part-of'] === partOf) return there.eTag;
    // Asked between the look at the part and the write over it: so a publication that is over can't write over a newer one's.
    if ((await stateOf(piece, deps)) !== 'publishing') return undefined;
    // The table is being written: a marker that is there tells of what it was before.
    await store.remove(tableSuccessKey(table, run));
    const metadata = { publication, run, 'part-of': partOf };
    if ((await store.replace(partKey, bytes, metadata, there?.eTag, parquet)) === 'changed') continue;
    const written = await store.head(partKey);
    if (written?.metadata['publication'] === publication) return written.eTag;
  }
  throw new TransientError('PART_CONTESTED', `Others wrote ${partKey} ${mostContests} times meanwhile [key=${key}].`);
}
