/** The keys of a bucket in the order of their UTF-8 bytes, as S3 lists them. Texts in JavaScript compare otherwise. */
export class KeyOrder {
  /** A letter for each byte. */
  readonly #sorted: string[] = [];

  add(key: string): void {
    const bytes = bytesOf(key);
    this.#sorted.splice(this.#placeOf(bytes), 0, bytes);
  }

  /** A key that was added. */
  remove(key: string): void {
    this.#sorted.splice(this.#placeOf(bytesOf(key)), 1);
  }

  /** The first keys with a prefix that come after a key. */
  page(prefix: string, after: string, most: number): string[] {
    const [start, behind] = [bytesOf(prefix), bytesOf(after)];
    const keys: string[] = [];
    for (let at = this.#placeOf(behind > start ? behind : start); keys.length < most; at += 1) {
      const bytes = this.#sorted[at];
      if (bytes?.startsWith(start) !== true) break;
      if (bytes !== behind) keys.push(Buffer.from(bytes, 'latin1').toString('utf8'));
    }
    return keys;
  }

  /** Where it is, or where it belongs. */
  #placeOf(bytes: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] ?? '') < bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bytesOf(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}
