import { stat } from 'node:fs/promises';
import { fileChunks, openArtifact, type OpenArtifact, type ReadOptions } from '#artifact';
import { exit, Failure, reason } from './exit.ts';
import { counted, progressBar, type Terminal } from './progress.ts';

export interface OpenOptions extends ReadOptions {
  readonly progress?: boolean;
}

/** Opens an artifact file as far as its payload, and takes all that the format allows. `done` lets go of the file. */
export async function openFile(
  path: string,
  terminal: Terminal,
  title: string,
  { progress: wanted = true, ...options }: OpenOptions,
): Promise<OpenArtifact & { done(): Promise<void> }> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw new Failure(exit.cannotOpen, `${path}: cannot be opened: ${reason(cause)}`, { cause });
  });
  const progress = progressBar(terminal, title, size, wanted);
  const source = counted(fileChunks(path), progress);
  const done = async () => {
    progress.done();
    // The file stays open if its payload is not wanted.
    await source.return();
  };
  try {
    const artifact = await openArtifact(source, { allowAugmented: true, allowVersion2: true, ...options });
    return { header: artifact.header, raw: artifact.raw, files: () => artifact.files(), done };
  } catch (error) {
    await done();
    throw error;
  }
}
