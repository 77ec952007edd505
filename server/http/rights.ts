import { scopeKindOf, type Grant, type Permission } from '#proto/http/users';

/** Where a right holds: everywhere, in these groups of devices, or for releases with these tags. */
export type Scope = 'all' | readonly string[];

/**
 * What somebody may do, and where. Each permission has a scope of its own: that one role lets him into a group says
 * nothing of what another role lets him do there (CVE-2026-33552).
 */
export class Rights implements Iterable<Permission> {
  readonly #scopes = new Map<Permission, Scope>();

  constructor(grants: readonly Grant[]) {
    for (const grant of grants) {
      const { permission } = grant;
      const given = scopeOfGrant(grant);
      const known = this.#scopes.get(permission);
      this.#scopes.set(
        permission,
        given === 'all' || known === 'all' ? 'all' : [...new Set([...(known ?? []), ...given])],
      );
    }
  }

  /** He may do it somewhere. */
  has(permission: Permission): boolean {
    return this.#scopes.has(permission) || (permission.startsWith('addon:') && this.#scopes.has('settings:manage'));
  }

  /** Where he may do it; nowhere is an empty list. */
  scope(permission: Permission): Scope {
    return this.#scopes.get(permission) ?? (this.has(permission) ? 'all' : []);
  }

  /** Whether these are no more than those: nobody gives what he has not. */
  within(others: Rights): boolean {
    return [...this.#scopes].every(([permission, scope]) => {
      const theirs = others.scope(permission);
      if (theirs === 'all') return true;
      return scope !== 'all' && scope.every((name) => theirs.includes(name));
    });
  }

  get grants(): Grant[] {
    return [...this.#scopes].map(([permission, scope]) =>
      scope === 'all' ? { permission } : { permission, [scopeKindOf(permission) ?? 'groups']: [...scope] },
    );
  }

  [Symbol.iterator](): Iterator<Permission> {
    return this.#scopes.keys();
  }
}

/** A list that does not fit the permission confines it to nothing at all, never to everything. */
function scopeOfGrant({ permission, groups, tags }: Grant): Scope {
  if (groups === undefined && tags === undefined) return 'all';
  const kind = scopeKindOf(permission);
  return (kind === 'groups' ? groups : kind === 'tags' ? tags : undefined) ?? [];
}
