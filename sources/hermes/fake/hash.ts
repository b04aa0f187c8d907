/** The only randomness of the local Hermes: a 32-bit hash (FNV-1a with a final mix), so that a seed repeats a whole run. */

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 0 to 2^32 - 1, evenly, from any numbers and texts. */
export function hash(...parts: readonly (number | string)[]): number {
  let state = 0x811c9dc5;
  for (const part of parts) {
    if (typeof part === 'number') {
      state = mix(state ^ part);
    } else {
      for (let index = 0; index < part.length; index += 1) {
        state = Math.imul(state ^ part.charCodeAt(index), 0x01000193);
      }
      state = mix(state);
    }
  }
  return state >>> 0;
}

/** 0 to just under 1. */
export function fraction(...parts: readonly (number | string)[]): number {
  return hash(...parts) / 0x1_0000_0000;
}
