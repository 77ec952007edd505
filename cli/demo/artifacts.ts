import { join } from 'node:path';
import { bytesSource, writeArtifact } from '#artifact';
import { brokenModule, demoType } from './virtual-device.ts';

/** An artifact of the `single-file` module: it puts `greeting.txt` into a folder. The artifact's path. */
export async function writeGreeting(folder: string, name: string, text: string, destination: string): Promise<string> {
  const file = join(folder, `${name}.mender`);
  await writeArtifact(
    {
      name,
      depends: { device_type: [demoType] },
      payload: {
        type: 'single-file',
        provides: { [`data-partition.single-file.version`]: name },
        depends: {},
        clears: ['data-partition.single-file.*'],
        files: [
          bytesSource('dest_dir', `${destination}\n`),
          bytesSource('filename', 'greeting.txt\n'),
          bytesSource('permissions', '644\n'),
          bytesSource('file', text),
        ],
      },
    },
    file,
  );
  return file;
}

/** An artifact whose update module fails in the middle. */
export async function writeBroken(folder: string, name: string): Promise<string> {
  const file = join(folder, `${name}.mender`);
  const payload = { type: brokenModule, provides: {}, depends: {}, files: [bytesSource('greeting', 'never read\n')] };
  await writeArtifact({ name, depends: { device_type: [demoType] }, payload }, file);
  return file;
}
