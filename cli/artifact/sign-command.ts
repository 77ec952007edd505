import type { Command } from 'commander';
import { signArtifact } from '#artifact';
import { codeOf } from '#base/errors';
import type { Context } from './context.ts';
import { exit, misuse, reading, writing } from './exit.ts';
import { addKeyOptions, signerOf, type KeyOptions } from './keys.ts';
import { filesOf } from './read-command.ts';
import { openFile } from './source.ts';

interface SignCommandOptions extends KeyOptions {
  readonly outputPath?: string;
  readonly force?: boolean;
}

/** `sign`: puts a signature into an artifact. A broken artifact is not signed. */
export function addSignCommand(program: Command, context: Context): void {
  const command = program
    .command('sign')
    .summary('sign an artifact')
    .argument('<file>')
    .option('-o, --output-path <file>', 'write the signed artifact there, not in place')
    .option('-f, --force', 'replace a signature');
  addKeyOptions(command, 'sign').action((path: string, options: SignCommandOptions) => sign(path, options, context));
}

async function sign(path: string, options: SignCommandOptions, { terminal }: Context): Promise<void> {
  const signer = await signerOf(options);
  if (!signer) throw misuse('no key is given: use -k or --key-pkcs11');
  await reading(
    path,
    async () => {
      const artifact = await openFile(path, terminal, 'Checking...', { transient: true, warn: () => undefined });
      try {
        await filesOf(artifact);
      } finally {
        await artifact.done();
      }
    },
    exit.failed,
  );
  const { outputPath, force } = options;
  try {
    await writing(outputPath ?? path, () =>
      signArtifact(path, signer, {
        ...(outputPath === undefined ? {} : { output: outputPath }),
        force: force ?? false,
      }),
    );
  } catch (error) {
    throw codeOf(error) === 'already_signed'
      ? misuse(`${path}: is signed already, use --force to replace the signature`)
      : error;
  }
}
