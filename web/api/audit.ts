import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { auditPath, type AuditEntry } from '#proto/http/users';
import { getPage } from './http.ts';

export interface AuditListing {
  readonly page: number;
  readonly perPage: number;
}

export const auditKeys = {
  all: ['audit'] as const,
  list: (listing: AuditListing) => ['audit', 'list', listing] as const,
};

export const useAudit = ({ page, perPage }: AuditListing) =>
  useQuery({
    queryKey: auditKeys.list({ page, perPage }),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => getPage<AuditEntry>(auditPath, { query: { page, per_page: perPage }, signal }),
  });
