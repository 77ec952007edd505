import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OpenArtifact } from '#artifact';
import { flushFolder } from '#base/durable';

/** What the device is before the update, as the module may want to know it. Empty text: unknown. */
export interface Current {
  readonly name: string;
  readonly group: string;
  readonly deviceType: string;
}

/** Makes the file tree of an update module (`update-client.md` §4.2), flushed to the disk before any module runs. */
export function makeTree(tree: string, artifact: Pick<OpenArtifact, 'header' | 'raw'>, current: Current): void {
  rmSync(tree, { recursive: true, force: true });
  const { header, raw } = artifact;
  mkdirSync(join(tree, 'header'), { recursive: true, mode: 0o700 });
  put(join(tree, 'header', 'artifact_name'), header.name);
  put(join(tree, 'header', 'artifact_group'), header.group ?? '');
  put(join(tree, 'header', 'payload_type'), header.payload.type ?? '');
  put(join(tree, 'header', 'header-info'), raw.headerInfo);
  put(join(tree, 'header', 'type-info'), raw.typeInfo);
  put(join(tree, 'header', 'meta-data'), raw.metaData ?? 'null');
  flushFolder(join(tree, 'header'));
  makeCurrent(tree, current);
}

/** The entries that can be made again without the artifact: what a lost tree gets back (§4.2, rootfs-image only). */
export function makeCurrent(tree: string, current: Current): void {
  mkdirSync(join(tree, 'tmp'), { recursive: true, mode: 0o700 });
  put(join(tree, 'version'), '3\n');
  put(join(tree, 'current_artifact_name'), line(current.name));
  put(join(tree, 'current_artifact_group'), line(current.group));
  put(join(tree, 'current_device_type'), line(current.deviceType));
  flushFolder(tree);
  flushFolder(dirname(tree));
}

const line = (value: string): string => (value === '' ? '' : `${value}\n`);

function put(file: string, content: string | Uint8Array): void {
  writeFileSync(file, content, { mode: 0o600, flush: true });
}
