import { run } from './program.ts';

/** `patchbay artifact`: results on standard output, everything else on standard error. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error('interrupted'));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await run(args, {
      terminal: { input: process.stdin, out: process.stdout, diagnostics: process.stderr },
      environment: process.env,
      signal: stop.signal,
    });
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
