import { keepPreviousData, useQuery, type QueryClient } from '@tanstack/react-query';
import { deviceconnect, type ConnectState } from '#proto/http/devices';
import { presencePath } from '#proto/http/paths';
import { ApiFailure, getJson } from './http.ts';

export type Presence = ConnectState['status'];

export const presenceKeys = {
  all: ['presence'] as const,
  lists: ['presence', 'some'] as const,
  some: (ids: readonly string[]) => ['presence', 'some', ids] as const,
  one: (id: string) => ['presence', 'one', id] as const,
};

const presenceQuery = (id: string, enabled = true) => ({
  queryKey: presenceKeys.one(id),
  enabled,
  staleTime: 60_000,
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Presence> => {
    try {
      return (await getJson<ConnectState>(`${deviceconnect}/devices/${encodeURIComponent(id)}`, { signal })).status;
    } catch (error) {
      // A device that never opened its socket is unknown to the relay; who may not ask sees the same.
      if (error instanceof ApiFailure && (error.status === 404 || error.status === 403)) return 'unknown';
      throw error;
    }
  },
});

/** Whether the device's socket is open now. Live events keep it true. */
export const usePresence = (id: string, enabled = true) => useQuery(presenceQuery(id, enabled)).data;

/** Of the devices of one page of a list, by one question. */
export function usePresences(ids: readonly string[]): ReadonlyMap<string, Presence> {
  const { data } = useQuery({
    queryKey: presenceKeys.some(ids),
    enabled: ids.length > 0,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<ReadonlyMap<string, Presence>> => {
      try {
        const body = { device_ids: ids };
        const found = await getJson<ConnectState[]>(`${presencePath}/search`, { method: 'POST', body, signal });
        const known = new Map(found.map(({ device_id, status }) => [device_id, status]));
        return new Map(ids.map((id) => [id, known.get(id) ?? 'unknown']));
      } catch (error) {
        if (error instanceof ApiFailure && error.status === 403) return nobody;
        throw error;
      }
    },
  });
  return data ?? nobody;
}

const nobody: ReadonlyMap<string, Presence> = new Map();

/** A socket opened or closed: wherever its device is shown. */
export function notePresence(client: QueryClient, id: string, presence: Presence): void {
  client.setQueryData(presenceKeys.one(id), presence);
  client.setQueriesData<ReadonlyMap<string, Presence>>({ queryKey: presenceKeys.lists }, (known) =>
    known?.has(id) ? new Map([...known, [id, presence]]) : known,
  );
}
