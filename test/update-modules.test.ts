// The update modules that come with the client, and Mender's own of Debian's package, unmodified.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../client/places.ts';
import { makeArtifact, tar, type Recipe } from '../client/rig/artifact.ts';
import { RigDevice } from '../client/rig/device.ts';
import { continueWith, install } from '../client/standalone/commands.ts';
import { describePeers } from './peers.ts';

const run = promisify(execFile);

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

await describePeers('UC-46 update modules', ['mender-client'], (peer) => {
  describe.each([
    ['ours', join(import.meta.dirname, '..', 'client', 'share', 'modules', 'v3')],
    ["Mender's", join(peer, 'usr', 'share', 'mender', 'modules', 'v3')],
  ])('%s', (origin, folder) => suite(origin, folder));
});

function suite(origin: string, folder: string): void {
  const before = process.env['PATH'];
  beforeEach(() => {
    rmSync(paths.modules(device.places), { recursive: true });
    cpSync(folder, paths.modules(device.places), { recursive: true });
    process.env['PATH'] = `${join(device.root, 'bin')}:${before}`;
  });
  afterEach(() => {
    process.env['PATH'] = before;
  });
  /** A program of the device's own, before those of the machine. */
  const program = (name: string, body: string) =>
    device.write(join(device.root, 'bin', name), `#!/bin/sh\n${body}\n`, 0o755);
  const lines = (file: string) => readFileSync(join(device.root, file), 'utf8').split('\n').filter(Boolean);

  it('deb installs packages, with the real dpkg on a root of its own', async () => {
    const root = join(device.root, 'dpkg-root');
    for (const file of ['status', 'available', 'info/format', 'updates/.keep', 'triggers/.keep'])
      device.write(join(root, 'var', 'lib', 'dpkg', file), file === 'info/format' ? '1\n' : '');
    const package_ = join(device.root, 'hello');
    device.write(
      join(package_, 'DEBIAN', 'control'),
      'Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n',
    );
    device.write(join(package_, 'opt', 'hello'), 'hello\n');
    const deb = join(device.root, 'hello.deb');
    await run('dpkg-deb', ['-b', package_, deb]);
    program('dpkg', `exec /usr/bin/dpkg --root='${root}' --force-not-root "$@"`);
    expect(await put({ type: 'deb', files: { 'hello.deb': readFileSync(deb) } })).toBe(0);
    expect(readFileSync(join(root, 'opt', 'hello'), 'utf8')).toBe('hello\n');
    expect(device.record().artifactName).toBe('release-2');
    expect(await put({ name: 'release-3', type: 'deb', files: { 'bad.deb': 'no package' } })).toBe(1);
  });

  it('docker replaces the containers that run, and goes back', async () => {
    // A stand-in that records what it was asked: no engine is to be had on these machines.
    program(
      'docker',
      `echo "$*" >>'${device.root}/docker'
case $1 in
    ps) cat '${device.root}/running' ;;
    stop) : >'${device.root}/running' ;;
    run) echo "new$(wc -l <'${device.root}/running')" | tee -a '${device.root}/running' ;;
esac`,
    );
    device.write(join(device.root, 'running'), 'old1\nold2\n');
    const recipe: Recipe = {
      type: 'docker',
      files: {},
      metaData: { containers: ['app:2', 'db:3'], run_args: '--net host' },
    };
    expect(await put(recipe)).toBe(0);
    const asked = lines('docker');
    for (const call of [
      'pull app:2',
      'pull db:3',
      'stop old1 old2',
      'run -dt --net host app:2',
      'run -dt --net host db:3',
    ])
      expect(asked).toContain(call);
    if (origin === 'ours') expect(asked.indexOf('pull db:3')).toBeLessThan(asked.indexOf('stop old1 old2'));
    expect(await go('rollback')).toBe(0);
    expect(lines('docker').at(-1)).toBe('start old1 old2');
  });

  it.skipIf(origin !== 'ours')('docker stops nothing when an image cannot be had, or is none', async () => {
    program('docker', `echo "$*" >>'${device.root}/docker'; case $1 in pull | image) exit 1 ;; esac`);
    expect(await put({ type: 'docker', files: {}, metaData: { containers: ['app:2'] } })).toBe(1);
    for (const containers of [[], ['--privileged'], [7], undefined])
      expect(await put({ type: 'docker', files: {}, metaData: containers ? { containers } : {} })).toBe(1);
    expect(lines('docker').filter((call) => !/^(pull|image) /.test(call))).toEqual([]);
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
}
