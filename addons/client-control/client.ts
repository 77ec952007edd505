import { execFile } from 'node:child_process';
import { access, constants, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CodedError } from '#base/errors';
import type { Message } from './protocol.ts';

const run = promisify(execFile);

/** Of a program that only sends a signal, ms. */
const runTime = 30_000;

const signals = { 'check-update': 'SIGUSR1', 'send-inventory': 'SIGUSR2' } as const;

export interface ClientPlaces {
  readonly PidFile: string;
  readonly Programs: readonly string[];
}

/** Tells the update client of this device a word: ours by a signal, Mender's by its own program. Throws what went wrong. */
export async function tell(word: Message['typ'], places: ClientPlaces, signal: AbortSignal): Promise<void> {
  const pid = await clientOf(places.PidFile);
  if (pid !== undefined) return void process.kill(pid, signals[word]);
  for (const program of places.Programs) {
    if (!(await isProgram(program))) continue;
    return await call(program, word, signal);
  }
  throw new CodedError('no_client', `Cannot find Mender client binary, tried [${places.Programs.join(' ')}]`);
}

async function call(program: string, word: string, signal: AbortSignal): Promise<void> {
  try {
    await run(program, [word], { timeout: runTime, signal });
  } catch (error) {
    const { code, signal: killed, stderr } = error as { code?: unknown; signal?: unknown; stderr?: unknown };
    // Go's words for it come first; what the program said makes them useful.
    const status = typeof code === 'number' ? `exit status ${code}` : `ended by ${String(killed ?? code)}`;
    const said = typeof stderr === 'string' ? stderr.trim().split('\n').at(-1)?.slice(0, 500) : '';
    throw new CodedError('client_failed', said ? `${status}: ${said}` : status, { cause: error });
  }
}

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The process of our client's daemon, if it runs: a number may have been given to another process since. */
async function clientOf(file: string): Promise<number | undefined> {
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).trim());
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.split('\0').includes('daemon') ? pid : undefined;
}
