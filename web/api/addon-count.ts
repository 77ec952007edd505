import { useQuery } from '@tanstack/react-query';
import type { Manifest } from '#addon/manifest';
import { addonKeys } from './addon-changes.ts';
import { getJson } from './http.ts';

/** How many things of an add-on wait for people; undefined: it does not count any, or has not said yet. */
export function useAddonCount(addon: string, count: NonNullable<Manifest['page']>['count']): number | undefined {
  const { data } = useQuery({
    queryKey: addonKeys.count(addon),
    enabled: count !== undefined,
    queryFn: async ({ signal }) => {
      const value = (await getJson<Record<string, unknown>>(count?.path ?? '', { signal }))[count?.key ?? ''];
      return typeof value === 'number' ? value : 0;
    },
  });
  return data;
}
