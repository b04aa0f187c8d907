/**
 * An environment's log: whole lines out of what its function writes, Lambda's own lines around each invocation, and the
 * last 4 KB of them, which the Invoke API can return.
 */

/** The Invoke API returns "the last 4 KB of the execution log" (page API_Invoke). */
const tailBytes = 4_096;
/** A line that never ends is cut here: CloudWatch's limit for one log event (page cloudwatch_limits_cwl). */
const longestLineChars = 1_048_576;

export type Report = {
  readonly requestId: string;
  readonly durationMs: number;
  readonly billedMs: number;
  readonly memoryMb: number;
  readonly maxUsedMb: number;
  readonly initMs: number | undefined;
};

export class InvocationLog {
  readonly #onLine: ((line: string) => void) | undefined;
  #unfinished = '';
  #tail: string[] = [];
  #tailChars = 0;

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  start(requestId: string): void {
    this.#tail = [];
    this.#tailChars = 0;
    this.#line(`START RequestId: ${requestId} Version: $LATEST`);
  }

  write(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    if (this.#unfinished.length > longestLineChars) this.#finishLine();
  }

  /** @param problem the line that Lambda adds for an invocation that it ended itself */
  end({ requestId, durationMs, billedMs, memoryMb, maxUsedMb, initMs }: Report, problem?: string): void {
    this.#finishLine();
    if (problem !== undefined) this.#line(problem);
    this.#line(`END RequestId: ${requestId}`);
    const init = initMs === undefined ? '' : `\tInit Duration: ${initMs.toFixed(2)} ms`;
    const memory = `\tMemory Size: ${memoryMb} MB\tMax Memory Used: ${maxUsedMb} MB`;
    const times = `Duration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${billedMs} ms`;
    this.#line(`REPORT RequestId: ${requestId}\t${times}${memory}${init}`);
  }

  /** The last lines, 4 KB of UTF-8 at most. */
  tail(): string {
    const bytes = Buffer.from(this.#tail.join(''));
    let from = Math.max(0, bytes.length - tailBytes);
    // Not into the middle of a character: continuation bytes are 10xxxxxx.
    while (((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
    return bytes.subarray(from).toString();
  }

  #finishLine(): void {
    if (this.#unfinished === '') return;
    const line = this.#unfinished;
    this.#unfinished = '';
    this.#line(line);
  }

  #line(line: string): void {
    this.#onLine?.(line);
    this.#tail.push(`${line}\n`);
    this.#tailChars += line.length + 1;
    // Every character is at least a byte, so what is dropped here could never be in the last 4 KB.
    for (let first = this.#tail[0]; first !== undefined && this.#tailChars - first.length >= tailBytes;) {
      this.#tail.shift();
      this.#tailChars -= first.length;
      first = this.#tail[0];
    }
  }
}
