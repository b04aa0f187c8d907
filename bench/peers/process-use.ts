/**
 * CPU and memory of a process and all that it started, as Linux counts them. Elsewhere there are no figures, and the table
 * says so.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export type ProcessUse = {
  /** User and system, those that have ended and were waited for included. */
  cpuMs: number;
  /** The most that each process ever had resident, added up: what processes share is counted for each. */
  peakMb: number;
  /** What they have resident now, what they share counted once. */
  residentMb: number;
};

/** Of a clock tick in /proc: USER_HZ is 100 on every architecture that Node runs on. */
const tickMs = 10;

type Stat = { pid: number; parent: number; cpuMs: number };

function readProcess(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    // It ended while the folder was read.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function statOf(pid: number): Stat | undefined {
  const text = readProcess(pid, 'stat');
  if (text === undefined) return undefined;
  // The name in the second field may hold spaces and brackets. After it: state, parent, … utime, stime, cutime, cstime.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + field, 0);
  return { pid, parent: fields[1] ?? 0, cpuMs: ticks * tickMs };
}

/** undefined where there is no /proc. */
export function useOf(roots: readonly number[]): ProcessUse | undefined {
  if (!existsSync('/proc/self/smaps_rollup')) return undefined;
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
  const wanted = new Set(roots);
  // A child has a higher number than its parent only until the numbers wrap, so look until nothing is added.
  for (let size = -1; size !== wanted.size;) {
    size = wanted.size;
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid);
  }
  const kilobytes = (pid: number, file: string, field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readProcess(pid, file) ?? '')?.[1] ?? 0);
  let cpuMs = 0;
  let peakKb = 0;
  let residentKb = 0;
  for (const { pid, cpuMs: ofProcess } of all) {
    if (!wanted.has(pid)) continue;
    cpuMs += ofProcess;
    peakKb += kilobytes(pid, 'status', 'VmHWM');
    residentKb += kilobytes(pid, 'smaps_rollup', 'Pss');
  }
  return { cpuMs, peakMb: peakKb / 1024, residentMb: residentKb / 1024 };
}
