/** The documents, and what the commands say of themselves: plain words, and links, commands and an example that exist. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const readmeWords = { least: 700, most: 1_100 };

/** What is not said here, and what is said instead. */
const bannedWords: readonly (readonly [RegExp, string])[] = [
  [/\bwhoever\b/i, 'the person or thing itself'],
  [/\b(no|some)body\b/i, 'the person or thing itself'],
  [/\bbeside\b/i, 'next to, as well as'],
  [/\ba (line|row|file|queue|folder|level|piece|kind) each\b/i, 'one … for each …'],
  [/\b(goes|go|going|went) on\b/i, 'continues'],
  [/\bturn(s|ed)? out\b/i, 'is'],
  [/\bso (many|often)\b/i, 'the number, or how many, how often'],
  [/\bmended\b/i, 'fixed, corrected'],
  [/\b(let|lets|letting) go\b/i, 'delete'],
  [/\bhand(s|ed|ing)? back\b/i, 'requeue'],
  [/\btries\b|\b(a|no|one|first|each|which|another|every|single) try\b/i, 'attempt'],
  [/\bis no (seed|setting|rate)\b/i, 'is invalid'],
];

const skippedFolders = new Set(['node_modules', '.local', '.serverless', '.esbuild', '.git', 'coverage', 'tools']);

/** From the project's root. */
function documentsUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : documentsUnder(path);
    return entry.name.endsWith('.md') ? [relative(root, path)] : [];
  });
}

const documents = documentsUnder(root).sort();
const textOf = (document: string): string => readFileSync(join(root, document), 'utf8');

/** @returns one line for each place where a banned word stands */
function bannedIn(text: string): string[] {
  return text.split('\n').flatMap((line, index) =>
    bannedWords.flatMap(([pattern, better]) => {
      const found = pattern.exec(line)?.[0];
      return found === undefined ? [] : [`line ${index + 1}: "${found}" (better: ${better})`];
    }),
  );
}

/** Code is no text: a bracket in it makes no link. */
function withoutCode(markdown: string): string {
  return markdown
    .replaceAll(/^( *)(`{3,})[^]*?^\1\2 *$/gm, '')
    .replaceAll(/^( {4}|\t).*$/gm, '')
    .replaceAll(/`[^`\n]+`/g, '');
}

function linksOf(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.replaceAll(/^( *)(`{3,})[^]*?^\1\2 *$/gm, '').matchAll(/^#+ +(.+)$/gm)];
  return new Set(
    headings.map(([, heading = '']) =>
      heading
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  );
}

/** @returns why a link of a document leads nowhere; undefined when it leads somewhere */
function brokenLink(document: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? document : relative(root, resolve(root, dirname(document), path));
  if (!existsSync(join(root, file))) return `${target}: there is no ${file}`;
  if (anchor === undefined || !file.endsWith('.md') || anchorsOf(textOf(file)).has(anchor)) return undefined;
  return `${target}: ${file} has no heading for #${anchor}`;
}

const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };

/** The commands that people run, by the name of their npm script: those in cli/. */
function commands(): [name: string, file: string][] {
  return Object.entries(scripts).flatMap(([name, script]): [string, string][] => {
    const file = /^node (cli\/[\w-]+\.ts)$/.exec(script)?.[1];
    return file === undefined ? [] : [[name, file]];
  });
}

async function chainIn(file: string): Promise<object> {
  const { default: chain } = (await import(file)) as { default: object };
  return chain;
}

describe('documents', () => {
  test.each(documents)('%s is written in plain words', (document) => {
    expect(bannedIn(textOf(document))).toEqual([]);
  });

  test.each(documents)('%s links to files and headings that exist', (document) => {
    const broken = linksOf(textOf(document)).map((target) => brokenLink(document, target));
    expect(broken.filter((problem) => problem !== undefined)).toEqual([]);
  });

  test.each(documents)('%s names npm scripts that exist', (document) => {
    const named = [...textOf(document).matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(([, name = '']) => name);
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
  });

  test("the README's chain is the example's", async () => {
    const [, code = ''] = /```ts\n([^]*?)```/.exec(textOf('README.md')) ?? [];
    const folder = mkdtempSync(join(tmpdir(), 'readme-'));
    try {
      const file = join(folder, 'chain.ts');
      writeFileSync(file, code.replace('../..', root));
      expect(await chainIn(file)).toEqual(await chainIn(`${root}/sources/hermes/chain.ts`));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('the README is short enough to be read to its end, and not shorter', () => {
    const words = textOf('README.md')
      .split(/\s+/)
      .filter((word) => /[\p{Letter}\p{Number}]/u.test(word));
    expect(words.length).toBeGreaterThanOrEqual(readmeWords.least);
    expect(words.length).toBeLessThanOrEqual(readmeWords.most);
  });

  test('the README links to every page of docs/', () => {
    const pages = documents.filter((document) => /^docs\/[^/]+\.md$/.test(document));
    const linked = new Set(linksOf(textOf('README.md')).map((target) => target.split('#')[0]));
    expect(pages.filter((page) => !linked.has(page) && page !== 'docs/dependencies.md')).toEqual([]);
  });
});

describe('commands', () => {
  test.each(commands())('npm run %s explains itself in plain words', async (_, file) => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, file), '--help'], { cwd: root });
    expect(stdout).toContain('--help');
    expect(bannedIn(stdout)).toEqual([]);
  });
});
