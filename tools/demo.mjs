// `npm run demo`: everything from a bare clone to a running demo.
import { join } from 'node:path';
import { become } from '../bin/child.js';
import { node, root, setup } from './setup.mjs';

await setup('demo');
process.exitCode = await become(node, [join(root, 'bin', 'patchbay.js'), 'demo', ...process.argv.slice(2)]);
