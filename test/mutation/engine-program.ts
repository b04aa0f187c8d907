/** The engine as the compiler sees it: its files with their types, and whether a changed file still has right ones. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { mutantsOf, withChange, type Mutant } from './mutants.ts';

const engineFolder = 'shared/engine';

export class EngineProgram {
  /** Of the engine, from the project's folder, in order. */
  readonly files: readonly string[];
  readonly #folder: string;
  readonly #service: ts.LanguageService;
  /** By path, what stands there instead of what is in the file. */
  #changed: { path: string; text: string } | undefined;
  readonly #versions = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
    this.files = readdirSync(join(folder, engineFolder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => join(engineFolder, path))
      .sort();
    this.#service = ts.createLanguageService(this.#host());
  }

  mutants(file: string): Mutant[] {
    const program = this.#service.getProgram();
    const source = program?.getSourceFile(join(this.#folder, file));
    if (program === undefined || source === undefined) throw new Error(`The compiler has no ${file}.`);
    return mutantsOf(file, { file: source, checker: program.getTypeChecker() });
  }

  /** The file as it is with a mutant in it. */
  textWith(mutant: Mutant): string {
    return withChange(this.text(mutant.file), mutant);
  }

  text(file: string): string {
    const path = join(this.#folder, file);
    const text = ts.sys.readFile(path);
    if (text === undefined) throw new Error(`There is no ${path}.`);
    return text;
  }

  /** Only the changed file is looked at: what it exports has the types that it declares. */
  isTypedRight(mutant: Mutant): boolean {
    const path = join(this.#folder, mutant.file);
    this.#change({ path, text: this.textWith(mutant) });
    try {
      return (
        this.#service.getSyntacticDiagnostics(path).length === 0 &&
        this.#service.getSemanticDiagnostics(path).length === 0
      );
    } finally {
      this.#change(undefined);
    }
  }

  #change(changed: { path: string; text: string } | undefined): void {
    const path = changed?.path ?? this.#changed?.path ?? '';
    this.#versions.set(path, (this.#versions.get(path) ?? 0) + 1);
    this.#changed = changed;
  }

  #host(): ts.LanguageServiceHost {
    const { config } = ts.readConfigFile(join(this.#folder, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
      config: { compilerOptions: object };
    };
    const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, this.#folder);
    const paths = this.files.map((file) => join(this.#folder, file));
    return {
      // A name that is not used any more is no mistake that anybody would stumble over.
      getCompilationSettings: () => ({ ...options, noUnusedLocals: false, noUnusedParameters: false }),
      getScriptFileNames: () => paths,
      getScriptVersion: (path) => String(this.#versions.get(path) ?? 0),
      getScriptSnapshot: (path) => {
        if (path === this.#changed?.path) return ts.ScriptSnapshot.fromString(this.#changed.text);
        const text = ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => this.#folder,
      getDefaultLibFileName: (compilerOptions) => ts.getDefaultLibFilePath(compilerOptions),
      fileExists: (path) => ts.sys.fileExists(path),
      readFile: (path) => ts.sys.readFile(path),
      readDirectory: (...args) => ts.sys.readDirectory(...args),
      directoryExists: (path) => ts.sys.directoryExists(path),
      getDirectories: (path) => ts.sys.getDirectories(path),
    };
  }
}
