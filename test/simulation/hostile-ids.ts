/**
 * Ids that break a program which pastes them into keys, paths or objects. The longest takes 200 bytes, so that three of them
 * under the longest prefix fit S3's limit of 1,024 bytes a key.
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
  'a&room=b#c?d=e',
  '"double" and \'single\'',
  'back\\slash',
  'line\nbreak\ttab',
  'constructor',
  '__proto__',
  'null',
  '0',
  '😀👩‍👩‍👧',
  '\uFFFD',
  'مرحبا\u202Eabc',
  '数据组',
  // The same word for a reader, and two different ids: composed and decomposed.
  'caf\u00E9',
  'cafe\u0301',
  'Abcdefgh-0123456789_'.repeat(10),
];

/** A chain of eight levels has seven ids in its longest keys. */
export const longestIdsBytes = 600;
