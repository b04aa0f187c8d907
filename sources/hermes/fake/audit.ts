/** Reads the truth about a crawl from Hermes's side: what was asked how often, how fast, and what was asked for nothing. */
import { readFileSync } from 'node:fs';
import type { HermesCall } from './call-log.ts';

export type CallAudit = {
  calls: number;
  byStatus: Record<string, number>;
  /** How many times each key was asked. */
  byKey: Map<string, number>;
  /** The most calls that arrived within any half-open window of `windowMs`, and when the first such window began. */
  worstWindow: { calls: number; startMs: number };
  /** Calls that arrived after their key had been answered with 200 and the truth. */
  repeats: HermesCall[];
};

export function auditCalls(calls: readonly HermesCall[], windowMs = 1000): CallAudit {
  const inOrder = calls.toSorted((a, b) => a.atMs - b.atMs);
  const byKey = new Map<string, number>();
  const byStatus: Record<string, number> = {};
  const answered = new Set<string>();
  const repeats: HermesCall[] = [];
  let worstWindow = { calls: 0, startMs: 0 };
  let first = 0;
  for (const [index, call] of inOrder.entries()) {
    byKey.set(call.key, (byKey.get(call.key) ?? 0) + 1);
    byStatus[call.status] = (byStatus[call.status] ?? 0) + 1;
    if (answered.has(call.key)) repeats.push(call);
    if (call.status === 200 && call.fault === undefined) answered.add(call.key);
    while ((inOrder[first]?.atMs ?? call.atMs) <= call.atMs - windowMs) first += 1;
    const inWindow = index - first + 1;
    if (inWindow > worstWindow.calls) worstWindow = { calls: inWindow, startMs: inOrder[first]?.atMs ?? call.atMs };
  }
  return { calls: calls.length, byStatus, byKey, worstWindow, repeats };
}

/** @throws SyntaxError naming the line that is not a call */
export function parseCallLog(lines: string): HermesCall[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      try {
        return JSON.parse(line) as HermesCall;
      } catch (error) {
        throw new SyntaxError(`line ${index + 1} of the call log is not JSON: ${line.slice(0, 80)}`, { cause: error });
      }
    });
}

export function readCallLog(file: string): HermesCall[] {
  return parseCallLog(readFileSync(file, 'utf8'));
}
