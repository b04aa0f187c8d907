/** Writes Parquet with hyparquet-writer. Thin: what the columns are is the engine's to say. */
import { zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { ColumnType } from '../engine/publish/cell-kinds.ts';
import type { Column } from '../engine/publish/columns.ts';
import type { CreateTableFile } from '../engine/publish/publish-ports.ts';

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

const elementOf: Readonly<Record<ColumnType, Pick<SchemaElement, 'type' | 'converted_type'>>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  // A text: of the readers that know Parquet's own JSON type, some show it as bytes.
  json: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  boolean: { type: 'BOOLEAN' },
  int64: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  timestamp: { type: 'INT64', converted_type: 'TIMESTAMP_MICROS' },
};

/** Bytes of a text that a row group's smallest and largest values show: ids often begin alike. */
const statisticsLength = 64;

/** A page, in bytes before they are compressed. */
const pageSize = 1_048_576;

export const createParquetFile: CreateTableFile = (columns) => {
  const writer = new ChunkWriter();
  const file = new ParquetWriter({
    writer,
    schema: schemaOf(columns),
    codec: 'ZSTD',
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    statisticsTruncateLength: statisticsLength,
    createdBy: 's3-cascade (hyparquet-writer)',
  });
  return {
    write(cells) {
      const columnData = columns.map(({ name, type, from }, index) => {
        const data = [...(cells[index] ?? [])];
        // A dictionary takes -0 for 0.
        const isPlain = type === 'double' && data.some((cell) => Object.is(cell, -0));
        return {
          name,
          data,
          ...(isPlain && { encoding: 'PLAIN' as const }),
          ...(from === 'id' && { columnIndex: true }),
        };
      });
      const rows = columnData[0]?.data.length ?? 0;
      if (rows === 0) return;
      void file.write({ columnData, rowGroupSize: rows, pageSize });
    },
    finish() {
      void file.finish();
      return writer.bytes();
    },
  };
};

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  return [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ name, type, from }): SchemaElement => ({
      name,
      repetition_type: from === 'id' ? 'REQUIRED' : 'OPTIONAL',
      ...elementOf[type],
    })),
  ];
}

/** Puts each row group aside when it is written: one buffer that grows would be copied again and again. */
class ChunkWriter extends ByteWriter {
  readonly #chunks: Uint8Array[] = [];

  flush(): void {
    this.#chunks.push(this.getBytes().slice());
    this.index = 0;
  }

  bytes(): Uint8Array {
    this.flush();
    return Buffer.concat(this.#chunks);
  }
}
