/**
 * What each function's bundle is made of: the packaged bundle is built once more, with the same options and esbuild's account of it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type BuildOptions } from 'esbuild';
import { serviceDir } from './variants.ts';

export type Bundle = {
  /** Such as `functions/fetch`. */
  file: string;
  /** As it is in the packages of the functions. */
  packaged: Buffer[];
  built: Uint8Array;
  /** By the package that they come from. */
  bytesOf: Map<string, number>;
};

type EsbuildSection = BuildOptions & { exclude: string[]; outputFileExtension: string };
type State = { service: { custom: { esbuild: EsbuildSection }; functions: Record<string, { handler: string }> } };

/** Stands for our own code. */
export const ownName = 's3-cascade';

/** The package that a file belongs to. */
const packageOf = (file: string): string =>
  [...file.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)].at(-1)?.[1] ?? ownName;

export async function bundlesOf(packageDir: string): Promise<Bundle[]> {
  const { service } = JSON.parse(readFileSync(join(packageDir, 'serverless-state.json'), 'utf8')) as State;
  const { exclude, outputFileExtension, ...options } = service.custom.esbuild;
  // The fetch functions are one file, packaged once for each level.
  const byFile = Map.groupBy(Object.entries(service.functions), ([, { handler }]) => handler.replace(/\.handler$/, ''));
  return Promise.all(
    [...byFile].map(async ([file, functions]) => {
      const { outputFiles, metafile } = await build({
        ...options,
        absWorkingDir: serviceDir,
        entryPoints: [`${file}.ts`],
        external: exclude,
        outExtension: { '.js': outputFileExtension },
        outdir: 'out',
        write: false,
        metafile: true,
        logLevel: 'silent',
      });
      const bytesOf = new Map<string, number>();
      for (const { inputs } of Object.values(metafile.outputs))
        for (const [path, { bytesInOutput: bytes }] of Object.entries(inputs))
          if (bytes > 0) bytesOf.set(packageOf(path), (bytesOf.get(packageOf(path)) ?? 0) + bytes);
      const packaged = functions.map(([name]) =>
        readFileSync(join(packageDir, 'code', name, `${file}${outputFileExtension}`)),
      );
      return { file, packaged, built: outputFiles[0]?.contents ?? new Uint8Array(), bytesOf };
    }),
  );
}
