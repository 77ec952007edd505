import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { deploymentsV1, deploymentsV2, type DownloadLink, type Release } from '#proto/http/deployments';
import { requestIdHeader } from '#proto/http/conventions';
import { ApiFailure, failureOf, getJson, getPage, send } from './http.ts';
import { readToken } from './token.ts';

const releases = `${deploymentsV2}/deployments/releases`;
const artifacts = `${deploymentsV1}/artifacts`;

export interface ReleaseListing {
  readonly page: number;
  readonly perPage: number;
  readonly name?: string;
}

export const releaseKeys = {
  all: ['releases'] as const,
  list: (listing: ReleaseListing) => ['releases', 'list', listing] as const,
  one: (name: string) => ['releases', 'one', name] as const,
};

export const useReleases = (listing: ReleaseListing) =>
  useQuery({
    queryKey: releaseKeys.list(listing),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      getPage<Release>(releases, {
        query: { page: listing.page, per_page: listing.perPage, name: listing.name, sort: 'modified:desc' },
        signal,
      }),
  });

export const useRelease = (name: string) =>
  useQuery({
    queryKey: releaseKeys.one(name),
    queryFn: ({ signal }) => getJson<Release>(`${releases}/${encodeURIComponent(name)}`, { signal }),
  });

export function useDeleteArtifact() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(`${artifacts}/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSettled: () => client.invalidateQueries({ queryKey: releaseKeys.all }),
  });
}

export function useDeleteRelease() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => send(releases, { method: 'DELETE', query: { name } }),
    onSettled: () => client.invalidateQueries({ queryKey: releaseKeys.all }),
  });
}

/** A link that fetches the artifact without a token, for a quarter of an hour. */
export const artifactLink = (id: string) => getJson<DownloadLink>(`${artifacts}/${encodeURIComponent(id)}/download`);

export interface Upload {
  readonly file: File;
  readonly description?: string;
  /** Bytes gone out so far, of all. */
  readonly progress: (sent: number, total: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Sends an artifact as the form of `server-api.md` §2.2.1, the file last. `fetch` tells nothing of what has gone out,
 * so this one request goes the old way.
 */
export function uploadArtifact({ file, description, progress, signal }: Upload): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', artifacts);
    request.setRequestHeader('authorization', `Bearer ${readToken() ?? ''}`);
    request.upload.addEventListener('progress', (event) =>
      progress(event.loaded, event.lengthComputable ? event.total : file.size),
    );
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else
        void failureOf(
          request.status,
          request.responseText,
          request.getResponseHeader(requestIdHeader) ?? undefined,
        ).then(reject);
    });
    // A server that refuses a body early may close before all of it is read; the browser then shows no answer.
    request.addEventListener('error', () =>
      reject(new ApiFailure(0, 'The upload was cut off: the server closed the connection.')),
    );
    request.addEventListener('abort', () => reject(new ApiFailure(0, 'The upload was stopped.')));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    const form = new FormData();
    form.append('size', String(file.size));
    if (description) form.append('description', description);
    form.append('artifact', file, file.name);
    request.send(form);
  });
}
