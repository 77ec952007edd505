import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** A suite that needs something of the machine; `why` it cannot run there is said, and is a failure in CI. */
export function describeWhere(title: string, why: string | undefined, suite: () => void): void {
  if (why === undefined) describe(title, suite);
  else if (process.env['CI'] === 'true') describe(title, () => it('can run here', () => expect.fail(why)));
  else describe.skip(`${title} (${why})`, suite);
}

/** As `describeWhere`, for one test. */
export function itWhere(title: string, why: string | undefined, test: () => void | Promise<void>): void {
  if (why === undefined) it(title, test);
  else if (process.env['CI'] === 'true') it(title, () => expect.fail(why));
  else it.skip(`${title} (${why})`, test);
}

/** Why this machine gives us no file system of our own; nothing if it does. */
export function mountsMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'patchbay-probe-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], {
    encoding: 'utf8',
  });
  if (status === 0) spawnSync('umount', [folder]);
  rmdirSync(folder);
  return status === 0 ? undefined : `needs root, to mount: ${stderr?.trim() ?? 'there is no mount'}`;
}

/** Why this user cannot become somebody else; nothing if he can. */
export function rootMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root';
}
