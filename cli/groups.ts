import type { FilterTerm } from '#proto/http/devices';
import type { Group } from '#proto/http/groups';
import { groupsPath } from '#proto/http/paths';
import { listOf, objectOf } from './answer.ts';
import { usage } from './failure.ts';
import { parseFilter } from './fleet.ts';
import type { Http } from './http.ts';

export const pathOf = (name: string): string => `${groupsPath}/${encodeURIComponent(name)}`;

/** All groups, by name; how many devices are in dynamic ones too. */
export async function readGroups(http: Http): Promise<Group[]> {
  const response = await http.request('GET', groupsPath, {
    query: { count: 'true' },
    what: 'groups',
    timeout: 120_000,
  });
  return listOf<Group>(await response.json(), { name: 'string', kind: 'string' }, 'groups');
}

export async function readGroup(http: Http, name: string): Promise<Group> {
  const answer = await http.json('GET', pathOf(name), { what: `group '${plainName(name)}'` });
  return objectOf<Group>(answer, { name: 'string', kind: 'string' }, 'the group');
}

const plainName = (name: string): string => name.slice(0, 64);

/** What `--filter` says, as the terms of a dynamic group: the server alone must be able to tell. */
export function termsOf(texts: readonly string[]): FilterTerm[] {
  return texts.map((text) => {
    const { term, holds } = parseFilter(text);
    if (!holds) return term;
    const [, operator = '', value = ''] = /(>=|<=|>|<)\s*(.*)$/s.exec(text) ?? [];
    const type = ({ '>': '$gt', '>=': '$gte', '<': '$lt', '<=': '$lte' } as const)[operator];
    if (!type) throw usage(`--filter '${text}' cannot be kept in a group`);
    return { ...term, type, value: Number(value) };
  });
}

/** Groups with those that are shown in them below, each with how deep it is. */
export function nested(groups: readonly Group[]): { group: Group; depth: number }[] {
  const names = new Set(groups.map(({ name }) => name));
  const below = (parent: string | undefined, depth: number): { group: Group; depth: number }[] =>
    groups
      .filter((group) => (group.parent !== undefined && names.has(group.parent) ? group.parent : undefined) === parent)
      .flatMap((group) => [{ group, depth }, ...below(group.name, depth + 1)]);
  return below(undefined, 0);
}
