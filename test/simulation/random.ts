/**
 * The one source of chance in the simulation: a number from a seed and a text. Nothing is drawn in turn, so that leaving one
 * fault out of a schedule does not change the others, and a failing schedule can be made smaller.
 */

/** @returns 32 bits, well mixed */
export function hashText(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash, text.length);
}

/** @returns 32 bits, well mixed (the end of MurmurHash3) */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** @returns a number from 0 up to 1, for 32 bits */
export function unit(bits: number): number {
  return bits / 0x1_0000_0000;
}
