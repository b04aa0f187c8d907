/** The jest transform of a mutation run: one file has another text, and all others are as in any other run. */
import { createHash } from 'node:crypto';
import { stripTypeScriptTypes } from 'node:module';
import type { ChangedFile } from './trial.ts';

type Options = { transformerConfig: { changed?: ChangedFile; root: string } };

function textOf(source: string, path: string, { transformerConfig: { changed, root } }: Options): string {
  return changed !== undefined && path === `${root}/${changed.file}` ? changed.text : source;
}

export default {
  // By what the file holds alone, so that the unchanged ones are stripped once.
  getCacheKey: (source: string, path: string, options: Options): string =>
    createHash('sha256')
      .update(textOf(source, path, options))
      .update(path)
      .digest('hex'),
  process: (source: string, path: string, options: Options): { code: string } => ({
    code: stripTypeScriptTypes(textOf(source, path, options)),
  }),
};
