// What `patchbay artifact write deb` and `write docker` make, taken by the real modules of Debian's mender-client.
import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { itWhere } from '#base/where.testing';
import { patchbayArtifact as patchbay } from './artifact-run.ts';
import { describePeers } from './peers.ts';

const run = promisify(execFile);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'artifact-modules-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A program of that name before all others on the path of the module. */
async function standIn(name: string, script: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, 'bin', name), 0o755);
}

/** Lays an artifact out as the client does for a module (`update-client.md` §4.2). Answers the tree. */
async function layOut(artifact: string): Promise<string> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'tmp'), { recursive: true });
  const { code, err } = await patchbay(
    'dump',
    '--files',
    join(tree, 'files'),
    '--meta-data',
    join(tree, 'header'),
    artifact,
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return tree;
}

await describePeers('modules of mender-client 3.4', ['mender-client'], (client) => {
  const module = async (name: string, state: string, tree: string) =>
    await run(join(client, 'usr', 'share', 'mender', 'modules', 'v3', name), [state, tree], {
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` },
    });

  test('deb installs the packages that are in the artifact', async () => {
    const packages = [];
    for (const name of ['first', 'second']) {
      const source = join(folder, name);
      await mkdir(join(source, 'DEBIAN'), { recursive: true });
      await writeFile(
        join(source, 'DEBIAN', 'control'),
        `Package: ${name}\nVersion: 1.0+b2\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n`,
      );
      await mkdir(join(source, 'opt'));
      await writeFile(join(source, 'opt', name), `${name}\n`);
      packages.push(join(folder, `${name}_1.0+b2_all.deb`));
      await run('dpkg-deb', ['--root-owner-group', '--build', source, packages.at(-1) as string]);
    }
    // The real dpkg, on a root of its own.
    const root = join(folder, 'root');
    for (const part of ['info', 'updates', 'triggers'])
      await mkdir(join(root, 'var/lib/dpkg', part), { recursive: true });
    await writeFile(join(root, 'var/lib/dpkg/status'), '');
    await standIn('dpkg', `exec /usr/bin/dpkg --root='${root}' --force-not-root --log=/dev/null "$@"`);

    const artifact = join(folder, 'deb.mender');
    const { code, err } = await patchbay('write', 'deb', '-n', 'n', '-t', 'b', '-o', artifact, ...packages);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    await module('deb', 'ArtifactInstall', await layOut(artifact));
    expect(await readFile(join(root, 'opt', 'first'), 'utf8')).toBe('first\n');
    expect(await readFile(join(root, 'opt', 'second'), 'utf8')).toBe('second\n');
  });

  const jq = spawnSync('jq', ['--version']).status === 0;
  itWhere('docker pulls and runs the containers that the artifact names', jq ? undefined : 'install jq', async () => {
    await standIn('docker', `echo "$*" >> '${join(folder, 'calls')}'; [ "$1" != ps ] || echo old`);
    const images = [`registry.example/app@sha256:${'a'.repeat(64)}`, `helper@sha256:${'b'.repeat(64)}`];
    const artifact = join(folder, 'docker.mender');
    const args = ['-n', 'n', '-t', 'b', '-o', artifact, '--run-args', '-p 80:80 -v /data:/data', ...images];
    const { code, err } = await patchbay('write', 'docker', ...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const tree = await layOut(artifact);
    await run('mv', [join(tree, 'header', '0000.meta-data'), join(tree, 'header', 'meta-data')]);
    await module('docker', 'Download', tree);
    await module('docker', 'ArtifactInstall', tree);
    expect((await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n')).toEqual([
      'ps -q',
      'stop old',
      ...images.flatMap((image) => [`pull ${image}`, `run -dt -p 80:80 -v /data:/data ${image}`]),
    ]);
  });
});
