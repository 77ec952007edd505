import { access } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Artifact, Release } from '#proto/http/deployments';
import { age, bytes } from '../age.ts';
import type { Context } from '../context.ts';
import { failed } from '../failure.ts';
import { plain } from '../io.ts';
import { count } from '../option.ts';
import { all } from '../paging.ts';
import { Transfer } from '../progress.ts';
import { confirm } from '../prompt.ts';
import { deleteReleases, downloadArtifact, findArtifact, readRelease, releases, uploadArtifact } from '../releases.ts';

export default function fill(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list releases (what `patchbay releases` does)')
    .description('List releases.')
    .option('--name <text>', 'only this name, or PREFIX*')
    .option('--tag <tag>', 'only with this tag')
    .option('--limit <n>', 'no more than these', count)
    .action((options: { name?: string; tag?: string; limit?: number }) => list(context, options));
  command
    .command('show')
    .description('Show the artifacts of one release.')
    .argument('<release>')
    .action((name: string) => show(context, name));
  command
    .command('upload')
    .description('Upload artifacts.')
    .argument('<file...>', 'artifact files (.mender)')
    .option('--description <text>', 'what to say of them')
    .action((files: string[], options: { description?: string }) => upload(context, files, options));
  command
    .command('download')
    .description('Download an artifact.')
    .argument('<release>', "a release's name or an artifact's id")
    .option('-o, --output <file>', 'where to; else the name with .mender')
    .option('--device-type <type>', 'which one, if the release has several')
    .option('-f, --force', 'replace a file that is there')
    .action((wanted: string, options: DownloadOptions) => download(context, wanted, options));
  command
    .command('delete')
    .description('Delete releases with all their artifacts.')
    .argument('<release...>')
    .option('-y, --yes', 'do not ask')
    .action((names: string[], options: { yes?: boolean }) => remove(context, names, options));
}

async function list(context: Context, { name, tag, limit }: { name?: string; tag?: string; limit?: number }) {
  const found = await all(releases(await context.http(), { name, tag }, { limit }));
  const none = name || tag ? 'no release matches' : "no releases yet: 'patchbay releases upload FILE' adds one";
  context.list(
    found,
    [
      { head: 'NAME', of: (release) => release.name, paint: (cell) => context.paint('bold', cell) },
      { head: 'FOR', of: (release) => typesOf(release).join(', ') },
      { head: 'TYPE', of: ({ artifacts }) => unique(artifacts.flatMap(payloadTypes)).join(', ') },
      { head: 'SIZE', right: true, of: ({ artifacts }) => bytes(Math.max(0, ...artifacts.map(({ size }) => size))) },
      { head: 'CHANGED', of: ({ modified }) => age(modified) },
      { head: 'TAGS', of: ({ tags }) => (tags ?? []).join(', ') },
    ],
    none,
  );
}

const unique = (words: readonly string[]) => [...new Set(words)];
const typesOf = ({ artifacts }: Release) => unique(artifacts.flatMap((one) => one.device_types_compatible));
const payloadTypes = ({ updates }: Artifact) => (updates ?? []).map(({ type_info }) => type_info.type ?? 'empty');

async function show(context: Context, name: string): Promise<void> {
  const release = await readRelease(await context.http(), name);
  context.show(release, () => {
    const head = [`${plain(release.name)}, changed ${age(release.modified)}`];
    if (release.notes) head.push(plain(release.notes));
    return `${[...head, ...release.artifacts.flatMap(describe)].join('\n')}\n`;
  });
}

function describe(artifact: Artifact): string[] {
  const files = (artifact.updates ?? []).flatMap(({ files }) => files ?? []);
  return [
    '',
    `artifact ${artifact.id}`,
    `  for       ${artifact.device_types_compatible.map(plain).join(', ')}`,
    `  type      ${payloadTypes(artifact).map(plain).join(', ') || '-'}`,
    `  size      ${bytes(artifact.size)}${artifact.signed ? ', signed' : ''}`,
    ...(artifact.description ? [`  said      ${plain(artifact.description)}`] : []),
    ...files.map(({ name, size }) => `  file      ${plain(name)} (${bytes(size)})`),
    ...Object.entries(artifact.artifact_provides ?? {}).map(
      ([key, value]) => `  provides  ${plain(`${key}=${value}`)}`,
    ),
  ];
}

async function upload(context: Context, files: readonly string[], options: { description?: string }): Promise<void> {
  const http = await context.http();
  const stored: { file: string; id: string }[] = [];
  for (const file of files) {
    const transfer = new Transfer(context.io, plain(basename(file)), await sizeOf(file));
    try {
      const id = await uploadArtifact(http, file, { ...options, sent: (n) => transfer.add(n) });
      stored.push({ file, id });
      transfer.clear();
      context.note(`${plain(basename(file))} uploaded (${transfer.summary}): artifact ${id}`);
    } finally {
      transfer.clear();
    }
  }
  context.show(stored, () => '');
}

async function sizeOf(file: string): Promise<number | undefined> {
  const { stat } = await import('node:fs/promises');
  return (await stat(file).catch(() => undefined))?.size;
}

interface DownloadOptions {
  readonly output?: string;
  readonly deviceType?: string;
  readonly force?: boolean;
}

async function download(context: Context, wanted: string, { output, deviceType, force }: DownloadOptions) {
  const http = await context.http();
  const artifact = await findArtifact(http, wanted, deviceType);
  // The name came from the server: it names a file here, and no place.
  const file = output ?? `${artifact.name.replaceAll(/[^\w.+-]/g, '_').replace(/^\.+/, '_')}.mender`;
  if (!force && (await exists(file))) throw failed(`${file} is there already: give --output, or --force to replace it`);
  const transfer = new Transfer(context.io, plain(basename(file)), artifact.size);
  try {
    await downloadArtifact(http, artifact, file, (n) => transfer.add(n));
  } finally {
    transfer.clear();
  }
  context.note(`${file} downloaded (${transfer.summary})`);
  context.show({ file, artifact: artifact.id, size: artifact.size }, () => '');
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

async function remove(context: Context, names: readonly string[], { yes }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  await confirm(context.io, `Delete ${names.map(plain).join(', ')} with all artifacts?`, yes, context.signal);
  // A server deletes what is there and does not mind what is not; a person who mistyped minds.
  for (const name of names) await readRelease(http, name);
  await deleteReleases(http, names);
  for (const name of names) context.note(`${plain(name)} deleted`);
  context.show({ deleted: names }, () => '');
}
