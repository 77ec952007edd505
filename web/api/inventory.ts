import { keepPreviousData, useQuery } from '@tanstack/react-query';
import {
  inventoryV1,
  inventoryV2,
  type Attribute,
  type FilterTerm,
  type InventoryDevice,
  type InventorySearch,
} from '#proto/http/devices';
import { ApiFailure, getJson, getPage, type Page } from './http.ts';

export const inventoryKeys = {
  all: ['inventory'] as const,
  lists: ['inventory', 'some'] as const,
  some: (ids: readonly string[]) => ['inventory', 'some', ids] as const,
  one: (id: string) => ['inventory', 'one', id] as const,
};

export type InventoryQuestion = Pick<InventorySearch, 'page' | 'per_page' | 'device_ids' | 'text'> & {
  filters?: FilterTerm[];
};

export async function searchInventory(body: InventoryQuestion, signal?: AbortSignal): Promise<Page<InventoryDevice>> {
  const page = await getPage<InventoryDevice>(`${inventoryV2}/filters/search`, {
    method: 'POST',
    body,
    ...(signal ? { signal } : {}),
  });
  // This route has a total and no Link header (`server-api.md` §2.5).
  const seen = ((body.page ?? 1) - 1) * (body.per_page ?? 20) + page.items.length;
  return { ...page, more: page.total !== undefined && seen < page.total };
}

/** What is known of the devices of one page of a list, by device id. */
export const useInventories = (ids: readonly string[]) =>
  useQuery({
    queryKey: inventoryKeys.some(ids),
    enabled: ids.length > 0,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const found = await searchInventory({ device_ids: [...ids], per_page: Math.min(500, ids.length) }, signal);
      return new Map(found.items.map((device) => [device.id, device]));
    },
  });

/** Accepted devices that a text finds, or the first ones: the choice of a dialog. */
export const useAcceptedDevices = (text: string) =>
  useQuery({
    queryKey: [...inventoryKeys.lists, 'accepted', text] as const,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) =>
      (
        await searchInventory(
          {
            per_page: 50,
            filters: [{ scope: 'identity', attribute: 'status', type: '$eq', value: 'accepted' }],
            ...(text ? { text } : {}),
          },
          signal,
        )
      ).items,
  });

/** A device's inventory; one that never reported has none. */
export const useInventory = (id: string) =>
  useQuery({
    queryKey: inventoryKeys.one(id),
    queryFn: async ({ signal }): Promise<InventoryDevice> => {
      try {
        return await getJson<InventoryDevice>(`${inventoryV1}/devices/${encodeURIComponent(id)}`, { signal });
      } catch (error) {
        if (error instanceof ApiFailure && error.status === 404) return { id, attributes: [], updated_ts: '' };
        throw error;
      }
    },
  });

export function attributeOf(
  device: { readonly attributes: readonly Attribute[] } | undefined,
  scope: Attribute['scope'],
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    const found = device?.attributes.find((each) => each.scope === scope && each.name === name);
    if (found) return Array.isArray(found.value) ? found.value.join(', ') : String(found.value);
  }
  return undefined;
}
