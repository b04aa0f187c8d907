/**
 * Owns: an environment's log: whole lines out of what its function writes, Lambda's own lines around each invocation,
 * and the last 4 KB of them, which the Invoke API can return.
 * Refuses: to keep anything else.
 */

/** The Invoke API returns "the last 4 KB of the execution log" (page API_Invoke). */
const TAIL_BYTES = 4_096;
/** A line that never ends is cut here: CloudWatch's limit for one log event (page cloudwatch_limits_cwl). */
const LONGEST_LINE_CHARS = 1_048_576;

export type Report = {
  readonly requestId: string;
  readonly durationMs: number;
  readonly billedMs: number;
  readonly memoryMb: number;
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
    if (this.#unfinished.length > LONGEST_LINE_CHARS) this.#finishLine();
  }

  /** @param problem the line that Lambda adds for an invocation that it ended itself */
  end({ requestId, durationMs, billedMs, memoryMb, initMs }: Report, problem?: string): void {
    this.#finishLine();
    if (problem !== undefined) this.#line(problem);
    this.#line(`END RequestId: ${requestId}`);
    const init = initMs === undefined ? '' : `\tInit Duration: ${initMs.toFixed(2)} ms`;
    this.#line(
      `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${billedMs} ms\tMemory Size: ${memoryMb} MB${init}`,
    );
  }

  /** The last lines, 4 KB of UTF-8 at most. */
  tail(): string {
    const bytes = Buffer.from(this.#tail.join(''));
    let from = Math.max(0, bytes.length - TAIL_BYTES);
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
    for (let first = this.#tail[0]; first !== undefined && this.#tailChars - first.length >= TAIL_BYTES;) {
      this.#tail.shift();
      this.#tailChars -= first.length;
      first = this.#tail[0];
    }
  }
}
