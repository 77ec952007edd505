import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

/** Starts a server that says its URL on standard error, and waits for that. */
export async function startSaying(children: ChildProcess[], args: string[]): Promise<string> {
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..', '..'),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let said = '';
  for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    const url = /"url":"([^"]+)"/.exec(said)?.[1];
    if (!url) continue;
    child.stderr.resume();
    return url;
  }
  throw new Error(`${args.join(' ')} ended: ${said}`);
}
