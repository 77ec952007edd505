// `npm test`: everything from a bare clone to the suite's closing line. `--slow` runs the slow proofs instead.
import { join } from 'node:path';
import { become } from '../bin/child.js';
import { node, root, setup } from './setup.mjs';

const slow = process.argv.includes('--slow');
const args = process.argv.slice(2).filter((arg) => arg !== '--slow');
await setup('test');
const vitest = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args];
const env = { ...process.env, ...(slow && { PATCHBAY_SLOW: '1' }) };
process.exitCode = await become(node, vitest, { cwd: root, env });
