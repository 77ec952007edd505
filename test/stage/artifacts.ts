// Artifacts made by the real mender-artifact.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peer, peerEnvironment } from '../peers.ts';

const run = promisify(execFile);

/** What an artifact is called and what it fits. */
interface Label {
  readonly name: string;
  readonly type: string;
}

/** For the update module `single-file`: puts `motd` with this content into the folder `target`. Answers the path. */
export async function singleFile(
  folder: string,
  { target, content, ...label }: Label & { target: string; content: string },
): Promise<string> {
  const files = { dest_dir: target, filename: 'motd', permissions: '644', motd: content };
  return await moduleArtifact(folder, label, 'single-file', files);
}

/** For the update module `script`: runs this script on the device. */
export async function withScript(folder: string, { script, ...label }: Label & { script: string }): Promise<string> {
  return await moduleArtifact(folder, label, 'script', { 'run.sh': script });
}

async function moduleArtifact(
  folder: string,
  { name, type }: Label,
  module: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const payload = join(folder, `payload-${name}`);
  await mkdir(payload, { recursive: true });
  const args = ['write', 'module-image', '-T', module, '-n', name, '-t', type];
  for (const [file, content] of Object.entries(files)) {
    await writeFile(join(payload, file), content);
    args.push('-f', join(payload, file));
  }
  const path = join(folder, `${name}.mender`);
  const tool = join(await peer('mender-artifact'), 'usr', 'bin', 'mender-artifact');
  await run(tool, [...args, '-o', path], { env: { ...process.env, ...(await peerEnvironment('mender-artifact')) } });
  return path;
}
