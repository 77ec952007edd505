import { existsSync } from 'node:fs';
import type { Log } from '#base/log';
import { paths, type Places } from './places.ts';
import { bootstrapName } from './update/bootstrap.ts';
import type { Journal } from './update/journal.ts';

/** What a device brings along on which another client has run, or none yet: that one's store, the artifact of its image. */
export async function firstStart(places: Places, journal: Journal, log: Log): Promise<void> {
  if (existsSync(paths.formerStore(places)) || journal.read().artifactName === undefined) {
    const { takeOver } = await import('./migration/takeover.ts');
    takeOver(places, journal, log);
  }
  await bootstrapName(paths.bootstrap(places), journal, log);
}
