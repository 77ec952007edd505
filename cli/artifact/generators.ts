import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import type { Command } from 'commander';
import { bytesSource, fileSource, isPayloadFileName, type PayloadSource } from '#artifact';
import { codeOf } from '#base/errors';
import type { Context } from './context.ts';
import { exit, Failure, misuse } from './exit.ts';
import { input } from './inputs.ts';
import { addPackOptions, type PackOptions } from './packing.ts';
import { list } from './pairs.ts';
import { withScratch } from './scratch.ts';
import { addSoftwareOptions, type SoftwareOptions } from './software.ts';
import { packModule } from './write-command.ts';

interface GeneratorOptions extends PackOptions, SoftwareOptions {
  readonly script?: readonly string[];
}
interface DestinationOptions extends GeneratorOptions {
  readonly destDir: string;
}

/** `write single-file|directory|script|deb|docker`: payloads laid out as the stock update modules of those names want them. */
export function addGenerators(write: Command, context: Context): void {
  const generator = (name: string, summary: string) =>
    addSoftwareOptions(addPackOptions(write.command(name).summary(summary))).option(
      '-s, --script <path>',
      'state script, or a folder of them; may be repeated',
      list,
    );

  generator('single-file', 'one file, put into a folder of the device')
    .argument('<file>')
    .requiredOption('--dest-dir <folder>', "the file's folder on the device")
    .action((file: string, options: DestinationOptions) => singleFile(file, options, context));

  generator('directory', 'a folder with all that is in it')
    .argument('<folder>')
    .requiredOption('--dest-dir <folder>', 'the folder on the device, which it replaces')
    .action((folder: string, options: DestinationOptions) => directory(folder, options, context));

  for (const [name, summary] of [
    ['script', 'shell scripts to run on the device'],
    ['deb', 'Debian packages to install'],
  ] as const) {
    generator(name, summary)
      .argument('<files...>')
      .action((files: string[], options: GeneratorOptions) => plain(name, files, options, context));
  }

  generator('docker', 'containers to run, by image')
    .argument('<images...>', 'NAME@sha256:DIGEST, or NAME:TAG of an image that docker has here')
    .option('--run-args <args>', 'arguments for docker run on the device', '')
    .action((images: string[], options: GeneratorOptions & { runArgs: string }) => docker(images, options, context));
}

async function singleFile(file: string, options: DestinationOptions, context: Context): Promise<void> {
  const found = await input(file, () => stat(file));
  if (!found.isFile()) throw misuse(`${file}: is not a regular file`);
  const name = basename(file);
  if (['dest_dir', 'filename', 'permissions'].includes(name))
    throw misuse(`${file}: a file of this name cannot be sent`);
  const files = [
    ...notes({
      dest_dir: absolute(options.destDir),
      filename: name,
      permissions: (found.mode & 0o7777).toString(8),
    }),
    await fileSource(file),
  ];
  await packModule(options, { type: 'single-file', files }, context);
}

async function directory(folder: string, options: DestinationOptions, context: Context): Promise<void> {
  const found = await input(folder, () => stat(folder));
  if (!found.isDirectory()) throw misuse(`${folder}: is not a folder`);
  await withScratch(options.tmp, async (scratch) => {
    const archive = join(scratch, 'update.tar');
    // Sorted, and owned by root: the builder's user means nothing on a device.
    await run('tar', [
      '--create',
      '--file',
      archive,
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '-C',
      folder,
      '.',
    ]);
    const files = [...notes({ dest_dir: absolute(options.destDir) }), await fileSource(archive)];
    await packModule(options, { type: 'directory', files }, context);
  });
}

async function plain(
  type: string,
  paths: readonly string[],
  options: GeneratorOptions,
  context: Context,
): Promise<void> {
  const files: PayloadSource[] = [];
  for (const path of paths) {
    if (type === 'deb' && !path.endsWith('.deb')) throw misuse(`${path}: is not a .deb package`);
    // Names such as foo_1.0+b2_amd64.deb are common, and no artifact can carry them.
    const name = basename(path).replaceAll(/[^0-9A-Za-z_.,-]/g, '_');
    if (!isPayloadFileName(name)) throw misuse(`${path}: a file of this name cannot be sent`);
    files.push(await input(path, () => fileSource(path, name)));
  }
  await packModule(options, { type, files }, context);
}

async function docker(
  images: readonly string[],
  options: GeneratorOptions & { readonly runArgs: string },
  context: Context,
): Promise<void> {
  const containers: string[] = [];
  for (const image of images) containers.push(await pinned(image));
  const metaData = { containers, run_args: options.runArgs };
  await packModule(options, { type: 'docker', metaData, files: [] }, context);
}

/** The image by its digest: a tag may mean something else by the time a device pulls it. */
async function pinned(image: string): Promise<string> {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return image;
  const digest = await run('docker', ['image', 'inspect', '--format', '{{index .RepoDigests 0}}', image]).catch(
    () => '',
  );
  if (!/@sha256:[0-9a-f]{64}$/.test(digest.trim()))
    throw misuse(`${image}: docker knows no digest for it here: pull it first, or give NAME@sha256:DIGEST`);
  return digest.trim();
}

/** The small text files that tell a module what to do. */
function notes(content: Readonly<Record<string, string>>): PayloadSource[] {
  return Object.entries(content).map(([name, text]) => bytesSource(name, `${text}\n`));
}

function absolute(folder: string): string {
  if (!posix.isAbsolute(folder) || /[\n\0]/.test(folder))
    throw misuse(`--dest-dir ${folder}: must be an absolute path`);
  return folder;
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 16 * 1024 * 1024 }, (error, output, errors) => {
      if (!error) return resolve(output);
      const why = codeOf(error) === 'ENOENT' ? 'the program is missing' : (errors.trim().split('\n')[0] ?? '');
      return reject(new Failure(exit.failed, `${program}: ${why}`, { cause: error }));
    });
  });
}
