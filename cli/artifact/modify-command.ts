import type { Command } from 'commander';
import { fileSource, type ArtifactSpec, type PayloadSpec } from '#artifact';
import { compressionOf, compressionOption } from './compression-option.ts';
import type { Context } from './context.ts';
import { misuse } from './exit.ts';
import { changeImage, type ImageOptions, wantsImage } from './image-settings.ts';
import { readMetaData, readScripts } from './inputs.ts';
import { addKeyOptions, signerOf, type KeyOptions } from './keys.ts';
import { list, pairs, wanted } from './pairs.ts';
import { withScratch } from './scratch.ts';
import { repack, unpack } from './unpacked.ts';

interface ModifyOptions extends KeyOptions, ImageOptions {
  readonly name?: string;
  readonly compatibleTypes?: readonly string[];
  readonly artifactNameDepends?: readonly string[];
  readonly providesGroup?: string;
  readonly dependsGroups?: readonly string[];
  readonly provides?: readonly string[];
  readonly depends?: readonly string[];
  readonly clearsProvides?: readonly string[];
  readonly deleteClearsProvides?: readonly string[];
  readonly script?: readonly string[];
  readonly metaData?: string;
  readonly compression?: string;
  readonly tmp?: string;
}

/** `modify`: takes an artifact apart and puts it together again, changed. Its signature is lost unless a key is given. */
export function addModifyCommand(program: Command, context: Context): void {
  const command = program
    .command('modify')
    .summary('change an artifact')
    .argument('<file>')
    .option('-n, --artifact-name <name>', 'new name; also written into an ext4 image')
    .option('--name <name>', 'the same, older spelling')
    .option('--compatible-types <type>', 'device types, in place of all; may be repeated', list)
    .option('-N, --artifact-name-depends <name>', 'needs this artifact, in place of all; may be repeated', list)
    .option('-g, --provides-group <group>', 'group that the artifact puts the device into')
    .option('-G, --depends-groups <group>', 'needs the device in this group, in place of all; may be repeated', list)
    .option('-p, --provides <key:value>', 'what it provides, in place of all; may be repeated', list)
    .option('-d, --depends <key:value>', 'what the device must provide, in place of all; may be repeated', list)
    .option('--clears-provides <pattern>', 'one more pattern to clear; may be repeated', list)
    .option('--delete-clears-provides <pattern>', 'one pattern less; may be repeated', list)
    .option('-s, --script <path>', 'one more state script, or a folder of them; may be repeated', list)
    .option('-m, --meta-data <file>', 'JSON object, in place of the meta-data; an empty file removes it')
    .addOption(compressionOption('as it was'))
    .option('-u, --server-uri <url>', "server's address, written into the image")
    .option('-c, --server-cert <file>', "server's certificate, written into the image")
    .option('-v, --verification-key <file>', 'public key for artifacts, written into the image')
    .option('-t, --tenant-token <file>', 'file with a tenant token, written into the image')
    .option('--tmp <folder>', 'where temporary files go');
  addKeyOptions(command, 'sign').action((path: string, options: ModifyOptions) => modify(path, options, context));
}

async function modify(path: string, options: ModifyOptions, context: Context): Promise<void> {
  const signer = await signerOf(options);
  await withScratch(options.tmp, async (scratch) => {
    const { spec } = await unpack(path, scratch, context);
    const renamed = { ...options, artifactName: options.artifactName ?? options.name };
    const files = await changedFiles(path, spec, renamed, context);
    const changed: ArtifactSpec = {
      ...spec,
      ...headerChanges(spec, renamed),
      scripts: merged(spec.scripts ?? [], await readScripts(options.script)),
      payload: { ...(await payloadChanges(path, spec.payload, options)), files },
      ...(options.compression === undefined ? {} : compressionOf(options.compression)),
      ...(signer ? { signer } : {}),
    };
    await repack(path, changed, context);
  });
}

function headerChanges(spec: ArtifactSpec, options: ModifyOptions & { readonly artifactName: string | undefined }) {
  const { depends } = spec;
  return {
    name: options.artifactName ?? spec.name,
    ...(options.providesGroup === undefined ? {} : { group: options.providesGroup }),
    depends: {
      device_type: options.compatibleTypes ?? depends.device_type,
      artifact_name: options.artifactNameDepends ?? depends.artifact_name ?? [],
      artifact_group: options.dependsGroups ?? depends.artifact_group ?? [],
    },
  };
}

async function payloadChanges(path: string, payload: PayloadSpec, options: ModifyOptions): Promise<PayloadSpec> {
  const { metaData: oldMetaData, clears: oldClears, checksumKey, ...kept } = payload;
  const clears = changedClears(path, oldClears, options);
  const metaData = options.metaData === undefined ? oldMetaData : await readMetaData(options.metaData);
  return {
    ...kept,
    ...(options.provides ? { provides: pairs('--provides', options.provides) } : {}),
    ...(options.depends ? { depends: wanted('--depends', options.depends) } : {}),
    ...(checksumKey === undefined ? {} : { checksumKey }),
    ...(clears ? { clears } : {}),
    ...(metaData ? { metaData } : {}),
  };
}

function changedClears(path: string, clears: readonly string[] | undefined, options: ModifyOptions) {
  const { clearsProvides = [], deleteClearsProvides = [] } = options;
  for (const pattern of deleteClearsProvides) {
    if (!clears?.includes(pattern)) throw misuse(`${path}: does not clear '${pattern}'`);
  }
  if (!clears && clearsProvides.length === 0) return undefined;
  const kept = (clears ?? []).filter((pattern) => !deleteClearsProvides.includes(pattern));
  return [...kept, ...clearsProvides.filter((pattern) => !kept.includes(pattern))];
}

/** Scripts of the same name replace. */
function merged<T extends { readonly name: string }>(old: readonly T[], added: readonly T[]): T[] {
  return [...new Map([...old, ...added].map((script) => [script.name, script])).values()];
}

async function changedFiles(
  path: string,
  spec: ArtifactSpec,
  options: ImageOptions,
  context: Context,
): Promise<PayloadSpec['files']> {
  const { files, type } = spec.payload;
  const [image] = files;
  if (type !== 'rootfs-image' || !image?.path) {
    if (wantsImage(options)) throw misuse(`${path}: holds no image of a root file system to write settings into`);
    return files;
  }
  const changed = await changeImage(path, image.path, options, context);
  return changed ? [{ ...(await fileSource(image.path)), modified: image.modified }] : files;
}
