/** Jest runs the TypeScript sources as Node does: types stripped, nothing else changed, ESM throughout. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test', '<rootDir>/local-aws/test', '<rootDir>/sources'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: { '\\.ts$': '<rootDir>/test/strip-types.js' },
  // No test is judged by it: a whole run on a busy machine takes minutes.
  testTimeout: 600_000,
  // Whole runs at a rate sleep most of their time.
  maxWorkers: 2,
};
