import { QueryClient } from '@tanstack/react-query';
import { ApiFailure } from './http.ts';

/** Answers are kept and shown at once; a live event (`live.ts`) says when they are out of date. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        gcTime: 10 * 60_000,
        // What a server refused once it will refuse again; what it could not answer is worth another try.
        retry: (count, error) =>
          count < 2 && !(error instanceof ApiFailure && error.status >= 400 && error.status < 500),
        retryDelay: (attempt) => Math.min(4000, 400 * 2 ** attempt),
      },
      mutations: { retry: false },
    },
  });
}
