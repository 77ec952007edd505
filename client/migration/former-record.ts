import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { parseRecord, type StoredRecord } from '../update/journal.ts';
import { heldReboot } from '../update/table.ts';

/** The keys of its database that are about updates (`update-client.md` §1.8). */
export const formerKeys = [
  'artifact-name',
  'artifact-group',
  'artifact-provides',
  'state',
  'state-uncommitted',
  'standalone-state',
  'update-control-maps',
] as const;

/** What those keys say. */
export function recordOf(entries: ReadonlyMap<string, Uint8Array>, log: Log): Partial<StoredRecord> {
  const text = (key: (typeof formerKeys)[number]): string | undefined => {
    const value = entries.get(key);
    return value && value.length > 0 ? Buffer.from(value).toString('utf8') : undefined;
  };
  const taken: Partial<StoredRecord> = {
    ...optional('artifactName', text('artifact-name')),
    ...optional('artifactGroup', text('artifact-group')),
  };
  // Each by itself: what cannot be understood of one must not cost the others.
  return {
    ...taken,
    ...part(log, 'provides', text('artifact-provides'), (value) => value),
    ...part(log, 'deployment', stateOf(text), (value) =>
      deploymentOf(value, { name: taken.artifactName, controlled: isFilled(text('update-control-maps')) }),
    ),
    ...part(log, 'standalone', text('standalone-state'), standaloneOf),
  };
}

function part(
  log: Log,
  key: 'provides' | 'deployment' | 'standalone',
  text: string | undefined,
  convert: (value: unknown) => unknown,
): Partial<StoredRecord> {
  if (text === undefined) return {};
  try {
    const value = convert(withoutNulls(JSON.parse(text)));
    if (value === undefined) return {};
    const { [key]: taken } = parseRecord({ version: 1, provides: {}, [key]: value });
    return optional(key, taken) as Partial<StoredRecord>;
  } catch (error) {
    log.error('a part of the former client’s database is not understood', { part: key, error: messageOf(error) });
    return {};
  }
}

/** Where it is; of a form that we do not know there may be another one beside it, of a client that came between. */
function stateOf(text: (key: 'state' | 'state-uncommitted') => string | undefined): string | undefined {
  const [state, other] = [text('state'), text('state-uncommitted')];
  const known = (candidate: string | undefined) => candidate !== undefined && /"Version":\s*[12]\b/.test(candidate);
  return !known(state) && known(other) ? other : state;
}

interface Beside {
  /** What the device is called in the same database. */
  readonly name: string | undefined;
  /** The client let somebody hold the update. */
  readonly controlled: boolean;
}

/** What is under way, in the form that we go on with; nothing where nothing was begun yet. */
function deploymentOf(value: unknown, beside: Beside): unknown {
  const { Version, Name, UpdateInfo, ...rest } = value as Record<string, unknown>;
  // Found, and not one byte read: the server offers it again.
  if (Name === 'update-fetch') return undefined;
  const { Artifact, ...info } = UpdateInfo as Record<string, unknown>;
  const converted = {
    ...info,
    Artifact,
    ...(Version === 1 ? longAgo(Artifact) : {}),
    ...outcomeOf(Name, info['AllRollbacksSuccessful'], (Artifact as { artifact_name?: unknown }).artifact_name, beside),
    // Whatever kept that client busy may be cured by another one: it has all its tries.
    StateDataStoreCount: 0,
  };
  return {
    ...rest,
    Version: Version === 1 ? 2 : Version,
    Name: ourNameOf(Name, beside.controlled),
    UpdateInfo: converted,
  };
}

/** Clients of long ago knew root file systems only. */
const longAgo = (artifact: unknown) => ({
  Artifact: { ...(artifact as object), PayloadTypes: ['rootfs-image'] },
  RebootRequested: ['reboot-type-custom'],
  SupportsRollback: 'rollback-supported',
});

function ourNameOf(name: unknown, controlled: boolean): unknown {
  switch (name) {
    // Downloaded, and nothing installed: a module that is asked to roll back now might take away what was there before.
    case 'update-after-store':
      return 'update-store';
    // All is done but the last word to the server.
    case 'update-status-report':
      return 'cleanup';
    case 'reboot':
      return controlled ? heldReboot : name;
    default:
      return name;
  }
}

/**
 * What the update has come to, in the states that come after that is certain. The client in Go does not say it there;
 * but it has given the device its name by then: the new one, the one that means a mixture, or none.
 */
function outcomeOf(state: unknown, rolledBack: unknown, artifact: unknown, { name }: Beside) {
  if (rolledBack === true) return {};
  const closing = state === 'cleanup' || state === 'update-status-report';
  if (!closing && !(state === 'update-error' && rolledBack === undefined)) return {};
  if (name === `${String(artifact)}_INCONSISTENT`) return { Outcome: 'failed' };
  if (closing && name === artifact) return { Outcome: 'clean' };
  return { Outcome: 'rolledBack', AllRollbacksSuccessful: true };
}

/** A list of Go's that has something in it. */
const isFilled = (list: string | undefined): boolean =>
  list !== undefined && !['null', '[]', '{}'].includes(list.trim());

/** Version 1 had but one state to wait in. */
function standaloneOf(value: unknown): unknown {
  if ((value as { Version?: unknown }).Version !== 1) return value;
  return { ...(value as object), Version: 2, InState: 'Before_ArtifactCommit_Enter', Failed: false, RolledBack: false };
}

/** Go writes null for an empty list or map: the same as nothing. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .map(([key, entry]) => [key, withoutNulls(entry)]),
  );
}

const optional = <K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
