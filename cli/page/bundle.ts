/** The page as one HTML document with its script and style in it, bundled when it is first needed. It needs no network. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { StaticCopy } from '../../page/wire.ts';
import { projectDir } from '../run/source.ts';

export type Bundle = {
  html: string;
  /** For the header `content-security-policy`: the document's own script and style, requests to its own server, nothing else. */
  policy: string;
  /** The document with the figures of a moment in it, which asks for nothing. */
  copyOf: (copy: StaticCopy) => string;
};

export async function bundlePage(): Promise<Bundle> {
  const { outputFiles } = await build({
    entryPoints: [join(projectDir, 'page/main.tsx')],
    absWorkingDir: projectDir,
    bundle: true,
    minify: true,
    write: false,
    outdir: 'page',
    format: 'iife',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    charset: 'utf8',
    logLevel: 'silent',
  });
  const textOf = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))?.text.trim() ?? '';
  // A closing tag in a text of the script would end the script.
  const script = textOf('.js').replaceAll('</script', '<\\/script');
  const style = textOf('.css');
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return {
    html: documentOf({ script, style }),
    policy,
    copyOf(copy) {
      // As JSON in a script element, `<` is the one character that could end it.
      const data = JSON.stringify(copy).replaceAll('<', '\\u003c');
      const copyPolicy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; img-src data:`;
      const head = `<meta http-equiv="content-security-policy" content="${copyPolicy}">`;
      return documentOf({ script, style, head, data: `<script type="application/json" id="copy">${data}</script>` });
    },
  };
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

type Parts = { script: string; style: string; head?: string; data?: string };

function documentOf({ script, style, head = '', data = '' }: Parts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${head}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>s3-cascade</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<div id="page"></div>
${data}
<script>${script}</script>
</body>
</html>
`;
}
