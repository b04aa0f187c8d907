/** A piece of a run's results → a Parquet file; after the last one the table's success marker. */
import source from '#source';
import { publishPieceFunction } from '../shared/lambda/publish-function.ts';
import { createParquetFile } from '../shared/parquet/parquet-file.ts';

export const handler = publishPieceFunction(source, createParquetFile);
