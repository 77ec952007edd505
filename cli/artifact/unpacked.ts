import { chmod, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSource, type ArtifactHeader, type ArtifactSpec, type PayloadSource } from '#artifact';
import type { Context } from './context.ts';
import { exit, Failure, reading } from './exit.ts';
import { pack } from './packing.ts';
import { save } from './saving.ts';
import { openFile } from './source.ts';

/** Keys under which a rootfs-image provides its checksum, new and old. */
const checksumKeys = ['rootfs-image.checksum', 'rootfs_image_checksum'];

/** An artifact taken apart, so that it can be put together again with something changed. */
export interface Unpacked {
  readonly header: ArtifactHeader;
  /** What makes the same artifact again, unsigned. Its files are in the scratch folder. */
  readonly spec: ArtifactSpec;
}

/** Takes the artifact at `path` apart into `scratch`. */
export async function unpack(path: string, scratch: string, context: Context): Promise<Unpacked> {
  return reading(
    path,
    async () => {
      const artifact = await openFile(path, context.terminal, 'Reading Artifact...', { warn: () => undefined });
      try {
        const { header, raw } = artifact;
        if (header.augmented) throw new Failure(exit.failed, `${path}: augmented artifacts cannot be modified`);
        if (header.version !== 3) throw new Failure(exit.unsupportedVersion, `${path}: only format 3 can be modified`);
        const files: PayloadSource[] = [];
        for await (const { name, modified, content } of artifact.files()) {
          const copy = join(scratch, name);
          await save(copy, content);
          files.push({ ...(await fileSource(copy)), modified });
        }
        return { header, spec: specOf(header, raw.metaData, files) };
      } finally {
        await artifact.done();
      }
    },
    exit.failed,
  );
}

function specOf(
  header: ArtifactHeader,
  metaData: Uint8Array | undefined,
  files: readonly PayloadSource[],
): ArtifactSpec {
  const { type, provides, depends, clears } = header.payload;
  const checksumKey = type === 'rootfs-image' ? checksumKeys.find((key) => Object.hasOwn(provides, key)) : undefined;
  return {
    name: header.name,
    ...(header.group === undefined ? {} : { group: header.group }),
    depends: header.depends,
    scripts: header.scripts,
    payload: {
      type,
      provides: Object.fromEntries(Object.entries(provides).filter(([key]) => key !== checksumKey)),
      depends,
      ...(clears ? { clears } : {}),
      ...(metaData ? { metaData } : {}),
      ...(checksumKey === undefined ? {} : { checksumKey }),
      files,
    },
    compression: header.compression ?? 'gzip',
  };
}

/** Puts an artifact together in place of the one at `path`, which keeps its mode; a link is followed. */
export async function repack(path: string, spec: ArtifactSpec, context: Context): Promise<void> {
  const target = await realpath(path);
  const { mode } = await stat(target);
  await pack(spec, { outputPath: target, progress: true }, context.terminal, context.signal);
  await chmod(target, mode & 0o7777);
}
