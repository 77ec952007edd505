// `npm run typecheck`: the programs that run on Node, then the pages, which must compile without anything of Node,
// then the tests of the pages.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { become } from '../bin/child.js';
import { node, root } from './setup.mjs';

let worst = 0;
for (const project of ['tsconfig.json', 'web/tsconfig.json', 'web/tsconfig.test.json']) {
  if (!existsSync(join(root, project))) continue;
  worst ||= await become(node, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '-p', project], {
    cwd: root,
  });
}
process.exitCode = worst;
