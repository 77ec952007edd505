import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { Command } from 'commander';
import { Blame } from '#base/blame';
import { stackOf } from '#base/errors';
import { createLog } from '#base/log';
import { failed } from './command-line.ts';
import { configOf, serverOptions } from './config.ts';
import { makeDataFolder } from './data-folder.ts';

/** `patchbay server`: runs until SIGTERM or SIGINT. `patchbay user …` is in `users/command.ts`. */
export async function main(args: string[]): Promise<number> {
  if (args[0] === 'user') return (await import('./users/command.ts')).userCommand(args.slice(1));
  if (args[0] === 'backup' || args[0] === 'restore') return (await import('./backup/command.ts')).backupCommand(args);
  const command = serverOptions(new Command('patchbay server').description('the Patchbay server: one process'));
  command.exitOverride().configureOutput({ outputError: (text, write) => write(text) });
  try {
    command.parse(args, { from: 'user' });
    const config = configOf(command);
    const log = createLog(config.logLevel);
    const stop = new AbortController();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
    // The next start finds what this one compiled. In the server's own folder: nobody else may write there.
    await makeDataFolder(config.data);
    enableCompileCache(join(config.data, 'compiled'));
    const { startServer } = await import('./server.ts');
    using blame = new Blame((addon, error) => log.error('add-on failed', { addon, error: stackOf(error) }));
    const server = await startServer(config, log, blame);
    const url =
      config.publicUrl ??
      `${config.tls ? 'https' : 'http'}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${server.port}`;
    log.info('server ready', { url, data: config.data, database: config.database ? 'PostgreSQL' : 'SQLite' });
    await new Promise<void>((resolve) =>
      stop.signal.aborted ? resolve() : stop.signal.addEventListener('abort', () => resolve()),
    );
    log.info('server stopping');
    await server.close();
    return 0;
  } catch (error) {
    return failed('patchbay server', error);
  }
}
