import type { ArtifactHeader } from '#artifact';
import { messageOf } from '#base/errors';
import type { Found } from '../deployments.ts';
import type { StoredArtifact, StoredDeployment } from './journal.ts';
import { Outcome } from './outcome.ts';
import { resumption, type Resumption } from './table.ts';

export type Reboot = 'none' | 'custom' | 'automatic';

/** What the machine works on. Its stored form is Mender's own (`update-client.md` §2.4). */
export interface Deployment {
  readonly id: string;
  readonly source: { readonly uri: string; readonly expire?: string };
  readonly outcome: Outcome;
  /** Known once the header of the artifact has been read. */
  artifact?: StoredArtifact;
  reboot: Reboot;
  supportsRollback?: boolean;
  /** How often it has been stored. */
  stores: number;
  /** The old system is back for sure. */
  rolledBack: boolean;
  /** The first thing that went wrong, in words. */
  reason?: string;
  /** Seconds that somebody on the device has made it wait. */
  held: number;
  /** Of the wait that goes on: since when, Unix time in s, and in which boot of the machine. */
  heldSince?: number;
  boot?: string;
}

/** Says why a deployment fails; the first reason is the one that counts. */
export function blame(deployment: Deployment, error: unknown): void {
  deployment.reason ??= messageOf(error).slice(0, 500);
}

export function newDeployment(found: Found): Deployment {
  const { id, uri, expire } = found;
  return {
    id,
    source: { uri, ...(expire === undefined ? {} : { expire }) },
    outcome: new Outcome(),
    reboot: 'none',
    stores: 0,
    rolledBack: false,
    held: 0,
  };
}

/** The part of a header that outlives the download. */
export function artifactOf(header: ArtifactHeader): StoredArtifact {
  const { name, group = '', depends, payload } = header;
  return {
    artifact_name: name,
    artifact_group: group,
    artifact_provides: { ...payload.provides },
    ...(payload.clears ? { clears_artifact_provides: [...payload.clears] } : {}),
    device_types_compatible: [...depends.device_type],
    PayloadTypes: payload.type === null ? [] : [payload.type],
  };
}

const noArtifact: StoredArtifact = {
  artifact_name: '',
  artifact_group: '',
  device_types_compatible: [],
  PayloadTypes: [],
};
const rebootWords: Readonly<Record<Reboot, string[]>> = {
  none: [],
  custom: ['reboot-type-custom'],
  automatic: ['reboot-type-automatic'],
};

export function storedForm(deployment: Deployment, name: string): StoredDeployment {
  const { id, source, artifact = noArtifact, supportsRollback } = deployment;
  return {
    Version: 2,
    Name: name,
    UpdateInfo: {
      ID: id,
      Artifact: {
        ...artifact,
        Source: { URI: source.uri, ...(source.expire === undefined ? {} : { Expire: source.expire }) },
      },
      RebootRequested: rebootWords[deployment.reboot],
      SupportsRollback:
        supportsRollback === undefined ? '' : supportsRollback ? 'rollback-supported' : 'rollback-not-supported',
      StateDataStoreCount: deployment.stores,
      HasDBSchemaUpdate: false,
      AllRollbacksSuccessful: deployment.rolledBack,
      Outcome: deployment.outcome.verdict,
      ...(deployment.reason === undefined ? {} : { Reason: deployment.reason }),
      ...(deployment.held > 0 ? { Held: deployment.held } : {}),
      ...(deployment.heldSince === undefined ? {} : { HeldSince: deployment.heldSince }),
      ...(deployment.boot === undefined ? {} : { Boot: deployment.boot }),
    },
  };
}

/** A deployment found in the journal at start, and where it goes on. */
export function resumed(stored: StoredDeployment): { deployment: Deployment; at: Resumption } {
  const { ID, Artifact, RebootRequested, SupportsRollback, ...info } = stored.UpdateInfo;
  const at = resumption(stored.Name);
  const verdict =
    at.verdict === 'kept' ? (info.Outcome ?? (info.AllRollbacksSuccessful ? 'rolledBack' : 'failed')) : at.verdict;
  const { Source, ...artifact } = Artifact;
  const reboot = RebootRequested.includes('reboot-type-automatic')
    ? 'automatic'
    : RebootRequested.includes('reboot-type-custom')
      ? 'custom'
      : 'none';
  return {
    at,
    deployment: {
      id: ID,
      source: { uri: Source?.URI ?? '', ...(Source?.Expire === undefined ? {} : { expire: Source.Expire }) },
      outcome: new Outcome(verdict),
      ...(artifact.artifact_name === '' ? {} : { artifact }),
      reboot,
      ...(SupportsRollback === '' ? {} : { supportsRollback: SupportsRollback === 'rollback-supported' }),
      stores: info.StateDataStoreCount,
      rolledBack: info.AllRollbacksSuccessful,
      ...(verdict === 'clean' ? {} : { reason: info.Reason ?? `interrupted in the state ${stored.Name}` }),
      held: info.Held ?? 0,
      ...(info.HeldSince === undefined ? {} : { heldSince: info.HeldSince }),
      ...(info.Boot === undefined ? {} : { boot: info.Boot }),
    },
  };
}
