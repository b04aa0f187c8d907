/**
 * Writes the pages of docs/ that are made from the code: `npm run pages`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingsPage } from '../../infra/settings-page.ts';
import { bundlesOf } from './bundled.ts';
import { dependenciesPage } from './dependencies-page.ts';
import { packageVariant, serviceDir } from './variants.ts';

const { packageDir } = await packageVariant('direct');
const pages = {
  'docs/settings.md': settingsPage(),
  'docs/dependencies.md': dependenciesPage(await bundlesOf(packageDir)),
};
for (const [file, text] of Object.entries(pages)) {
  writeFileSync(join(serviceDir, file), text);
  process.stdout.write(`${file}\n`);
}
