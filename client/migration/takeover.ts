import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { paths, type Places } from '../places.ts';
import type { Journal, StoredRecord } from '../update/journal.ts';
import { formerKeys, recordOf } from './former-record.ts';
import { readLmdb } from './lmdb.ts';

/**
 * Takes over a device from Mender's client: name, group, provides and what is under way, from its database, or at least
 * the name of its artifact_info. Once, while we have no store of our own, and again whenever that client has changed its
 * store since: where it runs from one root file system and we from the other, each trial of ours begins with what it has
 * left. The old files stay as they are, so the way back is open. The key and all else have the same place and form already.
 */
export function takeOver(places: Places, journal: Journal, log: Log): void {
  const entries = databaseOf(paths.formerStore(places), log);
  const seal = entries && sealOf(entries);
  const own = paths.journal(places);
  if (existsSync(own)) {
    const { takenOver } = journal.read();
    if (takenOver === undefined || seal === undefined || takenOver === seal) return;
  } else if (existsSync(`${own}-broken`)) {
    return; // we have run here since, so what that client knew is out of date
  }
  const record: Partial<StoredRecord> = {
    ...nameOfFile(join(places.conf, 'artifact_info')),
    ...(entries ? recordOf(entries, log) : {}),
  };
  if (Object.keys(record).length === 0 && seal === undefined) return;
  // Of ours stays what that client knows nothing of.
  journal.write(({ lastResult, deferral }) => ({
    version: 1,
    provides: {},
    ...(lastResult ? { lastResult } : {}),
    ...(deferral ? { deferral } : {}),
    ...record,
    ...(seal === undefined ? {} : { takenOver: seal }),
  }));
  const { artifactName, deployment, standalone } = record;
  log.info('device taken over from another client', {
    name: artifactName,
    ...(deployment ? { deployment: deployment.UpdateInfo.ID, stored: deployment.Name } : {}),
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

function databaseOf(file: string, log: Log): Map<string, Uint8Array> | undefined {
  try {
    return readLmdb(readFileSync(file));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      log.error('database of the former client cannot be read', { file, error: messageOf(error) });
    return undefined;
  }
}

/** Tells what a database says of updates from what it says at another time; tokens, and what only holds an update, do not count. */
function sealOf(entries: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256');
  for (const key of formerKeys) {
    if (key === 'update-control-maps') continue; // every start of that client may change it
    const value = entries.get(key);
    hash.update(`${key} ${value?.length ?? 'none'}\n`).update(value ?? '');
  }
  return hash.digest('hex');
}
