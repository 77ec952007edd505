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

/** The process that our client's file names, if it still is that one: its number may be somebody else's by now. */
async function clientOf(file: string): Promise<number | undefined> {
  const [, number, birth] = /^(\d{1,10}) (\S+)\n$/.exec(await readFile(file, 'utf8').catch(() => '')) ?? [];
  return birth !== undefined && (await birthOf(number ?? '')) === birth ? Number(number) : undefined;
}

/** As the client writes it: the boot, and the start of the process in clock ticks since then. */
export async function birthOf(pid: string): Promise<string | undefined> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    // The name in parentheses may hold blanks; after it the start time is the 20th field.
    const start = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')[19];
    return `${boot}:${start}`;
  } catch {
    return undefined;
  }
}
