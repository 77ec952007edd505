import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Program } from './program.ts';

export const launcher = join(import.meta.dirname, '..', '..', 'bin', 'patchbay.js');

/** A running `patchbay server` with one administrator. */
export interface Server {
  readonly url: string;
  readonly data: string;
  readonly user: string;
  readonly password: string;
  readonly program: Program;
  stop(): Promise<number | null>;
}

const user = 'admin@example.com';
const password = 'correct horse battery';

/** Starts the server on a free port, with its data below `folder`. */
export async function startServer(folder: string, options: readonly string[] = []): Promise<Server> {
  const data = join(folder, 'server');
  await addUser(data);
  const args = [launcher, 'server', '--data', data, '--listen', '127.0.0.1:0', ...options];
  const program = new Program('patchbay server', process.execPath, args);
  const [, url = ''] = await program.said(/"url":"(http[^"]+)".*"msg":"server ready"/);
  return { url, data, user, password, program, stop: () => program.stop() };
}

async function addUser(data: string): Promise<void> {
  const args = [launcher, 'user', 'add', user, '--data', data, '--password-stdin'];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = execFile(process.execPath, args, (error, _, stderr) =>
    error ? reject(new Error(stderr || error.message)) : resolve(),
  );
  child.stdin?.end(`${password}\n`);
  await promise;
}
