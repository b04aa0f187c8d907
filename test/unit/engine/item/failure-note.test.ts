import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { ItemError, RateLimitError, TransientError } from '../../../../shared/engine/errors.ts';
import {
  failureCauseOf,
  nextNote,
  parseFailureNote,
  readFailureNote,
  writeFailureNote,
  type FailureNote,
} from '../../../../shared/engine/item/failure-note.ts';
import { fourLevels } from '../../../chains.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const shops = levelNamed(fourLevels, 'shops');
const key = 'regions/r/a.json';
const note: FailureNote = {
  run: 'r',
  level: 'shops',
  key,
  status: 'failed',
  class: 'transient',
  code: 'HTTP_503',
  message: 'busy',
  attempts: 3,
  replays: 1,
  refires: 2,
  at: '2026-11-20T00:00:00.000Z',
  requestId: 'request-1',
};
let store: MemoryObjectStore;

beforeEach(() => {
  store = new MemoryObjectStore();
});

describe('a failure note', () => {
  test('comes back as it was written, at the place that its key says', async () => {
    await writeFailureNote(shops, note, store);
    expect(store.keys()).toEqual(['failures/shops/r/a.json']);
    expect(store.objects.get('failures/shops/r/a.json')?.metadata).toEqual({ attempts: '3', code: 'HTTP_503' });
    expect(await readFailureNote(shops, key, store)).toEqual(note);
  });

  test('of version 0.1, which counted no re-fires, is a note', () => {
    expect(parseFailureNote(JSON.stringify({ ...note, refires: undefined }))).toEqual({ ...note, refires: 0 });
  });

  test.each<[string, object]>([
    ['no key', { key: undefined }],
    ['a key that is a number', { key: 7 }],
    ['no code', { code: null }],
    ['a message that is an object', { message: {} }],
    ['an unknown status', { status: 'gone' }],
    ['an unknown class', { class: 'fatal' }],
    ['attempts that are a text', { attempts: '3' }],
    ['half an attempt', { attempts: 1.5 }],
    ['fewer replays than none', { replays: -1 }],
    ['replays without end', { replays: 1e300 }],
    ['re-fires that are a text', { refires: 'many' }],
    ['re-fires that are nothing', { refires: null }],
    ['a date that is none', { at: 'yesterday' }],
    ['a date that never was', { at: '2026-13-45T00:00:00Z' }],
    ['a date that is a number', { at: 5 }],
    ['no date', { at: undefined }],
  ])('with %s is none', async (_what, change) => {
    store.drop('failures/shops/r/a.json', JSON.stringify({ ...note, ...change }));
    expect(await readFailureNote(shops, key, store)).toBeUndefined();
  });

  const failure = {
    index: 0,
    id: 'b',
    class: 'item',
    code: 'HTTP_404',
    message: 'gone',
    attempts: 1,
    at: note.at,
  } as const;

  test('of a batch names the items that failed', () => {
    expect(parseFailureNote(JSON.stringify({ ...note, items: [failure] }))).toEqual({ ...note, items: [failure] });
  });

  test.each<[string, object]>([
    ['an id that is a number', { id: 7 }],
    ['no id', { id: undefined }],
    ['a code that is nothing', { code: null }],
    ['a message that is an object', { message: {} }],
    ['an unknown class', { class: 'fatal' }],
    ['half an index', { index: 0.5 }],
    ['attempts that are a text', { attempts: '1' }],
    ['no date', { at: undefined }],
  ])('with an item of the batch with %s is none', (_what, change) => {
    expect(parseFailureNote(JSON.stringify({ ...note, items: [failure, { ...failure, ...change }] }))).toBeUndefined();
  });

  test.each(['', 'hello', '7', 'null', '[]', '"text"', '{}'])('%j is none', async (body) => {
    store.drop('failures/shops/r/a.json', body);
    expect(await readFailureNote(shops, key, store)).toBeUndefined();
  });

  test('of more than a megabyte is none, and is not read', async () => {
    store.drop('failures/shops/r/a.json', JSON.stringify({ ...note, message: 'x'.repeat(1_000_001) }));
    expect(await readFailureNote(shops, key, store)).toBeUndefined();
  });

  test('that S3 does not give is an error, never no note', async () => {
    store.get = () => Promise.reject(new TransientError('SlowDown', 'busy'));
    await expect(readFailureNote(shops, key, store)).rejects.toThrow('busy');
  });

  test('that follows another keeps what it does not say anew', () => {
    const change = { class: 'item', code: 'LOST', message: 'lost', status: 'refired', at: note.at } as const;
    expect(nextNote(shops, key, note, change)).toEqual({ ...note, ...change });
    expect(nextNote(shops, key, undefined, change)).toEqual({
      ...note,
      ...change,
      attempts: 0,
      replays: 0,
      refires: 0,
      requestId: '',
    });
  });

  test("is about its own item, whatever the one before said, and about no run when the key is no item's", () => {
    const change = { class: 'item', code: 'X', message: 'x', status: 'failed', at: note.at } as const;
    const forged = { ...note, key: 'regions/other/b.json', run: 'other', level: 'stock' };
    expect(nextNote(shops, key, forged, change)).toMatchObject({ key, run: 'r', level: 'shops' });
    expect(nextNote(shops, 'regions/junk.json', undefined, change)).toMatchObject({ run: undefined });
  });
});

describe('the cause of a failure', () => {
  test.each([
    [new ItemError('HTTP_404', 'gone'), { class: 'item', code: 'HTTP_404', message: 'gone' }],
    [new TransientError('HTTP_503', 'busy'), { class: 'transient', code: 'HTTP_503', message: 'busy' }],
    [new RateLimitError('HTTP_429', 'wait', { waitMs: 1 }), { class: 'transient', code: 'HTTP_429', message: 'wait' }],
    [new TypeError('oops'), { class: 'transient', code: 'UNEXPECTED', message: 'TypeError: oops' }],
    ['a text', { class: 'transient', code: 'UNEXPECTED', message: 'a text' }],
  ])('%s is told by its class and code', (error, cause) => expect(failureCauseOf(error)).toEqual(cause));

  test('has a message that is for reading', () => {
    expect(failureCauseOf(new ItemError('X', 'x'.repeat(100_000))).message).toHaveLength(2000);
  });
});
