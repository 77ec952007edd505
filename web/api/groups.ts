import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { FilterTerm, InventoryDevice } from '#proto/http/devices';
import { groupsPath, type Group, type GroupChange, type NewGroup } from '#proto/http/groups';
import { auditKeys } from './audit.ts';
import { deviceKeys } from './devices.ts';
import { getJson, getPage, send } from './http.ts';

export const groupKeys = {
  all: ['groups'] as const,
  list: ['groups', 'list'] as const,
  members: (name: string, page: number) => ['groups', 'members', name, page] as const,
};

const one = (name: string) => `${groupsPath}/${encodeURIComponent(name)}`;

/** All that one may see, by name, with how many devices are in each. */
export const useGroups = (enabled = true) =>
  useQuery({
    queryKey: groupKeys.list,
    enabled,
    queryFn: ({ signal }) => getJson<Group[]>(groupsPath, { query: { count: true }, signal }),
  });

/** A page of the devices of a static group. */
export const useMembers = (name: string, page: number, perPage: number) =>
  useQuery({
    queryKey: groupKeys.members(name, page),
    queryFn: ({ signal }) =>
      getPage<InventoryDevice>(`${one(name)}/devices`, { query: { page, per_page: perPage }, signal }),
  });

function useChange<T>(change: (given: T) => Promise<unknown>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () =>
      Promise.all(
        [groupKeys.all, deviceKeys.all, auditKeys.all].map((queryKey) => client.invalidateQueries({ queryKey })),
      ),
  });
}

export const useMakeGroup = () => useChange((body: NewGroup) => send(groupsPath, { method: 'POST', body }));
export const useChangeGroup = () =>
  useChange(({ name, ...body }: GroupChange & { name: string }) => send(one(name), { method: 'PATCH', body }));
export const useRemoveGroup = () => useChange((name: string) => send(one(name), { method: 'DELETE' }));
/** Puts devices into a static group, or takes them out. */
export const useRegroup = () =>
  useChange(({ name, ids, into }: { name: string; ids: readonly string[]; into: boolean }) =>
    send(`${one(name)}/devices`, { method: into ? 'PATCH' : 'DELETE', body: ids }),
  );

/** What holds of the devices of a group. */
export const meaningOf = ({ name, terms }: Group): FilterTerm[] =>
  terms ?? [{ scope: 'system', attribute: 'group', type: '$eq', value: name }];

/** Groups with those that are shown in them below, each with how deep it is. */
export function nested(groups: readonly Group[]): (Group & { depth: number })[] {
  const names = new Set(groups.map(({ name }) => name));
  const below = (parent: string | undefined, depth: number): (Group & { depth: number })[] =>
    groups
      .filter((group) => (group.parent !== undefined && names.has(group.parent) ? group.parent : undefined) === parent)
      .flatMap((group) => [{ ...group, depth }, ...below(group.name, depth + 1)]);
  return below(undefined, 0);
}
