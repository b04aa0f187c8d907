/** A set of a batch's items by their index, as hexadecimal text: item i is bit i mod 8, the lowest first, of byte i div 8. */

export function toBitmap(indexes: Iterable<number>, size: number): string {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (const index of indexes) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  return Buffer.from(bytes).toString('hex');
}

/** @returns undefined for a text that is no set of `size` items */
export function fromBitmap(text: string, size: number): Set<number> | undefined {
  if (text.length !== 2 * Math.ceil(size / 8) || !/^[0-9a-f]*$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const indexes = new Set<number>();
  for (let index = 0; index < bytes.length * 8; index += 1) {
    if ((((bytes[index >> 3] ?? 0) >> (index & 7)) & 1) === 0) continue;
    if (index >= size) return undefined;
    indexes.add(index);
  }
  return indexes;
}
