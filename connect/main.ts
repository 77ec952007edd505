import { Command, CommanderError } from 'commander';
import { Blame } from '#base/blame';
import { messageOf, stackOf } from '#base/errors';
import { createLog } from '#base/log';
import type { Ours } from '#addon/loading';
import { configFile, fallbackFile, readConfig } from './config.ts';
import { runConnect } from './daemon.ts';
import { version } from './version.ts';

export { runConnect, type ConnectOptions } from './daemon.ts';
export { readConfig, type ConnectConfig } from './config.ts';

interface Flags {
  readonly config: string;
  readonly fallbackConfig: string;
  readonly debug?: boolean;
  readonly bus?: string;
}

/** Exit code: 0 done, 1 failed, 2 wrong usage. A bundle passes its table of add-ons. */
export async function main(args: string[], ours?: Ours): Promise<number> {
  let code = 0;
  const program = new Command('patchbay connect')
    .description('Keeps this device connected to its server, and lets people in as its configuration allows.')
    .option('-c, --config <file>', 'configuration', configFile)
    .option('-b, --fallback-config <file>', 'configuration below that one, key by key', fallbackFile)
    .option('-d, --debug', 'log more')
    .option('--bus <address>', 'D-Bus to find the client on, instead of the system bus')
    .exitOverride();
  program
    .command('daemon')
    .description('run until stopped')
    .action(async () => {
      code = await daemon(program.opts<Flags>(), ours);
    });
  program
    .command('version')
    .description('print the version')
    .action(() => console.log(`${version}\truntime: node ${process.version}`));
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return code;
}

async function daemon(flags: Flags, ours: Ours | undefined): Promise<number> {
  const log = createLog(flags.debug ? 'debug' : 'info', { program: 'connect' });
  using blame = new Blame((addon, error) => log.error('add-on failed', { addon, error: stackOf(error) }));
  const stop = new AbortController();
  const halt = (): void => stop.abort();
  process.once('SIGTERM', halt);
  process.once('SIGINT', halt);
  try {
    const files = { config: flags.config, fallback: flags.fallbackConfig };
    const config = await readConfig(files, (what, fields) => log.warn(what, fields));
    const busAddress = flags.bus === undefined ? {} : { busAddress: flags.bus };
    await runConnect({ config, log, env: process.env, blame, ...busAddress, ...(ours ? { ours } : {}) }, stop.signal);
    return 0;
  } catch (error) {
    log.error('connect stopped', { error: messageOf(error) });
    return 1;
  } finally {
    process.off('SIGTERM', halt);
    process.off('SIGINT', halt);
  }
}
