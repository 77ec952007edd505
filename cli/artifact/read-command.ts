import type { Command } from 'commander';
import {
  ArtifactError,
  mergedDepends,
  mergedPayload,
  mergedProvides,
  type ArtifactHeader,
  type OpenArtifact,
} from '#artifact';
import type { Context } from './context.ts';
import { describe, type FileFacts } from './description.ts';
import { exit, reading } from './exit.ts';
import { addKeyOptions, trustedKeysOf, type KeyOptions } from './keys.ts';
import { openFile } from './source.ts';

interface ReadCommandOptions extends KeyOptions {
  readonly progress: boolean;
  readonly json?: boolean;
}

/** `read`: says what an artifact is. Unlike `validate` it takes a signature that it cannot verify, and says so. */
export function addReadCommand(program: Command, context: Context): void {
  const command = program
    .command('read')
    .summary('say what is in an artifact')
    .argument('<file>')
    .option('--json', 'print JSON')
    .option('--no-progress', 'show no progress bar');
  addKeyOptions(command, 'verify').action((path: string, options: ReadCommandOptions) => read(path, options, context));
}

async function read(path: string, options: ReadCommandOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const keys = await trustedKeysOf(options);
  const { header, signature, files } = await reading(
    path,
    async () => {
      const { artifact, signature } = await openWithKeys(path, keys, options, context);
      try {
        return { header: artifact.header, signature, files: await filesOf(artifact) };
      } finally {
        await artifact.done();
      }
    },
    exit.failed,
  );
  terminal.out.write(
    options.json
      ? `${JSON.stringify(asJson(header, signature, files), null, 2)}\n`
      : describe(header, signature, files),
  );
}

/** Opens with the keys, and once more without them if the signature is the only thing that is wrong. */
async function openWithKeys(path: string, keys: string[] | undefined, options: ReadCommandOptions, context: Context) {
  const warn = (message: string) => void context.terminal.diagnostics.write(`warning: ${path}: ${message}\n`);
  const open = (trusted: string[] | undefined) =>
    openFile(path, context.terminal, 'Reading Artifact...', {
      transient: true,
      warn,
      progress: options.progress,
      ...(trusted ? { keys: trusted } : {}),
    });
  try {
    const artifact = await open(keys);
    return { artifact, signature: stateOf(artifact.header) };
  } catch (error) {
    if (!(error instanceof ArtifactError) || !/^signature-(invalid|missing)$/.test(error.code)) throw error;
    const artifact = await open(undefined);
    return {
      artifact,
      signature: error.code === 'signature-missing' ? 'no signature' : 'signature verification failed',
    };
  }
}

function stateOf({ signed, verified }: ArtifactHeader): string {
  if (verified) return 'signed and verified correctly';
  return signed
    ? 'signed but no key for verification provided; please use `-k` option for providing verification key'
    : 'no signature';
}

/** Reads the whole payload, which checks it. */
export async function filesOf(artifact: OpenArtifact): Promise<FileFacts[]> {
  const files: FileFacts[] = [];
  for await (const { name, size, modified, checksum } of artifact.files())
    files.push({ name, size, modified, checksum });
  return files;
}

function asJson(header: ArtifactHeader, signature: string, files: readonly FileFacts[]) {
  const { clears, metaData, type } = mergedPayload(header);
  return {
    name: header.name,
    format: header.format,
    version: header.version,
    signed: header.signed,
    verified: header.verified,
    signature,
    augmented: header.augmented,
    group: header.group ?? null,
    provides: mergedProvides(header),
    depends: mergedDepends(header),
    clears_provides: clears ?? null,
    scripts: header.scripts.map(({ name }) => name),
    type,
    meta_data: metaData ?? {},
    files,
  };
}
