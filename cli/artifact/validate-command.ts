import type { Command } from 'commander';
import type { Context } from './context.ts';
import { exit, Failure, reading } from './exit.ts';
import { addKeyOptions, trustedKeysOf, type KeyOptions } from './keys.ts';
import { filesOf } from './read-command.ts';
import { openFile } from './source.ts';

/** `validate`: everything is checked. A signed artifact needs a key, and a key needs a signed artifact. */
export function addValidateCommand(program: Command, context: Context): void {
  const command = program
    .command('validate')
    .summary('check an artifact')
    .argument('<file>')
    .option('--no-progress', 'show no progress bar');
  addKeyOptions(command, 'verify').action((path: string, options: KeyOptions & { progress: boolean }) =>
    validate(path, options, context),
  );
}

async function validate(
  path: string,
  options: KeyOptions & { progress: boolean },
  { terminal }: Context,
): Promise<void> {
  const keys = await trustedKeysOf(options);
  await reading(path, async () => {
    const artifact = await openFile(path, terminal, 'Validating...', {
      transient: true,
      progress: options.progress,
      ...(keys ? { keys } : {}),
    });
    try {
      if (artifact.header.signed && !keys)
        throw new Failure(
          exit.invalid,
          `${path}: manifest.sig: there is a signature, but no key to verify it with: use -k`,
        );
      await filesOf(artifact);
    } finally {
      await artifact.done();
    }
  });
  terminal.out.write(`Artifact file '${path}' validated successfully\n`);
}
