import { spawn } from 'node:child_process';
import { pipeline, Readable } from 'node:stream';
import { CodedError, codeOf } from '#base/errors';

/**
 * Runs `source` through a program of this machine. Throws what `source` throws, `filter_missing` when there is no such
 * program, and `filter_failed` with its complaint.
 */
export async function* throughProgram(
  source: AsyncIterable<Uint8Array>,
  name: string,
  args: readonly string[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(name, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<string | undefined>((resolve, reject) => {
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => (complaint = `${complaint}${text.toString()}`.slice(-500)));
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0 ? undefined : complaint.trim() || `exit code ${code}`));
  });
  // It is asked for below, unless the consumer stops before.
  ended.catch(() => undefined);
  let failure: unknown;
  pipeline(Readable.from(source, { objectMode: false }), child.stdin, (error) => {
    if (!error) return;
    failure = error;
    // A program that has closed its input says why itself.
    if (codeOf(error) !== 'EPIPE') child.kill();
  });
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    const complaint = await ended;
    if (failure !== undefined && codeOf(failure) !== 'EPIPE') throw failure;
    if (complaint !== undefined) throw new CodedError('filter_failed', complaint.split('\n')[0] ?? name);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || (error as NodeJS.ErrnoException).syscall !== `spawn ${name}`) throw error;
    throw new CodedError('filter_missing', `the program ${name} is missing`, { cause: error });
  } finally {
    child.kill();
  }
}
