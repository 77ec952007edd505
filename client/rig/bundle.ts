import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';

/** The client in one file, as it ships, for the tests of a file that start it hundreds of times: where it is. */
export function bundledClient(): () => string {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-bundle-'));
    const args = `process.cwd(), ${JSON.stringify(folder)}, 'client'`;
    const script = `import('./tools/bundle.mjs').then(({ bundleProgram }) => bundleProgram(${args}))`;
    await promisify(execFile)(process.execPath, ['-e', script], { cwd: join(import.meta.dirname, '..', '..') });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => join(folder, 'client.cjs');
}
