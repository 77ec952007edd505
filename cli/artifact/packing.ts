import type { Command } from 'commander';
import { writeArtifact, type ArtifactSpec, type Written } from '#artifact';
import { compressionOption } from './compression-option.ts';
import { exit, Failure, misuse, writing } from './exit.ts';
import { parseSize } from './file-size.ts';
import { addKeyOptions, type KeyOptions } from './keys.ts';
import { list } from './pairs.ts';
import { progressBar, type Terminal } from './progress.ts';

/** Options of everything that writes an artifact. */
export interface PackOptions extends KeyOptions {
  readonly artifactName: string;
  readonly compatibleTypes?: readonly string[];
  readonly deviceType?: readonly string[];
  readonly outputPath: string;
  readonly version: string;
  readonly compression?: string;
  readonly artifactNameDepends?: readonly string[];
  readonly providesGroup?: string;
  readonly dependsGroups?: readonly string[];
  readonly provides?: readonly string[];
  readonly depends?: readonly string[];
  readonly clearsProvides?: readonly string[];
  readonly timestamp?: string;
  readonly progress: boolean;
  readonly maxArtifactSize?: string;
  readonly warnArtifactSize?: string;
  readonly tmp?: string;
}

export function addPackOptions(command: Command): Command {
  command
    .requiredOption('-n, --artifact-name <name>', 'name of the artifact; required')
    .option('-c, --compatible-types <type>', 'device type that it fits; required, may be repeated', list)
    .option('-t, --device-type <type>', 'the same, older spelling', list)
    .option('-o, --output-path <file>', 'where to write it; - is standard output', 'artifact.mender')
    .option('-v, --version <number>', 'format version', '3')
    .addOption(compressionOption('gzip'))
    .option('-N, --artifact-name-depends <name>', 'needs this artifact on the device; may be repeated', list)
    .option('-g, --provides-group <group>', 'group that the artifact puts the device into')
    .option('-G, --depends-groups <group>', 'needs the device in this group; may be repeated', list)
    .option('-p, --provides <key:value>', 'what the artifact provides; may be repeated', list)
    .option('-d, --depends <key:value>', 'what the device must provide; may be repeated', list)
    .option('--clears-provides <pattern>', 'provides that it clears; may be repeated', list)
    .option('--timestamp <seconds>', 'time of everything inside, for builds that can be repeated (SOURCE_DATE_EPOCH)')
    .option('--max-artifact-size <size>', 'fail when it becomes larger, such as 500MB')
    .option('--warn-artifact-size <size>', 'warn when it becomes larger')
    .option('--tmp <folder>', 'where temporary files go')
    .option('--no-progress', 'show no progress bar');
  return addKeyOptions(command, 'sign');
}

/** The device types that either spelling names. */
export function deviceTypes({ compatibleTypes = [], deviceType = [] }: PackOptions): readonly string[] {
  if (compatibleTypes.length && deviceType.length) throw misuse('give either -c or -t, which mean the same');
  const types = [...compatibleTypes, ...deviceType];
  if (types.length === 0) throw misuse('no device type is given: use -c TYPE');
  return types;
}

/** The time that everything inside has, from the command line or the environment. */
export function timestampOf({ timestamp }: PackOptions, environment: NodeJS.ProcessEnv): { timestamp?: number } {
  const text = timestamp ?? environment['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return {};
  if (!/^\d{1,11}$/.test(text)) throw misuse(`--timestamp ${text}: must be seconds since 1970`);
  return { timestamp: Number(text) };
}

/** Writes the artifact where the options say. */
export async function pack(
  spec: ArtifactSpec,
  options: Pick<PackOptions, 'outputPath' | 'progress' | 'maxArtifactSize' | 'warnArtifactSize'>,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Written> {
  const total = spec.payload.files.reduce((sum, { size }) => sum + size, 0);
  const progress = progressBar(terminal, 'Writing Artifact...', total, options.progress);
  const { outputPath: path } = options;
  const most =
    options.maxArtifactSize === undefined ? undefined : parseSize('--max-artifact-size', options.maxArtifactSize);
  const many =
    options.warnArtifactSize === undefined ? undefined : parseSize('--warn-artifact-size', options.warnArtifactSize);
  try {
    const written = await writing(path, () =>
      writeArtifact(spec, path === '-' ? terminal.out : path, {
        progress: (bytes) => progress.add(bytes),
        signal,
        ...(most === undefined || path === '-' ? {} : { limit: most }),
      }),
    );
    progress.done();
    if (many !== undefined && written.size > many)
      terminal.diagnostics.write(`warning: ${path}: ${written.size} bytes, more than ${many}\n`);
    return written;
  } catch (error) {
    progress.done();
    throw (error as { code?: unknown }).code === 'artifact_too_large'
      ? new Failure(exit.cannotCreate, `${path}: ${(error as Error).message}`, { cause: error })
      : error;
  }
}
