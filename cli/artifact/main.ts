import { run } from './program.ts';

/** `patchbay artifact`: results on standard output, everything else on standard error. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error('interrupted'));
  // The terminal may go too: nothing half written stays behind then either.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    return await run(args, {
      terminal: { input: process.stdin, out: process.stdout, diagnostics: process.stderr },
      environment: process.env,
      signal: stop.signal,
    });
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
