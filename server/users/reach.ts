import { tagsOf } from '../artifacts/tagged.ts';
import { reachesDeployment } from '../deployments/confined.ts';
import type { Confined } from '../http/route.ts';
import type { Scope } from '../http/rights.ts';
import { isMember } from '../inventory/membership.ts';
import type { Db } from '../store/store.ts';

/** Whether an object lies where a right holds: a device by its groups, a release by its tags. */
export async function reaches(db: Db, kind: Confined, id: string, scope: Scope): Promise<boolean> {
  if (scope === 'all') return true;
  switch (kind) {
    case 'device':
      return isMember(db, id, scope);
    case 'group':
      return scope.includes(id);
    case 'deployment':
      return reachesDeployment(db, id.toLowerCase(), scope);
    case 'release':
      return (await tagsOf(db, id)).some((tag) => scope.includes(tag));
    case 'artifact': {
      const row = await db.selectFrom('artifacts').select('name').where('id', '=', id.toLowerCase()).executeTakeFirst();
      return row !== undefined && (await reaches(db, 'release', row.name, scope));
    }
  }
}
