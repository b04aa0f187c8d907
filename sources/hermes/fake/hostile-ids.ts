/**
 * Ids that break a crawler which pastes them into keys, paths, queries or objects. All are legal in the API.
 *
 * Each takes at most 300 bytes once every byte except [A-Za-z0-9_-] is percent-encoded, so that three of them under the
 * longest prefix still fit S3's limit of 1,024 bytes a key; a test proves it for the longest three.
 */
export const hostileIds: readonly string[] = [
  '..',
  '.',
  '../',
  '../../etc/passwd',
  '/',
  'a/b',
  'a/',
  '%2F',
  '%',
  '100%',
  'a+b',
  'a b',
  ' ',
  'a.b',
  'a.json',
  '_SUCCESS',
  '-rf',
  'a&warrior=b#c?d=e',
  '"double" and \'single\'',
  'back\\slash',
  'line\nbreak\ttab',
  'constructor',
  '__proto__',
  'null',
  '0',
  '😀👩‍👩‍👧',
  'مرحبا\u202Eabc',
  '数据组',
  // The same word for a reader, and two different ids: composed and decomposed.
  'caf\u00E9',
  'cafe\u0301',
  'Abcdefgh-0123456789_'.repeat(10),
];
