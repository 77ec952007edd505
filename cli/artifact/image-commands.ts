import { copyFile, realpath, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { fileSource } from '#artifact';
import type { Context } from './context.ts';
import { exit, Failure, misuse, writing } from './exit.ts';
import { ExtImage, isExtImage } from './ext-image.ts';
import { input } from './inputs.ts';
import { addKeyOptions, signerOf, type KeyOptions } from './keys.ts';
import { save } from './saving.ts';
import { withScratch } from './scratch.ts';
import { repack, unpack } from './unpacked.ts';

interface InstallOptions extends KeyOptions {
  readonly mode?: string;
  readonly directory?: boolean;
}

/** `cp`, `cat`, `install` and `rm`: files inside the image that an artifact brings, or inside a bare image. */
export function addImageCommands(program: Command, context: Context): void {
  const place = '<file:/path>';
  addKeyOptions(
    program
      .command('cp')
      .summary('copy a file into or out of an image')
      .argument('<source>', 'file, - or file:/path')
      .argument('<target>', 'the same'),
    'sign',
  ).action((source: string, target: string, options: KeyOptions) => copy(source, target, options, context));

  program
    .command('cat')
    .summary('print a file of an image')
    .argument(place)
    .action((from: string) => cat(from, context));

  addKeyOptions(
    program
      .command('install')
      .summary('copy a file into an image, or make a folder there')
      .argument('<paths...>', 'source and file:/path, or with -d file:/path alone')
      .option('-m, --mode <mode>', 'permission bits, octal')
      .option('-d, --directory', 'make a folder'),
    'sign',
  ).action((paths: string[], options: InstallOptions) => install(paths, options, context));

  addKeyOptions(
    program
      .command('rm')
      .summary('remove a file from an image')
      .argument(place)
      .option('-r, --recursive', 'folders too'),
    'sign',
  ).action((from: string, options: KeyOptions & { recursive?: boolean }) =>
    change(required(from), options, context, (image, path) => image.remove(path, options.recursive ?? false)),
  );
}

interface Place {
  readonly file: string;
  readonly path: string;
}

/** `FILE:/path`; undefined: a plain file. */
function placeIn(text: string): Place | undefined {
  const [, file, path] = /^(.+?):(\/.*)$/s.exec(text) ?? [];
  return file === undefined || path === undefined ? undefined : { file, path };
}

function required(text: string): Place {
  const place = placeIn(text);
  if (!place) throw misuse(`${text}: must be FILE:/path`);
  return place;
}

async function copy(source: string, target: string, options: KeyOptions, context: Context): Promise<void> {
  const from = placeIn(source);
  const to = placeIn(target);
  if (from && to) throw misuse('one side must be a file of this machine');
  if (from) return look(from, context, (image) => writing(target, () => fetch(image, from.path, target, context)));
  if (!to) throw misuse('one side must be FILE:/path');
  return change(to, options, context, (image, path, scratch) => put(image, source, path, scratch, context));
}

async function fetch(image: ExtImage, path: string, target: string, context: Context): Promise<void> {
  await withScratch(undefined, async (scratch) => {
    const got = join(scratch, 'got');
    await image.readTo(path, got);
    if (target === '-') await pipeline(createReadStream(got), context.terminal.out, { end: false });
    else await save(target, createReadStream(got));
  });
}

async function cat(from: string, context: Context): Promise<void> {
  const place = required(from);
  await look(place, context, (image) => fetch(image, place.path, '-', context));
}

async function install(paths: readonly string[], options: InstallOptions, context: Context): Promise<void> {
  if (options.directory) {
    const [place] = paths;
    if (place === undefined || paths.length !== 1) throw misuse('install -d takes one argument: FILE:/folder');
    return change(required(place), options, context, (image, path) => image.makeFolder(path));
  }
  const [source, place] = paths;
  if (source === undefined || place === undefined || paths.length !== 2)
    throw misuse('install takes a file and FILE:/path');
  if (options.mode === undefined || !/^0?[0-7]{3,4}$/.test(options.mode))
    throw misuse('install needs -m MODE, octal such as 0644');
  const mode = Number.parseInt(options.mode, 8);
  return change(required(place), options, context, (image, path, scratch) =>
    put(image, source, path, scratch, context, mode),
  );
}

async function put(
  image: ExtImage,
  source: string,
  path: string,
  scratch: string,
  { terminal }: Context,
  mode?: number,
): Promise<void> {
  const copy = join(scratch, 'debugfs-write');
  // Through a copy: debugfs takes no standard input, and its commands no path that holds a quote.
  if (source === '-') await writeFile(copy, terminal.input);
  else await input(source, () => copyFile(source, copy));
  await image.write(copy, path, mode);
}

/** Runs `work` on the image that `file` holds or is. */
async function look(place: Place, context: Context, work: (image: ExtImage) => Promise<void>): Promise<void> {
  await withScratch(undefined, async (scratch) => work((await imageIn(place.file, scratch, context)).image));
}

/** Lets `work` change the image that `file` holds or is, and puts it back. A signature is lost unless a key is given. */
async function change(
  { file, path }: Place,
  options: KeyOptions,
  context: Context,
  work: (image: ExtImage, path: string, scratch: string) => Promise<void>,
): Promise<void> {
  const signer = await signerOf(options);
  await withScratch(undefined, async (scratch) => {
    const { image, put } = await imageIn(file, scratch, context);
    await work(image, path, scratch);
    await image.check();
    await put(signer ? { signer } : {});
  });
}

type PutBack = (signing: Pick<Parameters<typeof repack>[1], 'signer'>) => Promise<void>;

async function imageIn(file: string, scratch: string, context: Context): Promise<{ image: ExtImage; put: PutBack }> {
  if (await input(file, () => isExtImage(file))) {
    const copy = join(scratch, 'image');
    await input(file, () => copyFile(file, copy));
    return { image: new ExtImage(copy, file), put: async () => save(await realpath(file), createReadStream(copy)) };
  }
  const { spec } = await unpack(file, scratch, context);
  const { type, files } = spec.payload;
  const [only] = files;
  if (type !== 'rootfs-image' || !only?.path)
    throw new Failure(exit.failed, `${file}: holds no image of a root file system`);
  const { path, modified } = only;
  if (!(await isExtImage(path))) throw new Failure(exit.failed, `${file}: ${only.name}: is not ext2, ext3 or ext4`);
  return {
    image: new ExtImage(path, file),
    async put(signing) {
      const changed = [{ ...(await fileSource(path)), modified }];
      await repack(file, { ...spec, ...signing, payload: { ...spec.payload, files: changed } }, context);
    },
  };
}
