import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describePeers } from './peers.ts';

const root = join(import.meta.dirname, '..');

/** Asks for the usual database; the others have none, or run on both by themselves. */
const usual = /await stage\(|databaseFor\(\)|harness\.testing/;

/** The server's own, those of what its add-ons do there, and the real client's course. */
const suites = [
  ...globSync('server/**/*.test.ts', { cwd: root }).filter((file) =>
    usual.test(readFileSync(join(root, file), 'utf8')),
  ),
  'test/monitor-alerts.test.ts',
  'test/monitor-checks.test.ts',
  'test/monitor-notifications.test.ts',
  'test/mender-client.test.ts',
  'test/sessions.test.ts',
];

await describePeers('on PostgreSQL', ['postgresql-15'], () => {
  it('every suite of the server holds, and so does the course of a device with Mender’s own client', async () => {
    const { PATCHBAY_SLOW: _, VITEST_POOL_ID: __, VITEST_WORKER_ID: ___, ...rest } = process.env;
    const env = { ...rest, PATCHBAY_TEST_DATABASE: 'postgresql' };
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const child = spawn(process.execPath, [vitest, 'run', '--reporter=dot', ...suites], { cwd: root, env });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += String(bytes)));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code, said.slice(-4000)).toBe(0);
    expect(suites.length).toBeGreaterThan(20);
    expect(said).toMatch(/Tests .*\d+ passed/);
  });
});
