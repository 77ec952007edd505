import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { auditPath, type AuditEntry } from '#proto/http/users';
import { getPage, pathOf, type Query } from './http.ts';
import { lendTokenCookie } from './token.ts';

/** As the address of the page has it. */
export interface AuditFilter {
  readonly user?: string;
  readonly action?: string;
  readonly object?: string;
  readonly result?: string;
  /** Days, the last one included. */
  readonly since?: string;
  readonly until?: string;
}

export interface AuditListing extends AuditFilter {
  readonly page: number;
  readonly perPage: number;
}

export const auditKeys = {
  all: ['audit'] as const,
  list: (listing: AuditListing) => ['audit', 'list', listing] as const,
};

function queryOf({ user, action, object, result, since, until }: AuditFilter): Query {
  const midnight = (day: string | undefined, days: number): string | undefined => {
    if (day === undefined) return undefined;
    // A day of the reader's, wherever he is.
    const at = new Date(`${day}T00:00:00`);
    at.setDate(at.getDate() + days);
    return at.toISOString();
  };
  return { actor: user, action, object, result, since: midnight(since, 0), until: midnight(until, 1) };
}

export const useAudit = ({ page, perPage, ...filter }: AuditListing) =>
  useQuery({
    queryKey: auditKeys.list({ page, perPage, ...filter }),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      getPage<AuditEntry>(auditPath, { query: { page, per_page: perPage, ...queryOf(filter) }, signal }),
  });

/** The browser itself downloads it, however long it is: the token rides in the cookie for that moment. */
export function downloadAudit(filter: AuditFilter, format: 'csv' | 'jsonl'): void {
  lendTokenCookie();
  location.assign(pathOf(`${auditPath}/export`, { ...queryOf(filter), format }));
}
