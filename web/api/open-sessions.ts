import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { recordingsPath, sessionsPath } from '#proto/http/paths';
import type { RecordingInfo, SessionInfo } from '#proto/http/sessions';
import { getJson, getPage, send } from './http.ts';

export const sessionKeys = {
  all: ['sessions'] as const,
  open: (device: string) => ['sessions', 'open', device] as const,
  recordings: (device: string, page: number) => ['sessions', 'recordings', device, page] as const,
};

/** Who is on a device now. Idle times grow without an event, so it is asked again now and then. */
export const useOpenSessions = (device: string) =>
  useQuery({
    queryKey: sessionKeys.open(device),
    refetchInterval: 15_000,
    queryFn: ({ signal }) => getJson<SessionInfo[]>(sessionsPath, { query: { device }, signal }),
  });

export const recordingsPerPage = 20;

export const useRecordings = (device: string, page: number, enabled: boolean) =>
  useQuery({
    queryKey: sessionKeys.recordings(device, page),
    enabled,
    queryFn: ({ signal }) =>
      getPage<RecordingInfo>(recordingsPath, { query: { device, page, per_page: recordingsPerPage }, signal }),
  });

export function useEndSession() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(`${sessionsPath}/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSettled: () => client.invalidateQueries({ queryKey: sessionKeys.all }),
  });
}

/** The lines of a recording. */
export async function readRecording(id: string, signal: AbortSignal): Promise<string[]> {
  const answer = await send(`${recordingsPath}/${encodeURIComponent(id)}`, { signal });
  return (await answer.text()).trimEnd().split('\n');
}
