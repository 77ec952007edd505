import { execFile } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { codeOf } from '#base/errors';
import { exit, Failure } from './exit.ts';

/** What is known of a file in an image. */
export interface ExtStat {
  readonly isFolder: boolean;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Whether a file holds an ext2, ext3 or ext4 file system: the magic number of its superblock. */
export async function isExtImage(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 1080);
    return bytesRead === 2 && buffer.readUInt16LE() === 0xef53;
  } finally {
    await file.close();
  }
}

/** Files inside an ext2, ext3 or ext4 image, through the program debugfs: nothing is mounted, nobody need be root. */
export class ExtImage {
  readonly #image: string;
  /** Names the image in errors. */
  readonly #label: string;

  constructor(image: string, label: string) {
    this.#image = image;
    this.#label = label;
  }

  /** What is at `path`; undefined: nothing. */
  async stat(path: string): Promise<ExtStat | undefined> {
    const { output, complaint } = await this.#run(false, [`stat ${quoted(path)}`]);
    if (complaint) {
      if (/not found/i.test(complaint)) return undefined;
      throw this.#failure(path, complaint);
    }
    const [, type = ''] = /Type:\s*(\w+)/.exec(output) ?? [];
    const [, mode = '0'] = /Mode:\s*0*([0-7]+)/.exec(output) ?? [];
    const [, uid = '0', gid = '0'] = /User:\s*(\d+)\s*Group:\s*(\d+)/.exec(output) ?? [];
    return { isFolder: type === 'directory', mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid) };
  }

  async readTo(path: string, target: string): Promise<void> {
    const found = await this.stat(path);
    if (!found) throw this.#failure(path, 'no such file');
    if (found.isFolder) throw this.#failure(path, 'is a folder');
    await this.#change(false, path, [`dump ${quoted(path)} ${quoted(target)}`]);
  }

  async read(path: string, scratch: string): Promise<Buffer> {
    const copy = join(scratch, 'debugfs-read');
    await this.readTo(path, copy);
    try {
      return await readFile(copy);
    } finally {
      await rm(copy, { force: true });
    }
  }

  /** Puts a file of this machine into the image. A file that it replaces passes on mode and owner. */
  async write(source: string, path: string, mode?: number): Promise<void> {
    const folder = await this.stat(posix.dirname(path));
    if (!folder?.isFolder) throw this.#failure(posix.dirname(path), 'no such folder');
    const old = await this.stat(path);
    if (old?.isFolder) throw this.#failure(path, 'is a folder');
    const bits = mode ?? old?.mode ?? 0o644;
    await this.#change(true, path, [
      ...(old ? [`rm ${quoted(path)}`] : []),
      `cd ${quoted(posix.dirname(path))}`,
      `write ${quoted(source)} ${quoted(posix.basename(path))}`,
      `sif ${quoted(path)} mode 0100${bits.toString(8).padStart(3, '0')}`,
      `sif ${quoted(path)} uid ${old?.uid ?? 0}`,
      `sif ${quoted(path)} gid ${old?.gid ?? 0}`,
    ]);
  }

  async makeFolder(path: string): Promise<void> {
    if (await this.stat(path)) throw this.#failure(path, 'exists already');
    if (!(await this.stat(posix.dirname(path)))?.isFolder) throw this.#failure(posix.dirname(path), 'no such folder');
    await this.#change(true, path, [`mkdir ${quoted(path)}`]);
  }

  async remove(path: string, recursive: boolean): Promise<void> {
    const found = await this.stat(path);
    if (!found) throw this.#failure(path, 'no such file');
    if (!found.isFolder) return this.#change(true, path, [`rm ${quoted(path)}`]);
    if (!recursive) throw this.#failure(path, 'is a folder, use -r');
    for (const name of await this.#names(path)) await this.remove(posix.join(path, name), true);
    return this.#change(true, path, [`rmdir ${quoted(path)}`]);
  }

  /** Lets e2fsck put the bookkeeping right that debugfs leaves behind. */
  async check(): Promise<void> {
    const { code, output } = await program('e2fsck', ['-f', '-y', this.#image]);
    if (code > 1) throw new Failure(exit.failed, `${this.#label}: e2fsck finds the image damaged: ${lastLine(output)}`);
  }

  async #names(path: string): Promise<string[]> {
    const { output } = await this.#run(false, [`ls -p ${quoted(path)}`]);
    return output
      .split('\n')
      .map((line) => line.split('/')[5] ?? '')
      .filter((name) => name !== '' && name !== '.' && name !== '..');
  }

  async #change(write: boolean, path: string, commands: readonly string[]): Promise<void> {
    const { complaint } = await this.#run(write, commands);
    if (complaint) throw this.#failure(path, complaint);
  }

  /** debugfs says on standard error what is wrong, and ends with 0 all the same. */
  async #run(write: boolean, commands: readonly string[]): Promise<{ output: string; complaint: string }> {
    const args = [...(write ? ['-w'] : []), '-f', '-', this.#image];
    const { output, errors } = await program('debugfs', args, `${commands.join('\n')}\n`);
    const complaints = errors.split('\n').filter((line) => line.trim() !== '' && !/^debugfs \d/.test(line));
    return { output, complaint: complaints[0]?.trim() ?? '' };
  }

  #failure(path: string, what: string): Failure {
    return new Failure(exit.failed, `${this.#label}:${path}: ${what}`);
  }
}

/** A word of a debugfs command. It knows quotes, but nothing that would keep a quote inside them. */
function quoted(path: string): string {
  if (/["\n\\]/.test(path))
    throw new Failure(exit.failed, `${path}: quotes, backslashes and line breaks are not possible in a path`);
  return `"${path}"`;
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

/** Runs a program of e2fsprogs, which are where a user's path does not always lead. */
function program(
  name: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
    const child = execFile(name, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, output, errors) => {
      if (codeOf(error) === 'ENOENT')
        reject(new Failure(exit.failed, `${name} is missing: install e2fsprogs`, { cause: error }));
      else resolve({ code: typeof error?.code === 'number' ? error.code : error ? 8 : 0, output, errors });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
