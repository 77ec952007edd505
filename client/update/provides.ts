import { applyProvides, type ArtifactHeader } from '#artifact';
import { artifactNameOf, flatProvides, type StoredArtifact, type StoredRecord } from './journal.ts';

const suffix = '_INCONSISTENT';

/** The record of a device that has just become this artifact (`update-client.md` §7.3). */
export function withArtifact(record: StoredRecord, artifact: StoredArtifact): StoredRecord {
  const { artifact_name, artifact_group, ...provides } = applyProvides(storedProvides(record), headerOf(artifact));
  const { artifactGroup: _, ...rest } = record;
  return {
    ...rest,
    artifactName: artifact_name ?? artifact.artifact_name,
    ...(artifact_group ? { artifactGroup: artifact_group } : {}),
    provides,
  };
}

/** Neither new nor old for certain: the new name with a mark that no artifact can fit, provides as they were (§2.5). */
export function inconsistent(record: StoredRecord, artifact: StoredArtifact | undefined): StoredRecord {
  const name = artifact?.artifact_name ?? artifactNameOf(record);
  return {
    ...record,
    artifactName: name.endsWith(suffix) ? name : `${name}${suffix}`,
    ...(artifact?.artifact_group ? { artifactGroup: artifact.artifact_group } : {}),
  };
}

/** Name, group and provides, flat; without a name that was never told. */
export function storedProvides(record: StoredRecord): Record<string, string> {
  const { artifact_name, ...rest } = flatProvides(record);
  return record.artifactName === undefined ? rest : { artifact_name: artifact_name ?? '', ...rest };
}

function headerOf(artifact: StoredArtifact): ArtifactHeader {
  const { artifact_provides: provides = {}, clears_artifact_provides: clears, artifact_group: group } = artifact;
  return {
    format: 'mender',
    version: 3,
    name: artifact.artifact_name,
    ...(group ? { group } : {}),
    depends: { device_type: artifact.device_types_compatible },
    scripts: [],
    payload: {
      type: artifact.PayloadTypes[0] ?? null,
      provides,
      depends: {},
      ...(clears ? { clears } : {}),
      files: [],
    },
    signed: false,
    verified: false,
    augmented: false,
  };
}
