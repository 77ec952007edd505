// Disks of a machine, made without mounting anything: file systems from folders, and a partition table around them.
import { execFile } from 'node:child_process';
import { open, readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MiB = 1024 * 1024;
const sector = 512;

/** An ext4 file system of `size` MiB with the content of a folder, owned by root. */
export async function fileSystem(file: string, size: number, tree: string, { journal = true } = {}): Promise<void> {
  const features = journal ? [] : ['-O', '^has_journal'];
  // GRUB reads block by block: the large ones that small file systems do not have by themselves are four times as quick.
  const args = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-m',
    '0',
    ...features,
    '-E',
    'root_owner=0:0',
    '-d',
    tree,
    file,
    `${size}M`,
  ];
  await run('mke2fs', args, { env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
}

/** What makes a disk start: the first sector, and the program that it loads from the sectors behind it. */
export interface BootCode {
  readonly first: Uint8Array;
  readonly core: Uint8Array;
}

/** A disk with up to four partitions, each from 1 MiB on, in the order of the files. */
export async function assembleDisk(disk: string, boot: BootCode, partitions: readonly string[]): Promise<void> {
  const target = await open(disk, 'wx');
  try {
    const table = Buffer.alloc(sector);
    Buffer.from(boot.first).copy(table, 0, 0, 440);
    let at = MiB;
    for (const [index, file] of partitions.entries()) {
      const { size } = await stat(file);
      const entry = 446 + 16 * index;
      table.writeUInt8(index === 0 ? 0x80 : 0, entry);
      table.writeUInt8(0x83, entry + 4);
      table.writeUInt32LE(at / sector, entry + 8);
      table.writeUInt32LE(size / sector, entry + 12);
      await target.write(await readFile(file), 0, size, at);
      at += size;
    }
    table.writeUInt16LE(0xaa55, 510);
    if (boot.core.length > MiB - sector) throw new Error('the boot loader does not fit before the first partition');
    await target.write(table, 0, sector, 0);
    await target.write(boot.core, 0, boot.core.length, sector);
  } finally {
    await target.close();
  }
}
