import type { StoredArtifact, StoredStandalone } from '../update/journal.ts';
import type { Stop } from './table.ts';

/** A standalone update: what the machine works on. */
export interface Installation {
  /** Known once the header has been read. */
  artifact?: StoredArtifact;
  failed: boolean;
  rolledBack: boolean;
  /** The user asked for the rollback: it is no failure. */
  wished: boolean;
  rebootWanted: boolean;
  /** Streamed by this very command. */
  readonly fresh: boolean;
  readonly stopBefore: ReadonlySet<Stop>;
  /** A line for the user. */
  readonly say: (line: string) => void;
}

export const newInstallation = (
  fresh: boolean,
  stopBefore: ReadonlySet<Stop>,
  say: (line: string) => void,
): Installation => ({ failed: false, rolledBack: false, wished: false, rebootWanted: false, fresh, stopBefore, say });

/** Mender's own form, version 2 (`update-client.md` §6.5). */
export function storedForm({ artifact, failed, rolledBack }: Installation, inState: string): StoredStandalone {
  return {
    Version: 2,
    ArtifactName: artifact?.artifact_name ?? '',
    ArtifactGroup: artifact?.artifact_group ?? '',
    PayloadTypes: [artifact?.PayloadTypes[0] ?? ''],
    ...(artifact?.artifact_provides ? { ArtifactTypeInfoProvides: artifact.artifact_provides } : {}),
    ...(artifact?.clears_artifact_provides ? { ArtifactClearsProvides: artifact.clears_artifact_provides } : {}),
    InState: inState,
    Failed: failed,
    RolledBack: rolledBack,
  };
}

/** Puts what is stored into an installation. */
export function restore(installation: Installation, stored: StoredStandalone): void {
  installation.artifact = {
    artifact_name: stored.ArtifactName,
    artifact_group: stored.ArtifactGroup,
    PayloadTypes: stored.PayloadTypes,
    device_types_compatible: [],
    ...(stored.ArtifactTypeInfoProvides ? { artifact_provides: stored.ArtifactTypeInfoProvides } : {}),
    ...(stored.ArtifactClearsProvides ? { clears_artifact_provides: stored.ArtifactClearsProvides } : {}),
  };
  installation.failed = stored.Failed;
  installation.rolledBack = stored.RolledBack;
}
