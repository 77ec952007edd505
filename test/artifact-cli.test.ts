// `patchbay artifact` as its users run it, against the real mender-artifact: what one writes the other takes.
import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patchbayArtifact as patchbay, type Outcome } from './artifact-run.ts';
import { describePeers } from './peers.ts';

let folder: string;
const corpus = join(import.meta.dirname, 'fixtures', 'artifacts');
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'artifact-cli-'));
  process.chdir(folder);
  await writeFile(at('root.img'), Buffer.concat([Buffer.alloc(200_000, 'a line of text\n'), randomBytes(300_000)]));
  await writeFile(at('app.conf'), 'x=1\n');
  await writeFile(at('meta.json'), '{"nested":{"list":["a",3]},"big":9007199254740993}');
  await mkdir(at('scripts'));
  await writeFile(at('scripts/ArtifactInstall_Enter_10_check'), '#!/bin/sh\nexit 0\n');
  await writeFile(at('scripts/ArtifactCommit_Leave_00'), '#!/bin/sh\nexit 0\n');
  for (const [name, pair] of Object.entries({
    rsa: generateKeyPairSync('rsa', { modulusLength: 3072 }),
    ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  })) {
    const form = name === 'rsa' ? ('pkcs1' as const) : ('sec1' as const);
    await writeFile(at(`${name}.key`), pair.privateKey.export({ type: form as 'pkcs1', format: 'pem' }));
    await writeFile(at(`${name}.pub`), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  }
});
afterAll(async () => {
  process.chdir(tmpdir());
  await rm(folder, { recursive: true });
});

function run(program: string, args: readonly string[], input?: Buffer): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd: folder, maxBuffer: 1 << 26 }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 99) : 0, out, err }),
    );
    if (input) child.stdin?.end(input);
  });
}

const launcher = join(import.meta.dirname, '..', 'bin', 'patchbay.js');

const done = (out: string | RegExp = '') => ({ code: 0, out: expect.stringMatching(out) as string, err: '' });
const refused = (code: number, err: RegExp) => ({ code, out: '', err: expect.stringMatching(err) as string });

