import { createHash } from 'node:crypto';

/**
 * The ids of a list, to notice one that comes twice. Of an element's text only a digest of 48 bits is kept: a list may have
 * millions.
 */
export class SeenIds {
  readonly #digests = new Map<string, number>();

  has(id: string): boolean {
    return this.#digests.has(id);
  }

  /** @returns whether the id is new, or came before with the same text or with another one */
  add(id: string, text: string): 'new' | 'same' | 'different' {
    const digest = createHash('sha1').update(text).digest().readUIntBE(0, 6);
    const before = this.#digests.get(id);
    if (before !== undefined) return before === digest ? 'same' : 'different';
    this.#digests.set(id, digest);
    return 'new';
  }
}
