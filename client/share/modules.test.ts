import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { makeArtifact, tar, type Recipe } from '../rig/artifact.ts';
import { RigDevice } from '../rig/device.ts';
import { continueWith, install } from '../standalone/commands.ts';

const signal = new AbortController().signal;
let device: RigDevice;
let target: string;
beforeEach(() => {
  device = new RigDevice({});
  target = join(device.root, 'target');
});
afterEach(() => device[Symbol.dispose]());

const options = () => ({ client: device.options(), say: () => undefined });
async function put(recipe: Recipe): Promise<number> {
  const file = join(device.root, 'a.mender');
  device.write(file, makeArtifact(recipe));
  return install(file, options(), signal);
}
const go = (command: 'commit' | 'rollback') => continueWith(command, options(), signal);

const stock = '.peers/mender-client/usr/share/mender/modules/v3';
const origins = [
  ['ours', join('client', 'share', 'modules', 'v3')],
  // Debian's mender-client, unmodified; there when the suite of real peers has fetched it.
  ...(existsSync(stock) ? [["Mender's", stock]] : []),
] as [string, string][];

describe.each(origins)('UC-46 the modules: %s', (origin, folder) => {
  beforeEach(() => {
    rmSync(paths.modules(device.places), { recursive: true });
    cpSync(folder, paths.modules(device.places), { recursive: true });
  });

  const single = (content: string): Recipe => ({
    type: 'single-file',
    files: { dest_dir: `${target}\n`, filename: 'app.conf\n', permissions: '640\n', 'app.conf': content },
  });

  it('single-file puts a file in its place, replaces it, and goes back', async () => {
    const file = join(target, 'app.conf');
    expect(await put(single('one'))).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('one');
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(await go('commit')).toBe(0);
    expect(await put(single('two'))).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('two');
    expect(await go('rollback')).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('one');
    expect(readdirSync(target)).toEqual(['app.conf']);
  });

  const directory = (files: [string, string][]): Recipe => ({
    type: 'directory',
    files: { dest_dir: `${target}\n`, 'update.tar': tar(files) },
  });

  it('directory replaces a directory as a whole, and goes back', async () => {
    expect(
      await put(
        directory([
          ['a', '1'],
          ['b', '2'],
        ]),
      ),
    ).toBe(0);
    expect(await go('commit')).toBe(0);
    expect(await put(directory([['a', '3']]))).toBe(0);
    expect(readdirSync(target)).toEqual(['a']);
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('3');
    expect(await go('rollback')).toBe(0);
    expect(readdirSync(target).sort()).toEqual(['a', 'b']);
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('1');
    expect(readdirSync(device.root).filter((name) => name.startsWith('target'))).toEqual(['target']);
  });

  it('script runs its files, and fails when one does', async () => {
    const script = (body: string): Recipe => ({ type: 'script', files: { '01-first': `#!/bin/sh\n${body}\n` } });
    expect(await put(script(`echo ran >'${device.root}/ran'`))).toBe(0);
    expect(readFileSync(join(device.root, 'ran'), 'utf8')).toBe('ran\n');
    expect(device.record().artifactName).toBe('release-2');
    expect(await put(script('exit 1'))).toBe(1);
    expect(device.record().artifactName).toBe('release-2_INCONSISTENT');
  });

  it.skipIf(origin !== 'ours')('what is no plain name or absolute path is refused', async () => {
    for (const files of [
      { filename: '../x', permissions: '644', dest_dir: target, file: 'x' },
      { filename: 'x', permissions: 'u+s', dest_dir: target, file: 'x' },
      { filename: 'x', permissions: '644', dest_dir: 'target', file: 'x' },
    ])
      expect(await put({ type: 'single-file', files })).toBe(1);
    expect(await put({ type: 'directory', files: { dest_dir: '/', 'update.tar': tar([]) } })).toBe(1);
    expect(existsSync(target)).toBe(false);
  });
});
