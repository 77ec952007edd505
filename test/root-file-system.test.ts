// Root file systems in two places: real loop devices, the real tools of U-Boot and GRUB, and everything that can go wrong.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PayloadFile } from '#artifact';
import { readBack } from '../client/rootfs/image-writer.ts';
import { RootfsImage, type RootfsOptions } from '../client/rootfs/rootfs-image.ts';
import { makeArtifact } from '../client/rig/artifact.ts';
import { RigDevice } from '../client/rig/device.ts';
import { RigLog } from '../client/rig/log.ts';
import { describePeers } from './peers.ts';
import { LoopDevice, loopsMissing } from './stage/loop-device.ts';
import { eventually, Program } from './stage/program.ts';
import { TwoRoots, type BootLoader } from './stage/two-roots.ts';

const run = promisify(execFile);
const signal = new AbortController().signal;
const path = process.env['PATH'];

let machine: TwoRoots;
let log: RigLog;

/** The client's part, as a client that has just started has it. */
function rootfs(config: Partial<RootfsOptions['config']> = {}, timeout = 60_000): RootfsImage {
  const { a, b } = machine.devices;
  log = new RigLog();
  return new RootfsImage({
    config: { RootfsPartA: a, RootfsPartB: b, RootfsReadBack: false, ...config },
    tree: join(machine.folder, 'store', 'tree'),
    timeout,
    log,
    system: machine.system,
  });
}

async function* payload(
  file: string,
  { size, last }: { size?: number; last?: () => void } = {},
): AsyncGenerator<PayloadFile> {
  const bytes = await readFile(file);
  async function* content() {
    for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
    last?.();
  }
  const checksum = createHash('sha256').update(bytes).digest('hex');
  yield { name: basename(file), size: size ?? bytes.length, modified: 0, checksum, content: content() };
}

/** Bytes that the kernel has written to B so far; loop devices count on when they are taken again. */
function writes(): number {
  const fields = readFileSync(`/sys/block/${basename(machine.devices.b)}/stat`, 'utf8')
    .trim()
    .split(/\s+/);
  return Number(fields[6]) * 512;
}
let before = 0;
const written = (): number => writes() - before;

async function begin(bootLoader: BootLoader): Promise<void> {
  machine = await TwoRoots.open({ bootLoader });
  before = writes();
  process.env['PATH'] = `${machine.bin}:${path}`;
  await mkdir(join(machine.folder, 'store', 'tree', 'tmp'), { recursive: true });
}
async function end(): Promise<void> {
  process.env['PATH'] = path;
  await machine[Symbol.asyncDispose]();
}

/** Downloads and installs an image, so that the next start is its trial. */
async function installed(release = 'new'): Promise<void> {
  await rootfs().receive(payload(await machine.image(release)), signal);
  await rootfs().call('ArtifactInstall', signal);
}

const packages = ['libubootenv-tool', 'grub-common'];
await describePeers('a root file system', packages, suite, loopsMissing());

