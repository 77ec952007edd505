import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** A file as a block device. It is gone with this process at the latest, however that ends: only our own hold keeps it. */
export class LoopDevice implements Disposable {
  /** `/dev/loopN` */
  readonly path: string;
  readonly #hold: number;

  constructor(file: string) {
    const env = withSystem();
    this.path = execFileSync('losetup', ['-f', '--show', file], { env, encoding: 'utf8' }).trim();
    this.#hold = openSync(this.path, 'r');
    // In use it is not detached yet; the kernel does that once nobody holds it any more.
    execFileSync('losetup', ['-d', this.path], { env });
  }

  [Symbol.dispose](): void {
    closeSync(this.#hold);
  }
}

/** Why this user may not have loop devices and mount them, in words; nothing if he may. */
export function loopsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, for loop devices and mounts';
  try {
    execFileSync('losetup', ['-f'], { stdio: 'ignore', env: withSystem() });
    return undefined;
  } catch {
    return 'there is no free loop device: losetup -f fails';
  }
}

/** This process's environment, in which the administrator's programs are found too. */
export function withSystem(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
}
