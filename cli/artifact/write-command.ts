import type { Command } from 'commander';
import type { ArtifactSpec, AugmentSpec, PayloadSpec } from '#artifact';
import { compressionOf } from './compression-option.ts';
import { exit, Failure, misuse } from './exit.ts';
import { readMetaData, readScripts } from './inputs.ts';
import { signerOf } from './keys.ts';
import { addPackOptions, deviceTypes, pack, timestampOf, type PackOptions } from './packing.ts';
import { list, pairs, wanted } from './pairs.ts';
import { payloadInput } from './payload-input.ts';
import type { Context } from './context.ts';
import { withScratch } from './scratch.ts';
import { addSoftwareOptions, softwareOf, type SoftwareOptions } from './software.ts';

interface ScriptOptions {
  readonly script?: readonly string[];
}
interface RootfsOptions extends PackOptions, SoftwareOptions, ScriptOptions {
  readonly file: string;
  readonly legacyRootfsImageChecksum?: boolean;
  readonly checksumProvide: boolean;
}
interface ModuleOptions extends PackOptions, SoftwareOptions, ScriptOptions {
  readonly type: string;
  readonly file?: readonly string[];
  readonly metaData?: string;
  readonly augmentType?: string;
  readonly augmentFile?: readonly string[];
  readonly augmentProvides?: readonly string[];
  readonly augmentDepends?: readonly string[];
  readonly augmentMetaData?: string;
}

/** `write rootfs-image|module-image|bootstrap-artifact` (`artifact-format.md` §17.2). */
export function addWriteCommands(write: Command, context: Context): void {
  const script = ['-s, --script <path>', 'state script, or a folder of them; may be repeated', list] as const;

  addSoftwareOptions(addPackOptions(write.command('rootfs-image').summary('an image of a root file system')))
    .requiredOption('-f, --file <file>', 'the image; - is standard input')
    .option(...script)
    .option('--legacy-rootfs-image-checksum', 'provide the checksum as rootfs_image_checksum')
    .option('--no-checksum-provide', 'do not provide the checksum')
    .action((options: RootfsOptions) => writeRootfs(options, context));

  addSoftwareOptions(addPackOptions(write.command('module-image').summary('files for an update module')))
    .requiredOption('-T, --type <type>', 'payload type: the name of the update module')
    .option('-f, --file <file>', 'payload file; may be repeated', list)
    .option('-m, --meta-data <file>', 'JSON object for the update module')
    .option(...script)
    .option('--augment-type <type>', 'payload type of a part that the signature does not cover')
    .option('--augment-file <file>', 'file of that part; may be repeated', list)
    .option('--augment-provides <key:value>', 'what that part provides; may be repeated', list)
    .option('--augment-depends <key:value>', 'what that part needs; may be repeated', list)
    .option('--augment-meta-data <file>', 'JSON object of that part')
    .action((options: ModuleOptions) => writeModule(options, context));

  addPackOptions(write.command('bootstrap-artifact').summary('an empty payload that says what is on a device')).action(
    (options: PackOptions) => writeBootstrap(options, context),
  );
}

async function writeRootfs(options: RootfsOptions, context: Context): Promise<void> {
  if (/\s/.test(options.artifactName))
    throw new Failure(exit.failed, `artifact name '${options.artifactName}': spaces are not allowed`);
  await withScratch(options.tmp, async (scratch) => {
    const software = options.version === '2' ? { provides: {} } : softwareOf(options, 'rootfs-image', undefined);
    const checksumKey = options.legacyRootfsImageChecksum ? 'rootfs_image_checksum' : 'rootfs-image.checksum';
    const payload: PayloadSpec = {
      type: 'rootfs-image',
      ...software,
      depends: wanted('--depends', options.depends),
      ...(options.checksumProvide ? { checksumKey } : {}),
      files: [await payloadInput(options.file, scratch, context.terminal)],
    };
    await pack(await specOf(options, payload, context), options, context.terminal, context.signal);
  });
}

async function writeModule(options: ModuleOptions, context: Context): Promise<void> {
  await withScratch(options.tmp, async (scratch) => {
    const files = [];
    for (const path of options.file ?? []) files.push(await payloadInput(path, scratch, context.terminal));
    const metaData = await readMetaData(options.metaData);
    const augment = await augmentOf(options, scratch, context);
    await packModule(options, { type: options.type, files, ...(metaData ? { metaData } : {}) }, context, augment);
  });
}

async function augmentOf(options: ModuleOptions, scratch: string, context: Context): Promise<AugmentSpec | undefined> {
  const { augmentType: type, augmentFile, augmentProvides, augmentDepends, augmentMetaData } = options;
  if (type === undefined) {
    if (augmentFile ?? augmentProvides ?? augmentDepends ?? augmentMetaData)
      throw misuse('what is augmented needs a type: --augment-type');
    return undefined;
  }
  const files = [];
  for (const path of augmentFile ?? []) files.push(await payloadInput(path, scratch, context.terminal));
  const metaData = await readMetaData(augmentMetaData);
  return {
    type,
    provides: pairs('--augment-provides', augmentProvides),
    depends: wanted('--augment-depends', augmentDepends),
    ...(metaData ? { metaData } : {}),
    files,
  };
}

/** Writes an artifact for an update module, with the defaults of `module-image`. */
export async function packModule(
  options: PackOptions & SoftwareOptions & ScriptOptions,
  payload: Pick<PayloadSpec, 'files' | 'metaData'> & { readonly type: string },
  context: Context,
  augment?: AugmentSpec,
): Promise<void> {
  const software = softwareOf(options, 'rootfs-image', payload.type);
  const whole: PayloadSpec = { ...payload, ...software, depends: wanted('--depends', options.depends) };
  const spec = await specOf(options, whole, context);
  await pack({ ...spec, ...(augment ? { augment } : {}) }, options, context.terminal, context.signal);
}

async function writeBootstrap(options: PackOptions, context: Context): Promise<void> {
  const payload: PayloadSpec = {
    type: null,
    provides: pairs('--provides', options.provides),
    depends: wanted('--depends', options.depends),
    ...(options.clearsProvides ? { clears: options.clearsProvides } : {}),
    files: [],
  };
  await pack(await specOf(options, payload, context), options, context.terminal, context.signal);
}

async function specOf(
  options: PackOptions & ScriptOptions,
  payload: PayloadSpec,
  context: Context,
): Promise<ArtifactSpec> {
  const version = formatOf(options, payload);
  const signer = await signerOf(options);
  return {
    version,
    name: options.artifactName,
    ...(options.providesGroup === undefined ? {} : { group: options.providesGroup }),
    depends: {
      device_type: deviceTypes(options),
      artifact_name: options.artifactNameDepends ?? [],
      artifact_group: options.dependsGroups ?? [],
    },
    scripts: await readScripts(options.script),
    payload,
    ...compressionOf(options.compression),
    ...timestampOf(options, context.environment),
    ...(signer ? { signer } : {}),
  };
}

/** Format 2 is written for a rootfs-image, as its users expect; nothing else ever was. */
function formatOf({ version }: PackOptions, { type }: PayloadSpec): 2 | 3 {
  if (version === '3') return 3;
  if (version === '2' && type === 'rootfs-image') return 2;
  throw new Failure(exit.unsupportedVersion, `--version ${version}: that format is not written for this payload`);
}
