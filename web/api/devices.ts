import {
  keepPreviousData,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
} from '@tanstack/react-query';
import { devauth, type Device, type DeviceStatus, type FilterTerm } from '#proto/http/devices';
import { getJson, getPage, send, type Page } from './http.ts';
import { searchInventory } from './inventory.ts';

export interface DeviceListing {
  readonly status: DeviceStatus;
  readonly page: number;
  readonly perPage: number;
  readonly text?: string;
  /** All of these hold of the device. */
  readonly terms?: readonly FilterTerm[];
}

export const deviceKeys = {
  all: ['devices'] as const,
  lists: ['devices', 'list'] as const,
  /** Those that the inventory found. */
  found: ['devices', 'list', { by: 'inventory' }] as const,
  list: (listing: DeviceListing) =>
    ['devices', 'list', { by: isSearch(listing) ? 'inventory' : 'record' }, listing] as const,
  counts: ['devices', 'count'] as const,
  count: (status: DeviceStatus) => ['devices', 'count', status] as const,
  one: (id: string) => ['devices', 'one', id] as const,
};

const isSearch = ({ text, terms = [] }: DeviceListing): boolean => text !== undefined || terms.length > 0;

/** Without a search the authentication records are the list; with one the inventory finds, and they are looked up. */
async function listDevices(listing: DeviceListing, signal: AbortSignal): Promise<Page<Device>> {
  const { status, page, perPage, text, terms = [] } = listing;
  if (!isSearch(listing)) {
    const [listed, { count }] = await Promise.all([
      getPage<Device>(`${devauth}/devices`, { query: { status, page, per_page: perPage }, signal }),
      getJson<{ count: number }>(`${devauth}/devices/count`, { query: { status }, signal }),
    ]);
    return { ...listed, total: count };
  }
  const found = await searchInventory(
    {
      page,
      per_page: perPage,
      ...(text === undefined ? {} : { text }),
      filters: [{ scope: 'identity', attribute: 'status', type: '$eq', value: status }, ...terms],
    },
    signal,
  );
  const ids = found.items.map(({ id }) => id);
  if (ids.length === 0) return { items: [], total: found.total, more: false };
  const devices = await getJson<Device[]>(`${devauth}/devices/search`, {
    method: 'POST',
    query: { per_page: perPage },
    body: { id: ids },
    signal,
  });
  const byId = new Map(devices.map((device) => [device.id, device]));
  return { ...found, items: ids.flatMap((id) => byId.get(id) ?? []) };
}

export const useDevices = (listing: DeviceListing, enabled = true) =>
  useQuery({
    enabled,
    queryKey: deviceKeys.list(listing),
    queryFn: ({ signal }) => listDevices(listing, signal),
    placeholderData: keepPreviousData,
  });

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: deviceKeys.one(id),
    queryFn: ({ signal }) => getJson<Device>(`${devauth}/devices/${encodeURIComponent(id)}`, { signal }),
  });
export const useDevice = (id: string) => useQuery(deviceQuery(id));

export const useDeviceCount = (status: DeviceStatus) =>
  useQuery({
    queryKey: deviceKeys.count(status),
    queryFn: async ({ signal }) =>
      (await getJson<{ count: number }>(`${devauth}/devices/count`, { query: { status }, signal })).count,
  });

/** The authentication set that a decision about the device is about: the newest one that is not yet so. */
export function decidedSet(device: Device, verdict: 'accepted' | 'rejected'): string | undefined {
  const sets = [...device.auth_sets].sort((a, b) => b.ts.localeCompare(a.ts));
  const order: DeviceStatus[] =
    verdict === 'accepted' ? ['pending', 'rejected', 'preauthorized'] : ['pending', 'accepted'];
  for (const status of order) {
    const set = sets.find((each) => each.status === status);
    if (set) return set.id;
  }
  return undefined;
}

export interface Verdict {
  readonly devices: readonly Device[];
  readonly status: 'accepted' | 'rejected';
}

async function judge({ devices, status }: Verdict): Promise<void> {
  const outcomes = await Promise.allSettled(
    devices.map(async (device) => {
      const set = decidedSet(device, status);
      if (!set) throw new Error(`device ${device.id} has no key that could be ${status}`);
      await send(`${devauth}/devices/${encodeURIComponent(device.id)}/auth/${encodeURIComponent(set)}/status`, {
        method: 'PUT',
        body: { status },
      });
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Takes the devices off the lists they leave at once, and puts them back if the server says no. */
function foresee(client: QueryClient, { devices, status }: Verdict): () => void {
  const gone = new Set(devices.map(({ id }) => id));
  const lists = client.getQueriesData<Page<Device>>({ queryKey: deviceKeys.lists });
  for (const [key, page] of lists) {
    const listing = key[3] as DeviceListing;
    if (!page || listing.status === status) continue;
    const items = page.items.filter(({ id }) => !gone.has(id));
    const left = page.items.length - items.length;
    client.setQueryData(key, { ...page, items, total: page.total === undefined ? undefined : page.total - left });
  }
  const singles = devices.map(({ id }) => [deviceKeys.one(id), client.getQueryData(deviceKeys.one(id))] as const);
  for (const [key, device] of singles) if (device) client.setQueryData(key, { ...device, status });
  return () => {
    for (const [key, page] of lists) client.setQueryData(key, page);
    for (const [key, device] of singles) client.setQueryData(key, device);
  };
}

export function useVerdict() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: judge,
    onMutate: async (verdict) => {
      await client.cancelQueries({ queryKey: deviceKeys.all });
      return { undo: foresee(client, verdict) };
    },
    onError: (_error, _verdict, context) => context?.undo(),
    onSettled: () => client.invalidateQueries({ queryKey: deviceKeys.all }),
  });
}

export function useDecommission() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(`${devauth}/devices/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSettled: () => client.invalidateQueries({ queryKey: deviceKeys.all }),
  });
}
