import { Command, CommanderError } from 'commander';
import { messageOf } from '#base/errors';
import type { Context } from './context.ts';
import { addDumpCommand } from './dump-command.ts';
import { exit, exitOf } from './exit.ts';
import { addGenerators } from './generators.ts';
import { addImageCommands } from './image-commands.ts';
import { addModifyCommand } from './modify-command.ts';
import { addReadCommand } from './read-command.ts';
import { addSignCommand } from './sign-command.ts';
import { addValidateCommand } from './validate-command.ts';
import { addWriteCommands } from './write-command.ts';

/** Runs one command line of `patchbay artifact`. Returns the exit code. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  try {
    await program(context).parseAsync(args, { from: 'user' });
    return exit.done;
  } catch (error) {
    if (error instanceof CommanderError) return exitOfUsage(error);
    context.terminal.diagnostics.write(`patchbay artifact: ${messageOf(error).replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return exitOf(error);
  }
}

function program(context: Context): Command {
  const program = new Command('patchbay artifact')
    .description('write, read, check, sign and change artifacts')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.terminal.out.write(text),
      writeErr: (text) => void context.terminal.diagnostics.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'patchbay artifact: ')),
    });
  const write = program.command('write').summary('make an artifact').helpCommand(false);
  // Without a kind it only says which kinds there are.
  write.action(() => {
    context.terminal.out.write(write.helpInformation());
  });
  addWriteCommands(write, context);
  addGenerators(write, context);
  addReadCommand(program, context);
  addValidateCommand(program, context);
  addSignCommand(program, context);
  addModifyCommand(program, context);
  addImageCommands(program, context);
  addDumpCommand(program, context);
  return program;
}

function exitOfUsage({ code, exitCode }: CommanderError): number {
  if (exitCode === 0 || code === 'commander.help') return exit.done;
  return code === 'commander.unknownCommand' ? exit.unknownCommand : exit.failed;
}
