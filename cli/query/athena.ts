/** `create external table` for Athena, with partition projection: no catalogue of partitions has to be kept. Pure. */
import type { ColumnType } from '../../shared/engine/publish/cell-kinds.ts';
import { tablePrefix } from '../../shared/engine/publish/table-keys.ts';

const typeOf: Readonly<Record<ColumnType, string>> = {
  text: 'string',
  json: 'string',
  boolean: 'boolean',
  int64: 'bigint',
  double: 'double',
  timestamp: 'timestamp',
};

type Column = { name: string; type: ColumnType };

/** @param columns of the newest run; `run` is the partition */
export function athenaTable(bucket: string, name: string, columns: readonly Column[]): string {
  const location = `s3://${bucket}/${tablePrefix(name)}`;
  return `create external table \`${name}\` (
${columns.map((column) => `  \`${column.name}\` ${typeOf[column.type]}`).join(',\n')}
)
partitioned by (\`run\` string)
stored as parquet
location '${location}'
tblproperties (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = '${location}run=\${run}/'
);
`;
}
