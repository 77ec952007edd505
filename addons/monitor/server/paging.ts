import { Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest } from '#addon/server';
import type { Page } from './standing.ts';

export const PageQuery = { page: Type.Optional(Type.String()), per_page: Type.Optional(Type.String()) };

const usual = 20;
const most = 500;

/** The page that a query asks for (server-api.md §0.4). Throws `bad_request`. */
export function pageOf(query: Readonly<Record<string, unknown>>): Page & { readonly page: number } {
  const page = positive('page', query['page'], 1);
  const limit = positive('per_page', query['per_page'], usual);
  if (limit > most) throw new CodedError('bad_request', `parameter "per_page" above limit (max: ${most})`);
  return { page, limit, offset: (page - 1) * limit };
}

/** Headers of a page of a list. */
export function pageHeaders(
  { req }: ServerRequest,
  { page, limit }: Page & { readonly page: number },
  total: number,
): Record<string, string | string[]> {
  const url = new URL((req as { originalUrl?: string }).originalUrl ?? req.url ?? '/', 'http://here');
  const link = (to: number, rel: string): string => {
    const query = new URLSearchParams(url.search);
    query.set('page', String(to));
    query.set('per_page', String(limit));
    query.sort();
    return `<${url.pathname}?${query.toString()}>; rel="${rel}"`;
  };
  const last = Math.max(1, Math.ceil(total / limit));
  return {
    'X-Total-Count': String(total),
    Link: [
      link(1, 'first'),
      ...(page > 1 ? [link(page - 1, 'prev')] : []),
      ...(page < last ? [link(page + 1, 'next')] : []),
      ...(total > 0 ? [link(last, 'last')] : []),
    ],
  };
}

function positive(name: string, text: unknown, usual: number): number {
  if (text === undefined || text === '') return usual;
  if (typeof text !== 'string' || !/^-?\d{1,10}$/.test(text))
    throw new CodedError(
      'bad_request',
      `invalid ${name} query: "${typeof text === 'string' ? text.slice(0, 64) : ''}"`,
    );
  if (Number(text) < 1)
    throw new CodedError('bad_request', `invalid ${name} query: value must be a non-zero positive integer`);
  return Number(text);
}
