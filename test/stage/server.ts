import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { freshDatabase } from './postgres.ts';
import { Program } from './program.ts';

export const launcher = join(import.meta.dirname, '..', '..', 'bin', 'patchbay.js');

const user = 'admin@example.com';
const password = 'correct horse battery';

/** A running `patchbay server` with one administrator. */
export class Server {
  readonly data: string;
  readonly url: string;
  readonly user = user;
  readonly password = password;
  program: Program;
  readonly #options: readonly string[];

  constructor(data: string, url: string, program: Program, options: readonly string[] = []) {
    this.data = data;
    this.url = url;
    this.program = program;
    this.#options = options;
  }

  async stop(signal?: NodeJS.Signals): Promise<number | null> {
    return await this.program.stop(signal);
  }

  /** Ends it and starts it again on the same port and data. */
  async restart(signal?: NodeJS.Signals): Promise<void> {
    await this.stop(signal);
    ({ program: this.program } = await launch(launcher, this.data, new URL(this.url).host, this.#options));
  }
}

/**
 * Starts the server on a free port, with its data below `folder`; `program`: a built one in place of the sources;
 * `options`: more of its own. `PATCHBAY_TEST_DATABASE=postgresql` gives it a database of that kind, as it does to suites of the
 * server's own.
 */
export async function startServer(
  folder: string,
  program = launcher,
  options: readonly string[] = [],
): Promise<Server> {
  const data = join(folder, 'server');
  const database = process.env['PATCHBAY_TEST_DATABASE'] === 'postgresql' ? ['--database', await freshDatabase()] : [];
  await addUser(data, program, database);
  const all = [...options, ...database];
  const started = await launch(program, data, '127.0.0.1:0', all);
  return new Server(data, started.url, started.program, all);
}

async function launch(file: string, data: string, listen: string, options: readonly string[]) {
  const program = new Program('patchbay server', process.execPath, [
    file,
    'server',
    '--data',
    data,
    '--listen',
    listen,
    ...options,
  ]);
  try {
    const [, url = ''] = await program.said(/"url":"(http[^"]+)".*"msg":"server ready"/, 60_000);
    return { program, url };
  } catch (error) {
    await program.stop();
    throw error;
  }
}

async function addUser(data: string, program: string, database: readonly string[]): Promise<void> {
  const args = [program, 'user', 'add', user, '--data', data, '--password-stdin', ...database];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = execFile(process.execPath, args, (error, _, stderr) =>
    error ? reject(new Error(stderr || error.message)) : resolve(),
  );
  child.stdin?.end(`${password}\n`);
  await promise;
}
