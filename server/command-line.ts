import type { Command } from 'commander';
import { CodedError, messageOf } from '#base/errors';

/** One line on standard error. The exit code: 2 for wrong usage, 1 for the rest, 0 after `--help`. */
export function failed(program: string, error: unknown): number {
  const commander = error as { code?: string; exitCode?: number };
  if (commander.code?.startsWith('commander.')) return commander.exitCode === 0 ? 0 : 2;
  process.stderr.write(`${program}: ${messageOf(error)}\n`);
  return error instanceof CodedError && error.code === 'usage' ? 2 : 1;
}

/** Runs a program of several commands, which is called `name` when it fails; gives its exit code. */
export async function runCommands(program: Command, name: string, args: string[]): Promise<number> {
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return failed(name, error);
  }
}
