import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CodedError, messageOf } from '#base/errors';
import type { Image } from './image-writer.ts';

/**
 * Writes an image into a UBI volume. Only the kernel's own way leaves it whole after a power cut, and Node cannot ask
 * for it: `ubiupdatevol` of mtd-utils does. Throws `rootfs_write`.
 */
export async function writeVolume(device: string, image: Image, alive: () => void): Promise<void> {
  const child = spawn('ubiupdatevol', ['-s', String(image.size), device, '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-1000)));
  child.stdin.on('error', () => undefined); // it ended early: its exit code says so
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(`cannot be run: ${messageOf(error)}; install mtd-utils`));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `ended with ${code ?? signal}: ${said.trim().split('\n').at(-1) ?? ''}`),
    );
  });
  let over = false;
  void ended.then(() => (over = true));
  try {
    for await (const chunk of image.content) {
      alive();
      if (over) break;
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain').catch(() => ended), ended]);
    }
    child.stdin.end();
    const fault = await ended;
    if (fault !== undefined) throw new CodedError('rootfs_write', `cannot write ${device}: ubiupdatevol ${fault}`);
  } finally {
    // An update that is not finished leaves a volume that the kernel refuses to mount, which is what it is.
    if (!over) child.kill('SIGKILL');
  }
}
