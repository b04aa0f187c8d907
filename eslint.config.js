import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';

const importsOneWay = [
  // functions → lambda → aws, source → engine. The engine imports nothing but itself.
  { target: './shared/engine', from: './shared', except: ['./engine'] },
  { target: './shared/aws', from: './shared', except: ['./aws', './engine'] },
  { target: './shared/parquet', from: './shared', except: ['./parquet', './engine'] },
  { target: './shared/source', from: './shared', except: ['./source', './engine'] },
  { target: './shared', from: ['./functions', './sources', './infra', './cli', './local-aws', './test', './bench'] },
  { target: './functions', from: ['./functions', './infra', './cli', './local-aws', './test', './bench'] },
  // The local AWS knows nothing of the product.
  { target: './local-aws', from: ['./functions', './shared', './sources', './infra', './cli', './test', './bench'] },
  // What others use of it is its index.ts.
  { target: ['./cli', './test', './bench'], from: './local-aws', except: ['./index.ts'] },
  { target: './infra', from: ['./functions', './cli', './local-aws', './test', './bench'] },
  { target: './cli', from: ['./functions', './test', './bench'] },
  // The page runs in a browser: it knows the reports and nothing that makes them.
  {
    target: './page',
    from: ['./functions', './shared', './sources', './infra', './cli', './local-aws', './test', './bench'],
    except: ['./engine/report', './engine/publish/publish-status.ts', './engine/publish/drift.ts'],
  },
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
    settings: {
      'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.tsx', '.js'] })],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones: importsOneWay }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only shared/lambda/settings.ts reads the environment.' },
      ],
    },
  },
  {
    // The decisions know no SDK, no environment, no clock and no randomness: they are given them.
    files: ['shared/engine/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: '^(?!\\.{1,2}/)', message: 'shared/engine imports nothing but itself.' }],
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
    files: [
      'shared/lambda/settings.ts',
      'cli/**/*.ts',
      'local-aws/**/*.ts',
      'sources/**/*.ts',
      'test/**/*.ts',
      'bench/**/*.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
);
