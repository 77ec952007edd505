import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

/** Starts a server that says its URL on standard error, and waits for that. */
export async function startSaying(children: ChildProcess[], args: string[]): Promise<string> {
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..', '..'),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return await new Promise((resolve, reject) => {
    let said = '';
    let url: string | undefined;
    // Read to its end: a server whose words nobody takes stands still once the pipe is full.
    child.stderr.on('data', (chunk: Buffer) => {
      if (url !== undefined) return;
      said += chunk.toString();
      url = /"url":"([^"]+)"/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error(`${args.join(' ')} ended: ${said}`)));
  });
}