await describePeers('patchbay artifact and mender-artifact', ['mender-artifact'], (root) => {
  const mender = (...args: string[]) => run(join(root, 'usr', 'bin', 'mender-artifact'), args);
  const common = ['-n', 'release-2', '-t', 'board-a', '-t', 'board-b'];

  test.each(['none', 'gzip', 'lzma'])(
    'a rootfs-image that we write with compression %s is valid for it',
    async (name) => {
      const args = ['-f', 'root.img', '-s', 'scripts', '--compression', name, '-o', `ours-${name}.mender`];
      expect(await patchbay('write', 'rootfs-image', ...common, ...args)).toEqual(done());
      expect(await mender('validate', `ours-${name}.mender`)).toMatchObject(done('validated successfully'));
      const { out } = await mender('read', `ours-${name}.mender`);
      expect(out).toContain("Compatible devices: '[board-a board-b]'");
      expect(out).toMatch(/ArtifactCommit_Leave_00\n\s+ArtifactInstall_Enter_10_check/);
      expect(out).toMatch(/rootfs-image.checksum: [0-9a-f]{64}\n\s+rootfs-image.version: release-2/);
      expect(out).toContain('Clears Provides: ["artifact_group", "rootfs_image_checksum", "rootfs-image.*"]');
    },
  );

  test.each(['none', 'gzip', 'lzma'])(
    'a rootfs-image that it writes with compression %s is valid for us',
    async (name) => {
      const args = ['-f', 'root.img', '-s', 'scripts', '--compression', name, '-o', `theirs-${name}.mender`];
      expect(await mender('write', 'rootfs-image', ...common, ...args)).toMatchObject({ code: 0 });
      expect(await patchbay('validate', `theirs-${name}.mender`)).toEqual(done('validated successfully'));
      expect(await patchbay('read', `theirs-${name}.mender`)).toEqual(done('Compatible types: \\[board-a, board-b\\]'));
    },
  );

  test('both make the same of a module-image with everything in it', async () => {
    const options = [
      ['-n', 'mod-1', '-t', 'board-a', '-T', 'my-module', '-f', 'app.conf', '-f', 'root.img', '-g', 'canary'],
      ['-N', 'release-1', '-G', 'stable', '-p', 'my.key:a:b', '-d', 'other:1', '--clears-provides', 'my.*'],
      ['--software-name', 'app', '--software-version', '7', '--software-filesystem', 'data', '-s', 'scripts'],
    ];
    const args = options.flat();
    expect(await patchbay('write', 'module-image', ...args, '-o', 'ours.mender')).toEqual(done());
    expect(await mender('write', 'module-image', ...args, '-o', 'theirs.mender')).toMatchObject({ code: 0 });
    const [ours, theirs] = [await mender('read', 'ours.mender'), await mender('read', 'theirs.mender')];
    // It packs state scripts in no particular order.
    const lines = ({ out }: Outcome) => out.split('\n').sort();
    expect(lines(ours)).toEqual(lines(theirs));
    expect(await patchbay('read', '--json', 'ours.mender')).toEqual(
      await patchbay('read', '--json', 'theirs.mender').then(sortedScripts),
    );
  });

  test.each([
    ['rootfs-image', '-p rootfs-image.version:P --software-version S'],
    ['rootfs-image', '--software-version S -p rootfs-image.version:P'],
    ['rootfs-image', '-p rootfs-image.foo.version:P -p a:1 --software-name foo -p a:2'],
    ['rootfs-image', '--software-name foo -p rootfs-image.foo.version:P'],
    ['module-image -T my', '-p data.my.version:P --software-filesystem data'],
    ['module-image -T my', '--software-filesystem=data -p data.my.version:P'],
  ])('both let the later of two versions count: write %s %s', async (kind, said) => {
    const args = `write ${kind} ${said}`.split(' ').concat(common, '-f', 'root.img', '-o');
    expect(await patchbay(...args, 'ours.mender')).toEqual(done());
    expect(await mender(...args, 'theirs.mender')).toMatchObject({ code: 0 });
    expect((await mender('read', 'ours.mender')).out).toBe((await mender('read', 'theirs.mender')).out);
  });

  test('both make the same of a rootfs-image in format 2', async () => {
    const args = [...common, '-v', '2', '-f', 'root.img', '-s', 'scripts', '-o'];
    expect(await patchbay('write', 'rootfs-image', ...args, 'ours.mender')).toEqual(done());
    expect(await mender('write', 'rootfs-image', ...args, 'theirs.mender')).toMatchObject({ code: 0 });
    expect(await mender('validate', 'ours.mender')).toMatchObject({ code: 0 });
    const lines = ({ out }: Outcome) => out.split('\n').sort();
    expect(lines(await mender('read', 'ours.mender'))).toEqual(lines(await mender('read', 'theirs.mender')));
    expect(lines(await patchbay('read', 'ours.mender'))).toEqual(lines(await patchbay('read', 'theirs.mender')));
  });

  test.each(['none', 'gzip', 'lzma'])('both make the same of an augmented artifact (%s)', async (name) => {
    const args = [
      ['-n', 'aug', '-t', 'b', '-T', 'base', '-f', 'app.conf', '-k', 'ec.key', '--compression', name],
      [
        '--augment-type',
        'delta',
        '--augment-file',
        'root.img',
        '--augment-provides',
        'x:1',
        '--augment-depends',
        'y:2',
      ],
    ].flat();
    expect(await patchbay('write', 'module-image', ...args, '-o', 'ours.mender')).toEqual(done());
    expect(await mender('write', 'module-image', ...args, '-o', 'theirs.mender')).toMatchObject({ code: 0 });
    expect(await mender('validate', '-k', 'ec.pub', 'ours.mender')).toMatchObject({ code: 0 });
    expect((await mender('read', 'ours.mender')).out).toBe((await mender('read', 'theirs.mender')).out);
    expect((await patchbay('read', 'ours.mender')).out).toBe((await patchbay('read', 'theirs.mender')).out);
  });

  test('both make the same of a bootstrap-artifact', async () => {
    const args = [...common, '-g', 'factory', '-p', 'rootfs-image.version:1', '--clears-provides', 'rootfs-image.*'];
    expect(await patchbay('write', 'bootstrap-artifact', ...args, '-o', 'ours.mender')).toEqual(done());
    expect(await mender('write', 'bootstrap-artifact', ...args, '-o', 'theirs.mender')).toMatchObject({ code: 0 });
    expect(await mender('validate', 'ours.mender')).toMatchObject({ code: 0 });
    expect((await mender('read', 'ours.mender')).out).toBe((await mender('read', 'theirs.mender')).out);
    expect((await patchbay('read', 'ours.mender')).out).toBe((await patchbay('read', 'theirs.mender')).out);
  });

  test.each(['rsa', 'ec'])('a signature with an %s key holds for the other, at writing and afterwards', async (key) => {
    const args = ['-f', 'root.img', '-k', `${key}.key`, '-o'];
    expect(await patchbay('write', 'rootfs-image', ...common, ...args, 'ours.mender')).toEqual(done());
    expect(await mender('validate', '-k', `${key}.pub`, 'ours.mender')).toMatchObject({ code: 0 });
    expect(await mender('write', 'rootfs-image', ...common, ...args, 'theirs.mender')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', '-k', `${key}.pub`, 'theirs.mender')).toEqual(done('validated'));

    expect(await mender('write', 'rootfs-image', ...common, '-f', 'root.img', '-o', 'plain.mender')).toMatchObject({
      code: 0,
    });
    expect(await patchbay('sign', '-k', `${key}.key`, '-o', 'signed.mender', 'plain.mender')).toEqual(done());
    expect(await mender('validate', '-k', `${key}.pub`, 'signed.mender')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', 'plain.mender')).toEqual(done('validated'));
  });

  test('what it modifies we take, and what we modify it takes', async () => {
    await copyFile(join(corpus, 'valid', 'rootfs-ext4-scripts.mender'), at('image.mender'));
    await chmod(at('image.mender'), 0o640);
    expect(await patchbay('modify', '-n', 'renamed', '--clears-provides', 'x.*', '-G', 'g', 'image.mender')).toEqual(
      done(),
    );
    expect(await mender('validate', 'image.mender')).toMatchObject({ code: 0 });
    expect(await mender('cat', 'image.mender:/etc/mender/artifact_info')).toMatchObject({
      out: 'artifact_name=renamed\n',
    });
    expect((await stat(at('image.mender'))).mode & 0o777).toBe(0o640);
    expect(await mender('install', '-m', '600', 'app.conf', 'image.mender:/etc/app.conf')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', 'image.mender')).toEqual(done('validated'));
    expect(await patchbay('cat', 'image.mender:/etc/app.conf')).toEqual(done('^x=1\n$'));
  });

  test('the arguments that dump prints make the same artifact again, here and there', async () => {
    const args = [
      '-T',
      'my-module',
      '-f',
      'app.conf',
      '-m',
      'meta.json',
      '-d',
      'k:v',
      '-s',
      'scripts',
      '-o',
      'a.mender',
    ];
    expect(await patchbay('write', 'module-image', ...common, ...args)).toEqual(done());
    const parts = ['--files', 'd/files', '--scripts', 'd/scripts', '--meta-data', 'd/meta'];
    const { out } = await patchbay('dump', '--print0-cmdline', ...parts, 'a.mender');
    const words = out.split('\0').slice(0, -1);
    expect(await patchbay(...words, '--output-path', 'b.mender')).toEqual(done());
    expect((await patchbay('read', 'b.mender')).out.replaceAll(/modified: .*/g, '')).toBe(
      (await patchbay('read', 'a.mender')).out.replaceAll(/modified: .*/g, ''),
    );
    expect(await readFile(at('d/meta/0000.meta-data'), 'utf8')).toBe(await readFile(at('meta.json'), 'utf8'));
    expect(await mender(...words, '--output-path', 'c.mender')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', 'c.mender')).toEqual(done('validated'));
  });

  test.each([
    ['single-file', ['--dest-dir', '/etc/app', 'app.conf'], ['dest_dir', 'filename', 'permissions', 'app.conf']],
    ['directory', ['--dest-dir', '/srv', 'scripts'], ['dest_dir', 'update.tar']],
    ['script', ['scripts/ArtifactCommit_Leave_00'], ['ArtifactCommit_Leave_00']],
  ] as const)('an artifact for the stock module %s is valid for it', async (name, args, files) => {
    expect(await patchbay('write', name, '-n', 'gen', '-t', 'b', '-o', 'g.mender', ...args)).toEqual(done());
    expect(await mender('validate', 'g.mender')).toMatchObject({ code: 0 });
    const { out } = await patchbay('read', '--json', 'g.mender');
    expect(JSON.parse(out)).toMatchObject({ type: name, files: files.map((file) => ({ name: file })) });
  });
});

function sortedScripts(outcome: Outcome): Outcome {
  const description = JSON.parse(outcome.out) as { scripts: string[] };
  description.scripts.sort();
  return { ...outcome, out: `${JSON.stringify(description, null, 2)}\n` };
}

describe('patchbay artifact', () => {
  const write = ['write', 'module-image', '-n', 'm', '-c', 'b', '-T', 'x'];

  test('zstd is what the zstd program decompresses', async () => {
    const args = ['--compression', 'zstd_better', '-f', 'root.img', '-o', 'z.mender'];
    expect(await patchbay('write', 'rootfs-image', '-n', 'z', '-c', 'b', ...args)).toEqual(done());
    expect(await run('tar', ['xf', 'z.mender'])).toEqual(done());
    expect(await run('zstd', ['-dqf', 'data/0000.tar.zst', 'header.tar.zst'])).toEqual(done());
    expect(await run('tar', ['xf', 'data/0000.tar', '-O', 'root.img'])).toMatchObject({ code: 0 });
    expect(await patchbay('validate', 'z.mender')).toEqual(done('validated'));
  });

  test('a payload comes from a pipe, and the artifact goes into one', async () => {
    const command = `printf hello | '${process.execPath}' '${launcher}' artifact ${write.join(' ')} -f - -o - > piped.mender`;
    expect(await run('sh', ['-c', command])).toEqual(done());
    const { out } = await patchbay('read', '--json', 'piped.mender');
    expect(JSON.parse(out)).toMatchObject({ files: [{ name: 'stdin', size: 5 }] });
  });

  test('the program itself says what is wrong and ends with the code', async () => {
    const outcome = await run(process.execPath, [launcher, 'artifact', 'validate', 'nothere.mender']);
    expect(outcome).toEqual(
      refused(4, /^patchbay artifact: nothere.mender: cannot be opened: no such file or directory\n$/),
    );
  });

  test('two runs give the same bytes', async () => {
    const args = [...write, '-f', 'root.img', '-s', 'scripts', '--timestamp', '1700000000', '-o'];
    await patchbay(...args, 'one.mender');
    await patchbay(...args, 'two.mender');
    expect((await readFile(at('one.mender'))).equals(await readFile(at('two.mender')))).toBe(true);
    expect((await patchbay('read', 'one.mender')).out).toContain('modified: 2023-11-14 22:13:20 +0000 UTC');
  });

  test.each([
    ['no argument', ['validate'], 1, /missing required argument/],
    ['an unknown command', ['frobnicate'], 3, /unknown command 'frobnicate'/],
    [
      'a file that is not there',
      ['validate', 'nothere.mender'],
      4,
      /^patchbay artifact: nothere.mender: cannot be opened/,
    ],
    ['a required option that is missing', ['write', 'module-image', '-n', 'a', '-c', 'b'], 1, /--type/],
    ['no device type', ['write', 'module-image', '-n', 'a', '-T', 'b'], 1, /no device type/],
    ['a pair without a colon', [...write, '-p', 'x'], 1, /--provides x: must be KEY:VALUE/],
    ['a payload that is not there', [...write, '-f', 'nothere'], 1, /nothere: cannot be read: no such file/],
    ['an output that cannot be made', [...write, '-o', 'no/such/folder.mender'], 3, /cannot be created/],
    ['format 2', [...write, '-v', '2'], 2, /--version 2: that format is not written/],
    [
      'a size over the limit',
      [...write, '-f', 'root.img', '--max-artifact-size', '10KB'],
      3,
      /larger than 10000 bytes/,
    ],
    ['a key that is none', [...write, '-k', 'app.conf'], 1, /app.conf: not a PEM private key/],
    ['a script of no state', [...write, '-s', 'app.conf'], 1, /not a state script's name/],
    ['meta-data that is a list', [...write, '-m', join(corpus, 'README.md')], 1, /meta-data is not JSON/],
  ])('%s ends with the code that users know, and one line', async (_, args, code, line) => {
    const before = (await readdir(folder)).sort();
    const outcome = await patchbay(...args);
    expect(outcome).toEqual(refused(code, line));
    expect(outcome.err.trim().split('\n')).toHaveLength(1);
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  test.each([
    ['malformed/flip-payload-byte-none.mender', 5, /payload 0000: file \S+: checksum differs from manifest/],
    ['malformed/version-9.mender', 2, /format 9 is not supported/],
    ['malformed/two-payloads.mender', 6, /several payloads/],
    ['valid/module-signed-ecdsa-p256.mender', 5, /manifest.sig: there is a signature, but no key/],
  ])('validate refuses %s', async (file, code, line) => {
    expect(await patchbay('validate', join(corpus, file))).toEqual(refused(code, line));
  });

  test('validate with a key refuses an artifact without a signature, and read takes it', async () => {
    const file = join(corpus, 'valid', 'module-multi-file.mender');
    const key = join(corpus, 'keys', 'ecdsa-p256.public.pem');
    expect(await patchbay('validate', '-k', key, file)).toEqual(refused(5, /manifest.sig: missing/));
    expect(await patchbay('read', '-k', key, file)).toEqual(done('Signature: no signature'));
    expect(await patchbay('read', join(corpus, 'malformed', 'empty-file.mender'))).toMatchObject({ code: 1 });
  });

  test('a key that is none is named', async () => {
    const file = join(corpus, 'valid', 'module-no-clears.mender');
    for (const command of ['validate', 'read', 'sign'])
      expect(await patchbay(command, '-k', 'app.conf', file)).toEqual(
        refused(1, /: app.conf: not a PEM (public|private) key/),
      );
  });

  test('an altered artifact is not signed, and a signed one only by force', async () => {
    const broken = join(corpus, 'malformed', 'flip-payload-byte-none.mender');
    expect(await patchbay('sign', '-k', 'ec.key', '-o', 's.mender', broken)).toEqual(refused(1, /checksum differs/));
    await patchbay(...write, '-k', 'ec.key', '-o', 's.mender');
    expect(await patchbay('sign', '-k', 'rsa.key', 's.mender')).toEqual(refused(1, /signed already/));
    expect(await patchbay('sign', '--force', '-k', 'rsa.key', 's.mender')).toEqual(done());
    expect(await patchbay('validate', '-k', 'rsa.pub', 's.mender')).toEqual(done('validated'));
  });

  test('files of an image come out, go in and go away', async () => {
    await copyFile(join(corpus, 'valid', 'rootfs-ext4-scripts.mender'), at('fs.mender'));
    expect(await patchbay('cat', 'fs.mender:/etc/motd')).toEqual(done('^welcome\n$'));
    expect(await patchbay('cp', 'app.conf', 'fs.mender:/etc/motd')).toEqual(done());
    expect(await patchbay('cp', 'fs.mender:/etc/motd', 'motd')).toEqual(done());
    expect(await readFile(at('motd'), 'utf8')).toBe('x=1\n');
    expect(await patchbay('install', '-d', 'fs.mender:/opt')).toEqual(done());
    expect(await patchbay('install', '-m', '0755', 'app.conf', 'fs.mender:/opt/app')).toEqual(done());
    expect(await patchbay('rm', 'fs.mender:/opt')).toEqual(refused(1, /fs.mender:\/opt: is a folder, use -r/));
    expect(await patchbay('rm', '-r', 'fs.mender:/opt')).toEqual(done());
    expect(await patchbay('cat', 'fs.mender:/opt/app')).toEqual(refused(1, /fs.mender:\/opt\/app: no such file/));
    expect(await patchbay('validate', 'fs.mender')).toEqual(done('validated'));
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in the middle of writing leaves no file behind',
    async (signal) => {
      await mkdir(at(signal));
      // Takes no room on the disk, and seconds to compress.
      await writeFile(at(`${signal}.img`), '');
      await truncate(at(`${signal}.img`), 1 << 30);
      const args = [
        '-n',
        'n',
        '-t',
        'b',
        '-f',
        at(`${signal}.img`),
        '--compression',
        'gzip_best',
        '-o',
        at(`${signal}/x`),
      ];
      const child = spawn(process.execPath, [launcher, 'artifact', 'write', 'rootfs-image', ...args], {
        stdio: 'ignore',
      });
      const ended = once(child, 'exit');
      while ((await readdir(at(signal))).length === 0) await pause(5);
      child.kill(signal);
      expect(await ended).toEqual([1, null]);
      expect(await readdir(at(signal))).toEqual([]);
    },
  );

  test('a broken artifact leaves no file behind', async () => {
    const broken = join(corpus, 'malformed', 'flip-payload-byte-none.mender');
    expect(await patchbay('dump', '--files', 'dumped', broken)).toMatchObject({ code: 5 });
    expect(await readdir(at('dumped'))).toEqual([]);
  });
});
