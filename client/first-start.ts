import type { Log } from '#base/log';
import { paths, type Places } from './places.ts';
import { bootstrapName } from './update/bootstrap.ts';
import type { Journal } from './update/journal.ts';

/** What a device that we have not run on before brings along: another client's store, or the artifact of its image. */
export async function firstStart(places: Places, journal: Journal, log: Log): Promise<void> {
  if (journal.read().artifactName === undefined) {
    const { takeOver } = await import('./migration/takeover.ts');
    takeOver(places, journal, log);
  }
  await bootstrapName(paths.bootstrap(places), journal, log);
}
