/**
 * One number for a set of keys, whatever their order: two sets with the same digest are the same set but for a chance of one in
 * 2^64. It is no signature: it finds what was lost, deleted or put there by mistake.
 */

/** Adds up keys as they come. */
export class KeyDigest {
  #high = 0;
  #low = 0;

  add(key: string): void {
    const [high, low] = hashOf(key);
    this.#high = (this.#high + high) >>> 0;
    this.#low = (this.#low + low) >>> 0;
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    return `${hex(this.#high)}${hex(this.#low)}`;
  }
}

/** Two 32-bit halves by the multiply and xor steps of MurmurHash 3, each with constants of its own. */
function hashOf(text: string): [high: number, low: number] {
  let a = 0xdeadbeef ^ text.length;
  let b = 0x41c6ce57 ^ text.length;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return [a >>> 0, b >>> 0];
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** A number for a text, to notice another text under the same name. Not for keys: 32 bits are too few of them. */
export function textHash(text: string): number {
  return hashOf(text)[0];
}
