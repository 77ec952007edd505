import type { LiveEvents } from '#proto/http/live';
import { tagsOf } from '../artifacts/tagged.ts';
import { groupsOfDeployment } from '../deployments/confined.ts';
import { groupsOf } from '../inventory/membership.ts';
import type { Db } from '../store/store.ts';

type Told = { [E in keyof LiveEvents]: { event: E; data: Parameters<LiveEvents[E]>[0] } }[keyof LiveEvents];

/** The groups or tags of what an event is about: whoever is confined to one of them is told. */
export async function placesOf(db: Db, told: Told): Promise<string[]> {
  switch (told.event) {
    case 'device':
    case 'presence':
    case 'inventory':
    case 'addon':
      return groupsOf(db, told.data.id);
    case 'session':
      return groupsOf(db, told.data.device);
    case 'deployment':
      return told.data.device === undefined ? groupsOfDeployment(db, told.data.id) : groupsOf(db, told.data.device);
    case 'release':
      return tagsOf(db, told.data.name);
  }
}
