/**
 * The local CloudWatch, as far as it goes: sums of the metrics that functions write into their logs in the embedded metric
 * format (page CloudWatch_Embedded_Metric_Format_Specification).
 */

export type Metrics = {
  /** Takes a line of a function's log; most of them hold no metrics. */
  read: (functionName: string, line: string) => void;
  /** Of all values of one of the metrics so far, for each function that wrote any. */
  sums: (name: string) => ReadonlyMap<string, number>;
};

type EmbeddedMetrics = { _aws: { CloudWatchMetrics: { Metrics: { Name: string }[] }[] } } & Record<string, unknown>;

/** @param wanted the only metrics that are summed: reading all of every line would cost more than what it tells */
export function createMetrics(...wanted: readonly string[]): Metrics {
  const all = new Map<string, Map<string, number>>();
  const sumsOf = (name: string): Map<string, number> => all.get(name) ?? new Map<string, number>();
  return {
    read(functionName, line) {
      if (!wanted.some((name) => line.includes(`"${name}"`)) || !line.includes('"CloudWatchMetrics"')) return;
      const written = JSON.parse(line) as EmbeddedMetrics;
      for (const { Metrics: metrics } of written._aws.CloudWatchMetrics) {
        for (const { Name: name } of metrics) {
          if (!wanted.includes(name)) continue;
          const values = [written[name]].flat() as number[];
          const sums = sumsOf(name);
          sums.set(
            functionName,
            values.reduce((sum, value) => sum + value, sums.get(functionName) ?? 0),
          );
          all.set(name, sums);
        }
      }
    },
    sums: sumsOf,
  };
}
