import type { Grant } from '#proto/http/users';
import { permissions, scopeKindOf, type Permission } from '#proto/http/permissions';
import { usage } from '../failure.ts';

/**
 * `PERMISSION[@NAME,…]` as grants: a permission, or several by `*` for its noun or verb, everywhere or in the groups (of
 * `releases:…`: with the tags) named. `*@north`: all that can be confined to groups.
 */
export function grantsOf(text: string): Grant[] {
  const [what = '', where, ...rest] = text.split('@');
  const names = where?.split(',').map((name) => name.trim());
  if (rest.length > 0 || names?.some((name) => !name))
    throw usage(`--grant ${text}: write it as PERMISSION, or PERMISSION@GROUP,GROUP`);
  const found = permissions.filter(matcher(what));
  if (found.length === 0)
    throw usage(`--grant ${text}: there is no such permission: 'patchbay roles permissions' lists them`);
  if (!names) return found.map((permission) => ({ permission }));
  const kinds = new Set(found.map(scopeKindOf));
  const kind = what === '*' || what.startsWith('*:') ? 'groups' : kinds.size === 1 ? [...kinds][0] : undefined;
  if (!kind) throw usage(`--grant ${text}: that cannot be confined to groups or tags`);
  return found
    .filter((permission) => scopeKindOf(permission) === kind)
    .map((permission) => ({ permission, [kind]: names }));
}

function matcher(what: string): (permission: Permission) => boolean {
  if (what === '*') return () => true;
  const [noun = '', verb = ''] = what.split(':');
  return (permission) => {
    const [itsNoun, itsVerb] = permission.split(':');
    return (noun === '*' || noun === itsNoun) && (verb === '*' || verb === itsVerb);
  };
}

/** As `grantsOf` takes it. */
export const grantText = ({ permission, groups, tags }: Grant): string => {
  const names = groups ?? tags;
  return names ? `${permission}@${names.join(',')}` : permission;
};
