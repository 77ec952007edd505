import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { CodedError } from '#base/errors';
import { createLog, type Log, type LogLevel } from '#base/log';
import { loadConfig } from './config.ts';
import { reasonOf } from './disk-full.ts';
import { defaultPlaces, paths, type Places } from './places.ts';
import type { ClientOptions } from './daemon.ts';
import type { StandaloneOptions } from './standalone/commands.ts';
import { Nudges } from './nudges.ts';
import { bothLogs, plainLog } from './plain-log.ts';
import { version } from './version.ts';

const levels: Readonly<Record<string, LogLevel>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  fatal: 'error',
};

interface GlobalOptions {
  readonly config?: string;
  readonly fallbackConfig?: string;
  readonly confDir?: string;
  readonly dataDir?: string;
  readonly datastore?: string;
  readonly data?: string;
  readonly logFile?: string;
  readonly logLevel?: string;
  readonly trustedCerts?: string;
  readonly skipverify?: boolean;
  readonly passphraseFile?: string;
}

/** The update client's command; the exit code is its result. */
export async function main(args: string[]): Promise<number> {
  let code = 0;
  const program = build((ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    const { store } = places(program.opts<GlobalOptions>());
    process.stderr.write(`Could not fulfill request: ${reasonOf(error, store)}\n`);
    return 1;
  }
}

function build(end: (code: number) => void): Command {
  const program = new Command('patchbay client')
    .description('Patchbay update client')
    .version(version, '-v, --version')
    .option('-c, --config <file>', 'main configuration')
    .option('-b, --fallback-config <file>', 'configuration read before the main one')
    .option('--conf-dir <folder>', 'in place of /etc/mender (MENDER_CONF_DIR)')
    .option('--data-dir <folder>', 'in place of /usr/share/mender: scripts and modules (MENDER_DATA_DIR)')
    .option('-d, --datastore <folder>', 'in place of /var/lib/mender (MENDER_DATASTORE_DIR)')
    .addOption(new Option('--data <folder>', 'same as --datastore').hideHelp())
    .option('-L, --log-file <file>', 'log to a file')
    .option('-l, --log-level <level>', Object.keys(levels).join(', '))
    .option('-E, --trusted-certs <file>', 'CA certificates beside those of the system')
    .option('--skipverify', 'do not verify TLS certificates')
    .option('--passphrase-file <file>', 'passphrase of the device key; - is standard input')
    .exitOverride()
    .enablePositionalOptions(false)
    // Scripts and update modules look there for the places.
    .hook('preAction', (command) => {
      const { conf, share, store } = places(command.opts<GlobalOptions>());
      Object.assign(process.env, { MENDER_CONF_DIR: conf, MENDER_DATA_DIR: share, MENDER_DATASTORE_DIR: store });
    });
  const options = (fallbackLevel: LogLevel) => clientOptions(program.opts<GlobalOptions>(), fallbackLevel);

  program
    .command('daemon')
    .description('authenticate, poll, update')
    .action(async () => runDaemon(clientOptions(program.opts<GlobalOptions>(), 'info', true)));
  program
    .command('bootstrap')
    .description('make the device key and ask for acceptance once')
    .option('-F, --forcebootstrap', 'make a new key')
    .action(async ({ forcebootstrap }: { forcebootstrap?: boolean }) => {
      const { bootstrap } = await import('./commands.ts');
      await bootstrap(options('info'), forcebootstrap ?? false);
    });
  program
    .command('show-artifact')
    .description('name of the installed artifact')
    .action(async () => {
      const { showArtifact } = await import('./commands.ts');
      process.stdout.write(await showArtifact(options('warn')));
    });
  program
    .command('show-provides')
    .description('what the installed artifacts provide')
    .action(async () => {
      const { showProvides } = await import('./commands.ts');
      process.stdout.write(await showProvides(options('warn')));
    });
  for (const [name, signal, does] of [
    ['check-update', 'SIGUSR1', 'tell the daemon to look for a deployment now'],
    ['send-inventory', 'SIGUSR2', 'tell the daemon to send its inventory now'],
  ] as const)
    program
      .command(name)
      .description(does)
      .action(async () => {
        const { signalDaemon } = await import('./running.ts');
        signalDaemon(paths.process(places(program.opts<GlobalOptions>())), signal);
      });
  addStandalone(program, options, end);
  return program;
}

/** Updates by hand, without a server (`update-client.md` §6). */
function addStandalone(
  program: Command,
  options: (level: LogLevel) => ClientOptions,
  end: (code: number) => void,
): void {
  interface Given {
    readonly rebootExitCode?: boolean;
    readonly stopBefore?: string[];
  }
  const perform = async (given: Given, act: (options: StandaloneOptions, signal: AbortSignal) => Promise<number>) => {
    const stop = new AbortController();
    const onStop = () => stop.abort();
    process.on('SIGTERM', onStop).on('SIGINT', onStop);
    try {
      const say = (line: string) => void process.stdout.write(`${line}\n`);
      const { rebootExitCode = false, stopBefore = [] } = given;
      end(await act({ client: options('warn'), say, rebootExitCode, stopBefore }, stop.signal));
    } finally {
      process.off('SIGTERM', onStop).off('SIGINT', onStop);
    }
  };
  const stopOption = () =>
    new Option('--stop-before <state>', 'wait there for resume, commit or rollback').argParser(
      (value: string, all: string[] | undefined) => [...(all ?? []), value],
    );
  program
    .command('install')
    .argument('<artifact>', 'file, http(s) address, or - for standard input')
    .description('install an artifact; waits for commit or rollback')
    .option('--reboot-exit-code', 'exit with 4 when a reboot is required')
    .addOption(stopOption())
    .action((artifact: string, given: Given) =>
      perform(given, async (standalone, signal) => {
        const { install } = await import('./standalone/commands.ts');
        return install(artifact, standalone, signal);
      }),
    );
  for (const [name, does] of [
    ['commit', 'make the installed artifact final'],
    ['rollback', 'go back to what was before'],
    ['resume', 'carry on an update that was stopped or cut'],
  ] as const) {
    const command = program.command(name).description(does).addOption(stopOption());
    if (name === 'resume') command.option('--reboot-exit-code', 'exit with 4 when a reboot is required');
    command.action((given: Given) =>
      perform(given, async (standalone, signal) => {
        const { continueWith } = await import('./standalone/commands.ts');
        return continueWith(name, standalone, signal);
      }),
    );
  }
}

function places(given: GlobalOptions): Places {
  const { env } = process;
  return {
    conf: given.confDir ?? env['MENDER_CONF_DIR'] ?? defaultPlaces.conf,
    share: given.dataDir ?? env['MENDER_DATA_DIR'] ?? defaultPlaces.share,
    store: given.datastore ?? given.data ?? env['MENDER_DATASTORE_DIR'] ?? defaultPlaces.store,
  };
}

function clientOptions(given: GlobalOptions, fallbackLevel: LogLevel, keepConfig = false): ClientOptions {
  const where = places(given);
  const { env } = process;
  const named = given.logLevel === undefined ? undefined : levels[given.logLevel.toLowerCase()];
  if (given.logLevel !== undefined && !named)
    throw new CodedError('usage', `no log level: ${given.logLevel}; one of ${Object.keys(levels).join(', ')}`);
  const files = {
    ...(given.config === undefined ? {} : { config: given.config }),
    ...(given.fallbackConfig === undefined ? {} : { fallbackConfig: given.fallbackConfig }),
  };
  // What a person has typed is answered in words; a file gets the form that programs read.
  const typed = !keepConfig;
  const logAt = (level: LogLevel): Log => {
    if (!typed) return createLog(level, {}, given.logFile);
    if (given.logFile === undefined) return plainLog(level);
    return bothLogs(plainLog('error'), createLog(level, {}, given.logFile));
  };
  const config = loadConfig(where, files, logAt(named ?? fallbackLevel), keepConfig);
  const configured = fallbackLevel === 'info' ? levels[config.DaemonLogLevel.toLowerCase()] : undefined;
  const cut = Number(env['PATCHBAY_TEST_CUT'] ?? 0);
  const second = Number(env['PATCHBAY_TEST_SECOND_MS'] ?? 1000);
  return {
    config,
    places: where,
    log: logAt(named ?? configured ?? fallbackLevel),
    transport: {
      proxies: env,
      skipVerify: given.skipverify ?? false,
      ...(given.trustedCerts === undefined ? {} : { trustedCerts: given.trustedCerts }),
    },
    ...passphrase(given.passphraseFile),
    ...(second === 1000 ? {} : { clock: { second } }),
    ...(cut > 0 ? { written: powerCut(cut) } : {}),
  };
}

function passphrase(file: string | undefined): { passphrase?: string } {
  if (file === undefined) return {};
  return { passphrase: readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '') };
}

/** For tests: the power goes right after the n-th write of the journal. */
function powerCut(after: number): () => void {
  let writes = 0;
  return () => {
    writes += 1;
    if (writes >= after) process.kill(process.pid, 'SIGKILL');
  };
}

async function runDaemon(options: ClientOptions): Promise<void> {
  const { runClient } = await import('./daemon.ts');
  const { announceProcess } = await import('./running.ts');
  const stop = new AbortController();
  const nudges = new Nudges();
  const onStop = () => stop.abort();
  const onCheck = () => nudges.check();
  const onInventory = () => nudges.inventory();
  const stops = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
  for (const signal of stops) process.on(signal, onStop);
  process.on('SIGUSR1', onCheck);
  process.on('SIGUSR2', onInventory);
  try {
    using _ = announceProcess(paths.process(options.places), options.log);
    await runClient({ ...options, nudges }, stop.signal);
  } finally {
    for (const signal of stops) process.off(signal, onStop);
    process.off('SIGUSR1', onCheck);
    process.off('SIGUSR2', onInventory);
  }
}
