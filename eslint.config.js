import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';

const importsOneWay = [
  // functions → runtime → aws, hermes → core. core imports nothing but itself and the level table.
  { target: './shared/core', from: './shared', except: ['./core', './chain.ts'] },
  { target: './shared/chain.ts', from: './shared' },
  { target: './shared/aws', from: './shared', except: ['./aws', './core', './chain.ts'] },
  { target: './shared/hermes', from: './shared', except: ['./hermes', './core', './chain.ts'] },
  { target: './shared/runtime', from: './functions' },
  { target: './functions', from: './functions' },
  { target: ['./functions', './shared'], from: ['./cli', './local', './test', './bench'] },
  // What a person runs against a deployment knows its reports, not what it is made of.
  { target: './cli', from: './shared', except: ['./core', './chain.ts'] },
  { target: './cli', from: ['./functions', './local', './test', './bench'] },
  { target: './local', from: ['./test', './bench', './functions'] },
];

export default tseslint.config(
  { ignores: ['node_modules', '.serverless', '.esbuild', '.local', 'coverage', 'bench/peers/tools'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', 'test/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.js'] })] },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones: importsOneWay }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only shared/runtime/config.ts reads the environment.' },
      ],
    },
  },
  {
    // The decisions know no SDK, no environment, no clock and no randomness: they are given them.
    files: ['shared/core/**/*.ts', 'shared/chain.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^(?!\\.{1,2}/)', message: 'shared/core imports nothing outside itself and the level table.' },
          ],
        },
      ],
      'no-restricted-globals': ['error', 'process', 'fetch', 'setTimeout', 'setInterval'],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'The clock is a port.' },
        { object: 'Math', property: 'random', message: 'Randomness is a port.' },
      ],
    },
  },
  {
    files: ['shared/runtime/config.ts', 'cli/**/*.ts', 'local/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
);
