import type { Command } from 'commander';
import { pairs } from './pairs.ts';

/** What names the software that an artifact brings (`artifact-format.md` §9). */
export interface SoftwareOptions {
  readonly artifactName: string;
  readonly softwareName?: string;
  readonly softwareVersion?: string;
  readonly softwareFilesystem?: string;
  readonly defaultSoftwareVersion: boolean;
  readonly defaultClearsProvides: boolean;
  readonly provides?: readonly string[];
  readonly clearsProvides?: readonly string[];
  /** What of `provides` stood before the last option that names the software. */
  readonly providesBefore?: readonly string[];
}

export function addSoftwareOptions(command: Command): Command {
  // Of a version that is given both ways the later one counts, as users of mender-artifact know it.
  for (const part of ['name', 'version', 'filesystem'])
    command.on(`option:software-${part}`, () => {
      command.setOptionValue('providesBefore', command.getOptionValue('provides'));
    });
  return command
    .option('--software-name <name>', 'name of the software, in FILESYSTEM.NAME.version')
    .option('--software-version <version>', 'its version (default: the artifact name)')
    .option('--software-filesystem <name>', 'where it lives (default: rootfs-image)')
    .option('--no-default-software-version', 'provide no version by default, and clear nothing')
    .option('--no-default-clears-provides', 'clear nothing by default');
}

/** What an artifact provides and clears. `name` is the software's name unless an option gives another. */
export function softwareOf(
  options: SoftwareOptions,
  filesystem: string,
  name: string | undefined,
): { provides: Record<string, string>; clears?: readonly string[] } {
  const place = options.softwareFilesystem ?? filesystem;
  const stem = [place, options.softwareName ?? name].filter((part) => part !== undefined && part !== '').join('.');
  const version = options.defaultSoftwareVersion
    ? { [`${stem}.version`]: options.softwareVersion ?? options.artifactName }
    : {};
  const { provides = [], providesBefore: before = [] } = options;
  const given = options.clearsProvides ?? [];
  const clears = options.defaultSoftwareVersion && options.defaultClearsProvides ? defaultClears(stem, given) : given;
  return {
    provides: {
      ...pairs('--provides', before),
      ...version,
      ...pairs('--provides', provides.slice(before.length)),
    },
    ...(clears.length ? { clears } : {}),
  };
}

function defaultClears(stem: string, given: readonly string[]): readonly string[] {
  const defaults =
    stem === 'rootfs-image' ? ['artifact_group', 'rootfs_image_checksum', 'rootfs-image.*'] : [`${stem}.*`];
  return [...given, ...defaults.filter((pattern) => !given.includes(pattern))];
}
