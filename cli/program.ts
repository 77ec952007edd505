import { Command, CommanderError } from 'commander';
import { codeOf } from '#base/errors';
import { loadCommands } from './commands.ts';
import { Context, type Environment, type GlobalOptions } from './context.ts';
import { exit, exitCodeOf, report } from './failure.ts';
import type { Io } from './io.ts';

/** Runs one command line; the exit code. */
export async function run(args: readonly string[], io: Io, env: Environment, signal: AbortSignal): Promise<number> {
  const program = new Command('patchbay');
  const context = new Context(io, env, signal, () => program.opts<GlobalOptions>());
  program
    .description('Updates fleets of embedded Linux devices and joins people to them.')
    .option('--server <url>', 'the server (PATCHBAY_SERVER; else that of the last login)')
    .option('--token <token>', 'act with this token (PATCHBAY_TOKEN)')
    .option('--token-file <file>', 'act with the token in this file')
    .option('--insecure', 'do not check the certificate of the server: for tests only')
    .option('--json', 'print JSON, for scripts')
    .option('--verbose', 'on an error print all that is known of it')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      getOutHelpWidth: () => Math.min(io.out.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(io.err.columns ?? 100, 120),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  try {
    await furnish(program, args, context);
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has told the person already.
      return error.exitCode === 0 ? exit.done : exit.usage;
    }
    if (codeOf(error) !== 'interrupted' && codeOf(error) !== 'silent') {
      io.err.write(report(error, context.options.verbose ?? false));
    }
    return exitCodeOf(error);
  }
}

/** Only the command that is called is filled in; of the others there is the name, for the help. */
async function furnish(program: Command, args: readonly string[], context: Context): Promise<void> {
  const [first, second] = program.parseOptions([...args]).operands;
  const called = first === 'help' ? second : first;
  const { rows } = await loadCommands(context.env.configFolder);
  for (const [name, row] of Object.entries(rows)) {
    const command = program.command(name).summary(row.summary);
    if (name === called) await (await row.load()).default(command.description(row.summary), context);
  }
}