function suite(): void {
  describe.each<BootLoader>(['U-Boot', 'GRUB'])('started by %s', (bootLoader) => {
    beforeEach(() => begin(bootLoader));
    afterEach(end);

    it('UC-92 is written beside the running one, tried once, and committed', async () => {
      expect(await machine.state()).toBe('a 0 0');
      await installed();
      expect(await machine.state()).toBe('b 1 0');
      expect(await rootfs().ask('NeedsArtifactReboot', ['Yes', 'No', 'Automatic'], signal)).toBe('Automatic');
      expect(await machine.boot()).toBe('b');
      expect(await machine.state()).toBe('b 1 1');
      expect(await machine.release()).toBe('new');
      await rootfs().call('ArtifactVerifyReboot', signal);
      await rootfs().readyToCommit();
      await rootfs().call('ArtifactCommit', signal);
      expect(await machine.state()).toBe('b 0 1');
      expect(await machine.boot()).toBe('b');
    });

    it('UC-92 cannot be committed before it runs', async () => {
      await installed();
      await expect(rootfs().readyToCommit()).rejects.toThrow('does not run yet: reboot, then commit');
      await expect(rootfs().call('ArtifactCommit', signal)).rejects.toThrow('new root file system does not run');
      await expect(rootfs().call('ArtifactVerifyReboot', signal)).rejects.toThrow('new root file system does not run');
      expect(await machine.state()).toBe('b 1 0');
    });

    it('UC-93 that does not come up is left by the boot loader, and the client finds itself back', async () => {
      await installed();
      await machine.boot();
      expect(await machine.boot()).toBe('a');
      expect(await machine.state()).toBe('a 0 0');
      await expect(rootfs().call('ArtifactVerifyReboot', signal)).rejects.toThrow('boot loader has gone back');
      await expect(rootfs().call('ArtifactCommit', signal)).rejects.toThrow('boot loader has gone back');
      // ask-35: a rollback now must not go forward to the one that failed.
      await rootfs().call('ArtifactRollback', signal);
      expect(await machine.state()).toBe('a 0 0');
      // The old system runs already: it is not interrupted once more.
      expect(await rootfs().ask('NeedsArtifactReboot', ['Yes', 'No', 'Automatic'], signal)).toBe('No');
      await rootfs().call('ArtifactVerifyRollbackReboot', signal);
    });

    it.each([
      ['before the reboot', 'a', async () => undefined],
      ['during the trial', 'b', async () => void (await machine.boot())],
      [
        'after a commit that the journal missed',
        'b',
        async () => {
          await machine.boot();
          await rootfs().call('ArtifactCommit', signal);
        },
      ],
    ])('goes back when asked to %s', async (_, runs, until) => {
      await installed();
      await until();
      expect(machine.runs).toBe(runs);
      await rootfs().call('ArtifactRollback', signal);
      expect(await machine.state()).toBe('a 0 0');
      if (runs === 'b')
        await expect(rootfs().call('ArtifactVerifyRollbackReboot', signal)).rejects.toThrow('old root file system');
      await rootfs().call('ArtifactRollback', signal); // a power cut may ask twice
      expect(await machine.boot()).toBe('a');
      expect(await machine.release()).toBe('old');
      await rootfs().call('ArtifactVerifyRollbackReboot', signal);
      expect(await rootfs().ask('NeedsArtifactReboot', ['Yes', 'No', 'Automatic'], signal)).toBe('No');
    });

    it('goes back by what the boot loader knows when the work folder is lost, and leaves well alone', async () => {
      await installed();
      await machine.boot();
      await rm(join(machine.folder, 'store', 'tree'), { recursive: true });
      await rootfs().call('ArtifactRollback', signal);
      expect(await machine.state()).toBe('a 0 0');
      await rootfs().call('ArtifactRollback', signal);
      expect(await machine.state()).toBe('a 0 0');
      expect(log.text()).toContain('starts the old root file system already');
    });

    it('leaves the way back to the boot loader when its own configuration is gone', async () => {
      await installed();
      await machine.boot();
      await rm(join(machine.folder, 'store', 'tree'), { recursive: true });
      await rootfs({ RootfsPartA: '' }).call('ArtifactRollback', signal);
      expect(await machine.state()).toBe('b 1 1');
      expect(await machine.boot()).toBe('a');
    });

    it('UC-96 is refused while an installed one waits for its commit', async () => {
      await installed();
      await expect(rootfs().receive(payload(await machine.image('third')), signal)).rejects.toThrow(
        'waits for its commit (upgrade_available is 1)',
      );
      expect(await machine.state()).toBe('b 1 0');
    });

    it('UC-96 is refused while the boot loader starts another than the running one', async () => {
      const image = await machine.image('new');
      await machine.set({ mender_boot_part: machine.numberOf('b') });
      await expect(rootfs().receive(payload(image), signal)).rejects.toThrow(
        `is ${machine.devices.a}, but the boot loader starts ${machine.devices.b}`,
      );
      await machine.set({ mender_boot_part: '77' });
      await expect(rootfs().receive(payload(image), signal)).rejects.toThrow('starts partition 77, which is neither');
      await machine.set({ mender_boot_part: '' });
      await expect(rootfs().call('ArtifactInstall', signal)).rejects.toThrow('starts partition (none)');
      expect(written()).toBe(0);
    });

    it('UC-96 is refused when the boot loader reads another environment than its tools write', async () => {
      await machine.set({ mender_check_saveenv_canary: '1' });
      await expect(rootfs().receive(payload(await machine.image('new')), signal)).rejects.toThrow(
        'mender_saveenv_canary',
      );
      await machine.set({ mender_saveenv_canary: '1' });
      await installed();
      expect(await machine.state()).toBe('b 1 0');
    });

    it.each([
      ['fails', 'echo "storage is worn out" >&2; exit 3', 'ended with 3: storage is worn out'],
      ['says it did and has not', 'exit 0', 'but has not'],
      ['is killed', 'kill -9 $$', 'ended with SIGKILL'],
    ])(
      'a tool that sets nothing because it %s fails the installation, and the old one starts',
      async (_, script, words) => {
        await rootfs().receive(payload(await machine.image('new')), signal);
        await machine.tool(machine.tools[1], script);
        await expect(rootfs().call('ArtifactInstall', signal)).rejects.toThrow(words);
        await machine.repairTool(machine.tools[1]);
        await rootfs().call('ArtifactRollback', signal);
        expect(await machine.state()).toBe('a 0 0');
        expect(await machine.boot()).toBe('a');
      },
    );

    it('a tool that reads nothing stops everything, untouched', async () => {
      await machine.tool(machine.tools[0], 'echo "no such storage" >&2; exit 1');
      await expect(rootfs().receive(payload(await machine.image('new')), signal)).rejects.toThrow('no such storage');
      expect(written()).toBe(0);
      expect(await machine.state()).toBe('a 0 0');
    });
  });

  describe('written to its partition', () => {
    beforeEach(() => begin('U-Boot'));
    afterEach(end);

    it('UC-95 a second time writes only what differs', async () => {
      const image = await machine.image('new');
      await rootfs().receive(payload(image), signal);
      const once = written();
      expect(once).toBeGreaterThan(500_000);
      await rootfs().receive(payload(image), signal);
      expect(written()).toBe(once);
      expect(log.text()).toContain('"same":4194304');
      // One byte in the middle, and one in the last block.
      const handle = await open(image, 'r+');
      await handle.write('x', 1_500_000);
      await handle.write('y', 4 * 1024 * 1024 - 1);
      await handle.close();
      await rootfs().receive(payload(image), signal);
      expect(written() - once).toBe(2 * 64 * 1024);
      expect((await readFile(machine.devices.b)).equals(await readFile(image))).toBe(true);
    });

    it('is whole on the disk, the odd end too, and what lies behind it stays', async () => {
      const { b } = machine.devices;
      const old = await readFile(b);
      const image = join(machine.folder, 'odd');
      const bytes = Buffer.alloc(2_345_678, 'patchbay');
      await writeFile(image, bytes);
      await rootfs({ RootfsReadBack: true }).receive(payload(image), signal);
      const after = await readFile(b);
      expect(after.subarray(0, bytes.length).equals(bytes)).toBe(true);
      expect(after.subarray(bytes.length).equals(old.subarray(bytes.length))).toBe(true);
      expect(log.text()).toContain('root file system read back');
    });

    it('read back, says when the disk holds something else', async () => {
      const wrong = createHash('sha256').update('something else').digest('hex');
      await expect(readBack(machine.devices.b, 1000, wrong, () => undefined)).rejects.toThrow('replace the disk');
    });

    it('UC-94 is refused before a byte is written when it is larger', async () => {
      const image = await machine.image('big', 5);
      await expect(rootfs().receive(payload(image), signal)).rejects.toThrow('image of 5242880 bytes does not fit');
      expect(written()).toBe(0);
      expect(await machine.state()).toBe('a 0 0');
    });

    it('UC-94 that is read-only refuses, and nothing is changed', async () => {
      await run('blockdev', ['--setro', machine.devices.b]);
      await expect(rootfs().receive(payload(await machine.image('new')), signal)).rejects.toThrow('is read-only');
      await run('blockdev', ['--setrw', machine.devices.b]);
      expect(await machine.state()).toBe('a 0 0');
    });

    it('UC-94 whose disk fails while it is written fails the download, boot variables untouched', async () => {
      // A device promises more than the storage behind it has, as a worn-out card does.
      const small = join(machine.folder, 'small');
      await mkdir(small);
      await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
      await run('truncate', ['-s', '4M', join(small, 'card')]);
      const card = new LoopDevice(join(small, 'card'));
      try {
        const image = join(machine.folder, 'noise');
        await writeFile(image, randomBytes(3 * 1024 * 1024));
        await expect(rootfs({ RootfsPartB: card.path }).receive(payload(image), signal)).rejects.toThrow(
          /cannot write \/dev\/loop\d+: EIO/,
        );
      } finally {
        card[Symbol.dispose]();
        await run('umount', ['-l', small]);
      }
      expect(await machine.state()).toBe('a 0 0');
    });

    it('that is mounted is never written', async () => {
      const { b } = machine.devices;
      const image = await machine.image('new');
      await rootfs().receive(payload(image), signal);
      const place = join(machine.folder, 'mounted');
      await mkdir(place);
      await run('mount', ['-o', 'ro', b, place]);
      await expect(rootfs().receive(payload(image), signal)).rejects.toThrow(`${b} is in use: unmount it`);
      await run('umount', [place]);
      await rootfs().receive(payload(image), signal);
    });

    it('ends early or takes for ever: an error that says so', async () => {
      const image = await machine.image('new');
      const short = await machine.image('short', 3);
      await expect(rootfs().receive(payload(short, { size: 3 * 1024 * 1024 + 5 }), signal)).rejects.toThrow(
        'ended after 3145728 of 3145733 bytes',
      );
      await expect(rootfs({}, -1).receive(payload(image), signal)).rejects.toThrow('ModuleTimeoutSeconds');
      const stop = new AbortController();
      stop.abort(new Error('stopped'));
      await expect(rootfs().receive(payload(image), stop.signal)).rejects.toThrow('stopped');
      expect(await machine.state()).toBe('a 0 0');
    });

    it('a checksum that is wrong at the very end fails the download, boot variables untouched', async () => {
      const image = await machine.image('new');
      const wrong = () => {
        throw new Error('checksum differs from manifest');
      };
      await expect(rootfs().receive(payload(image, { last: wrong }), signal)).rejects.toThrow('checksum');
      expect(await machine.state()).toBe('a 0 0');
    });

    it('more than one image, or none, is refused', async () => {
      const image = await machine.image('new');
      async function* two() {
        yield* payload(image);
        yield* payload(image);
      }
      await expect(rootfs().receive(two(), signal)).rejects.toThrow('more than one image');
      async function* none() {}
      await expect(rootfs().receive(none(), signal)).rejects.toThrow('no image');
    });
  });

  it('U-Boot tools of the old kind, which want a blank between name and value, are served too', async () => {
    await begin('U-Boot');
    try {
      // Takes lines of the other form for nothing and says nothing, as these tools do.
      await machine.tool(
        'fw_setenv',
        `if [ "$1" = -s ]; then
  grep -v = | while read -r name value; do "$real" "$name" "$value"; done
else exec "$real" "$@"; fi`,
      );
      await installed();
      expect(await machine.state()).toBe('b 1 0');
    } finally {
      await end();
    }
  });

  it('UC-92 UC-97 by hand: install, a commit that comes too early is refused, reboot, commit', async () => {
    await using board = await TwoRoots.open({ bootLoader: 'U-Boot', inhabited: true });
    const { a, b } = board.devices;
    using device = new RigDevice({ RootfsPartA: a, RootfsPartB: b });
    device.installed('release-1');
    const artifact = join(board.folder, 'release-2.mender');
    const image = await readFile(await board.image('new'));
    await writeFile(artifact, makeArtifact({ type: 'rootfs-image', files: { image } }));
    const client = async (...args: string[]) => {
      const child = device.spawn(args, board.environment(), (command) => board.inside(command));
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, said };
    };
    const installing = await client('install', '--reboot-exit-code', artifact);
    expect(installing.said).toContain('Installed, but not committed.');
    expect(installing.said).toContain('requested a reboot');
    expect(installing.code).toBe(4);
    expect(await client('commit')).toMatchObject({ code: 1, said: expect.stringContaining('reboot, then commit') });
    expect(await board.state()).toBe('b 1 0');
    expect(await board.boot()).toBe('b');
    expect(await client('commit')).toEqual({ code: 0, said: 'Committed.\n' });
    expect(await board.state()).toBe('b 0 1');
    expect(device.record()).toMatchObject({ artifactName: 'release-2' });
  });

  describe('the GRUB environment', () => {
    beforeEach(() => begin('GRUB'));
    afterEach(end);
    const copy = (number: 1 | 2, file: string) =>
      join(machine.folder, 'grub-mender-grubenv', `mender_grubenv${number}`, file);

    it.each([1, 2] as const)(
      'copy %i, half changed by a power cut, is not believed, and is restored',
      async (number) => {
        await writeFile(copy(number, 'env'), Buffer.alloc(1024, 'x'));
        await writeFile(copy(number, 'lock'), '');
        expect(await machine.state()).toBe('a 0 0');
        await installed();
        expect(await machine.state()).toBe('b 1 0');
        expect(await readFile(copy(1, 'env'))).toEqual(await readFile(copy(2, 'env')));
        expect(await readFile(copy(1, 'lock'))).toEqual(await readFile(copy(2, 'lock')));
      },
    );

    it('both copies damaged: nothing is installed, exit 2', async () => {
      for (const number of [1, 2] as const) await writeFile(copy(number, 'lock'), '');
      await expect(rootfs().receive(payload(await machine.image('new')), signal)).rejects.toThrow(
        /grub-mender-grubenv-print ended with 2: both copies/,
      );
    });

    it('power cut after any write of its files leaves one copy whole', async () => {
      // The n-th overwriting is the last thing that happens.
      for (let cut = 1; ; cut += 1) {
        const count = join(machine.folder, 'count');
        await rm(count, { force: true });
        await writeFile(
          join(machine.bin, 'dd'),
          `#!/bin/sh
echo >>'${count}'
/bin/dd "$@"
[ "$(wc -l <'${count}')" -ge ${cut} ] && kill -9 $PPID
exit 0
`,
          { mode: 0o755 },
        );
        const { code } = await run(join(machine.bin, machine.tools[1]), ['upgrade_available', String(cut % 2)], {
          env: machine.environment(),
        }).then(
          () => ({ code: 0 }),
          () => ({ code: 1 }),
        );
        await rm(join(machine.bin, 'dd'));
        const { mender_boot_part } = await machine.variables();
        expect(mender_boot_part).toBe(machine.numberOf('a'));
        if (code === 0) {
          expect(cut).toBeGreaterThan(6);
          break;
        }
      }
      await machine.set({ upgrade_available: '0' });
      await installed();
      expect(await machine.state()).toBe('b 1 0');
    });
  });

  it('no boot loader tools at all: said, with what to install', async () => {
    await begin('U-Boot');
    try {
      process.env['PATH'] = join(machine.folder, 'nothing');
      if (!existsSync('/usr/bin/fw_printenv') && !existsSync('/usr/bin/grub-mender-grubenv-print'))
        await expect(rootfs().call('ArtifactInstall', signal)).rejects.toThrow('install fw_printenv and fw_setenv');
    } finally {
      await end();
    }
  });

  it('a program that is ended by a signal leaves no device, mount or folder of its machine behind', async () => {
    const source = `const { TwoRoots } = await import('./test/stage/two-roots.ts');
const { folder, devices } = await TwoRoots.open({ bootLoader: 'U-Boot' });
console.log(JSON.stringify({ folder, ...devices }));
setInterval(() => undefined, 1e6);`;
    await using program = new Program('two roots', process.execPath, ['--input-type=module', '-e', source]);
    const [line] = await program.said(/^\{.*\}$/);
    const { folder, a, b } = JSON.parse(line) as { folder: string; a: string; b: string };
    expect(readFileSync('/proc/self/mounts', 'utf8')).toContain(folder);
    expect(await run('losetup', ['-a']).then(({ stdout }) => stdout)).toContain(folder);
    await program.stop('SIGTERM');
    expect(program.child.signalCode).toBe('SIGTERM');
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
    await eventually('both devices are free', async () =>
      [a, b].every((device) => !existsSync(join('/sys/block', basename(device), 'loop', 'backing_file'))),
    );
    expect(existsSync(folder)).toBe(false);
  });
}
