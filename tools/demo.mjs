// `npm run demo`: everything from a bare clone to a running demo.
import { join } from 'node:path';
import { become } from '../bin/child.js';
import { node, root, setup } from './setup.mjs';

await setup('demo');
// Its many processes start in half the time when Node keeps what it compiled.
const env = { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'), ...process.env };
process.exitCode = await become(node, [join(root, 'bin', 'patchbay.js'), 'demo', ...process.argv.slice(2)], { env });
