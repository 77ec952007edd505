import { mergedDepends, mergedPayload, mergedProvides, type ArtifactHeader } from '#artifact';
import type { Artifact, ArtifactUpdate } from '#proto/http/deployments';
import type { Artifacts } from '../store/tables/releases.ts';

/** What is stored of an artifact as one JSON text: all that the API shows but id, name, description, size, modified. */
export type Document = Omit<Artifact, 'id' | 'name' | 'description' | 'size' | 'modified'>;

type PayloadFiles = ArtifactUpdate['files'];

/** An artifact's header as the API spells it (`server-api.md` §2.2). */
export function documentOf(header: ArtifactHeader, files: PayloadFiles): Document {
  const payload = mergedPayload(header);
  return {
    device_types_compatible: [...header.depends.device_type],
    info: { format: header.format, version: header.version },
    signed: header.signed,
    updates: [
      {
        type_info: { type: payload.type },
        files,
        ...(payload.metaData ? { metadata: { ...payload.metaData } } : {}),
      },
    ],
    artifact_provides: { ...mergedProvides(header) },
    // mender-cli decodes `device_type` as a list: it is one here however the artifact spelt it.
    artifact_depends: { ...copied(mergedDepends(header)), device_type: [...header.depends.device_type] },
    clears_artifact_provides: [...(payload.clears ?? [])],
  };
}

const copied = (depends: Readonly<Record<string, string | readonly string[]>>): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(depends).map(([key, value]) => [key, typeof value === 'string' ? value : [...value]]),
  );

/** All depends as one text, whatever the order of keys and values: unique together with the artifact's name. */
export function dependsKey(header: ArtifactHeader): string {
  const entries = Object.entries(mergedDepends(header)).map(([key, value]): [string, string[]] => [
    key,
    [...new Set(typeof value === 'string' ? [value] : value)].sort(),
  ]);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A stored row as the API shows it. */
export function artifactOf(row: Artifacts): Artifact {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    ...(JSON.parse(row.document) as Document),
    size: Number(row.size),
    modified: row.modified,
  };
}
