import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ArtifactHeader, OpenArtifact } from '#artifact';
import type { Context } from './context.ts';
import { exit, Failure, reading, writing } from './exit.ts';
import { save } from './saving.ts';
import { openFile } from './source.ts';

interface DumpOptions {
  readonly files?: string;
  readonly scripts?: string;
  readonly metaData?: string;
  readonly printCmdline?: boolean;
  readonly print0Cmdline?: boolean;
}

/** `dump`: takes an artifact apart, and prints the arguments that put it together again. */
export function addDumpCommand(program: Command, context: Context): void {
  program
    .command('dump')
    .summary('take an artifact apart')
    .argument('<file>')
    .option('--files <folder>', 'put the payload files there')
    .option('--scripts <folder>', 'put the state scripts there')
    .option('--meta-data <folder>', 'put the meta-data there, as 0000.meta-data')
    .option('--print-cmdline', 'print arguments that recreate the artifact')
    .option('--print0-cmdline', 'the same, each argument ended by NUL')
    .action((path: string, options: DumpOptions) => dump(path, options, context));
}

async function dump(path: string, options: DumpOptions, { terminal }: Context): Promise<void> {
  const header = await reading(path, async () => {
    const artifact = await openFile(path, terminal, 'Reading Artifact...', { warn: () => undefined });
    try {
      await unpack(artifact, options);
      return artifact.header;
    } finally {
      await artifact.done();
    }
  });
  if (!options.printCmdline && !options.print0Cmdline) return;
  if (header.augmented) throw new Failure(exit.unsupportedFeature, `${path}: augmented artifacts cannot be recreated`);
  const words = commandLine(header, options);
  terminal.out.write(
    options.print0Cmdline ? words.map((word) => `${word}\0`).join('') : `${words.map(quoted).join(' ')}\n`,
  );
}

async function unpack(artifact: OpenArtifact, options: DumpOptions): Promise<void> {
  const { scripts, metaData, files } = options;
  if (scripts !== undefined) {
    await folder(scripts);
    for (const { name, content } of artifact.header.scripts)
      await writing(scripts, () => save(join(scripts, name), content, 0o755));
  }
  if (metaData !== undefined) {
    await folder(metaData);
    const { metaData: content } = artifact.raw;
    if (content) await writing(metaData, () => save(join(metaData, '0000.meta-data'), content));
  }
  if (files !== undefined) await folder(files);
  // Without a folder the files are read all the same: only then is the artifact known to be sound.
  for await (const { name, content } of artifact.files()) {
    if (files !== undefined) await writing(files, () => save(join(files, name), content));
  }
}

async function folder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw new Failure(exit.cannotCreate, `${path}: the folder cannot be created`, { cause });
  });
}

/** Arguments for `patchbay artifact`, long options only. Defaults are off: everything is said. */
function commandLine({ name, group, depends, payload, scripts }: ArtifactHeader, options: DumpOptions): string[] {
  const each = (flag: string, values: readonly string[]) => values.flatMap((value) => [flag, value]);
  const pairs = (flag: string, map: Readonly<Record<string, string | readonly string[]>>) =>
    Object.entries(map).flatMap(([key, value]) =>
      each(
        flag,
        [value].flat().map((one) => `${key}:${one}`),
      ),
    );
  const general = [
    '--artifact-name',
    name,
    ...each('--device-type', depends.device_type),
    ...each('--artifact-name-depends', depends.artifact_name ?? []),
    ...each('--depends-groups', depends.artifact_group ?? []),
    ...(group === undefined ? [] : ['--provides-group', group]),
    ...pairs('--provides', payload.provides),
    ...pairs('--depends', payload.depends),
    ...each('--clears-provides', payload.clears ?? []),
  ];
  if (payload.type === null) return ['write', 'bootstrap-artifact', ...general];
  const { files, metaData, scripts: scriptFolder } = options;
  return [
    'write',
    'module-image',
    '--type',
    payload.type,
    ...general,
    '--no-default-software-version',
    '--no-default-clears-provides',
    ...(metaData !== undefined && payload.metaData ? ['--meta-data', join(metaData, '0000.meta-data')] : []),
    ...(files === undefined
      ? []
      : each(
          '--file',
          payload.files.map((file) => join(files, file.name)),
        )),
    ...(scriptFolder === undefined
      ? []
      : each(
          '--script',
          scripts.map((script) => join(scriptFolder, script.name)),
        )),
  ];
}

function quoted(word: string): string {
  return /^[\w@%+=:,./*-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
