import { useQueries, useQuery } from '@tanstack/react-query';
import { deviceconnect, type ConnectState } from '#proto/http/devices';
import { ApiFailure, getJson } from './http.ts';

export type Presence = ConnectState['status'];

export const presenceKeys = {
  all: ['presence'] as const,
  one: (id: string) => ['presence', id] as const,
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

export const usePresences = (ids: readonly string[]): ReadonlyMap<string, Presence> =>
  useQueries({
    queries: ids.map((id) => presenceQuery(id)),
    combine: (results) =>
      new Map(ids.flatMap((id, index) => (results[index]?.data ? [[id, results[index].data] as const] : []))),
  });
