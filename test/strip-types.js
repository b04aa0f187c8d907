/** The jest transform: Node's own type stripping, so that tests run what `node file.ts` runs. Positions are kept. */
import { stripTypeScriptTypes } from 'node:module';

export default {
  process(source) {
    return { code: stripTypeScriptTypes(source) };
  },
};
