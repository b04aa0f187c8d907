/** Numbers, times and sums as the page shows them. Pure. */

/** `12,345` in every locale. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Calls a second: `0.4`, `18.2`, `604`. */
export function perSecond(value: number): string {
  return value < 100 ? value.toFixed(1).replace(/\.0$/, '') : count(value);
}

/** Small sums need their digits: `$0.0312`, `$1.27`. */
export function dollars(value: number): string {
  return `$${value.toFixed(value < 1 ? 4 : 2)}`;
}

/** As roughly as it is of use: `45 s`, `12 min`, `3.4 h`, `2.1 days`. */
export function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}

/** In the person's own time zone: `2026-11-20 14:03:09`. */
export function localTime(iso: string): string {
  const at = new Date(iso);
  const pad = (part: number): string => String(part).padStart(2, '0');
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** A part of a whole that is 100 % only when nothing is missing, and 0 % only when there is nothing. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '0%';
  const exact = (100 * part) / whole;
  if (part > 0 && exact < 1) return '<1%';
  return `${part < whole ? Math.min(99, Math.floor(exact)) : 100}%`;
}

/** `812 bytes`, `4.2 kB`, `17.3 MB`, `1.1 GB`. */
export function size(bytes: number): string {
  if (bytes < 1_000) return plural(bytes, 'byte');
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
