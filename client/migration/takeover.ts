import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { paths, type Places } from '../places.ts';
import { parseRecord, type Journal, type StoredRecord } from '../update/journal.ts';
import { readLmdb } from './lmdb.ts';

/**
 * Takes over a device from Mender's client: name, group, provides and what is under way, from its database, or at least
 * the name of its artifact_info. Once, while we have no store of our own; the old files stay as they are, so the way
 * back is open. The key and all else have the same place and form already.
 */
export function takeOver(places: Places, journal: Journal, log: Log): void {
  if (existsSync(paths.journal(places))) return;
  const record = {
    ...nameOfFile(join(places.conf, 'artifact_info')),
    ...fromDatabase(join(places.store, 'mender-store'), log),
  };
  if (Object.keys(record).length === 0) return;
  journal.write((empty) => ({ ...empty, ...record }));
  const { artifactName, deployment, standalone } = record;
  log.info('device taken over from another client', {
    name: artifactName,
    ...(deployment ? { deployment: deployment.UpdateInfo.ID } : {}),
    ...(standalone ? { pending: standalone.ArtifactName } : {}),
  });
}

function nameOfFile(file: string): Partial<StoredRecord> {
  try {
    const name = /^artifact_name=(.+)$/m.exec(readFileSync(file, 'utf8'))?.[1]?.trim();
    return name ? { artifactName: name } : {};
  } catch {
    return {};
  }
}

function fromDatabase(file: string, log: Log): Partial<StoredRecord> {
  let entries: Map<string, Uint8Array>;
  try {
    entries = readLmdb(readFileSync(file));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      log.error('database of the former client cannot be read', { file, error: messageOf(error) });
    return {};
  }
  return recordOf(entries, log);
}

/** What the keys of its database say (`update-client.md` §1.8). */
export function recordOf(entries: ReadonlyMap<string, Uint8Array>, log: Log): Partial<StoredRecord> {
  const text = (key: string): string | undefined => {
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
    ...part(log, 'deployment', stateOf(text), (value) => deploymentOf(value, isFilled(text('update-control-maps')))),
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
    const { [key]: taken } = parseRecord({ version: 1, provides: {}, [key]: value });
    return optional(key, taken) as Partial<StoredRecord>;
  } catch (error) {
    log.error('a part of the former client’s database is not understood', { part: key, error: messageOf(error) });
    return {};
  }
}

/** Where it is; of a form that we do not know there may be another one beside it, of a client that came between. */
function stateOf(text: (key: string) => string | undefined): string | undefined {
  const [state, other] = [text('state'), text('state-uncommitted')];
  const known = (candidate: string | undefined) => candidate !== undefined && /"Version":\s*[12]\b/.test(candidate);
  return !known(state) && known(other) ? other : state;
}

/** Clients of long ago knew root file systems only. `controlled`: the last one let somebody hold the update. */
function deploymentOf(value: unknown, controlled: boolean): unknown {
  const { Version, Name, UpdateInfo, ...rest } = value as Record<string, unknown>;
  // Held before its reboot it was not rebooted for sure: nothing that we know, so it goes back.
  const name = Name === 'reboot' && controlled ? 'reboot-held' : Name;
  if (Version !== 1) return { ...rest, Version, Name: name, UpdateInfo };
  const { Artifact, ...info } = UpdateInfo as Record<string, unknown>;
  const rootfs = {
    Artifact: { ...(Artifact as object), PayloadTypes: ['rootfs-image'] },
    RebootRequested: ['reboot-type-custom'],
    SupportsRollback: 'rollback-supported',
  };
  return { ...rest, Version: 2, Name: name, UpdateInfo: { ...info, ...rootfs } };
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
