import { configFolder } from './config-folder.ts';
import { run } from './program.ts';

/** The operator's command, on this process's own standard streams. Resolves to the exit code. */
export async function main(args: string[]): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort());
  // A reader that has seen enough, such as `head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const { env } = process;
  const colour = !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return await run(
    args,
    { in: process.stdin, out: process.stdout, err: process.stderr, colour },
    {
      server: env['PATCHBAY_SERVER'] || undefined,
      token: env['PATCHBAY_TOKEN'] || undefined,
      configFolder: configFolder(env),
      inherited: env,
    },
    stop.signal,
  );
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
