import { listOf, type Shape } from './answer.ts';
import type { Http, RequestOptions } from './http.ts';

export const perPage = 500;

/** How much of a list was asked for: `limit` items at most, undefined for all. */
export interface Range {
  readonly limit?: number | undefined;
}

/** Every item of a paged list, following the `Link` header from page to page. */
export async function* pages<T extends object>(
  http: Http,
  path: string,
  shape: Shape,
  request: RequestOptions & { what: string },
  { limit = Infinity }: Range = {},
): AsyncGenerator<T> {
  let query: RequestOptions['query'] = { per_page: Math.min(perPage, limit), ...request.query };
  for (let left = limit; ;) {
    const response = await http.request('GET', path, { ...request, query });
    const items = listOf<T>(await response.json(), shape, request.what);
    yield* items.slice(0, left);
    left -= items.length;
    const next = nextQuery(response.headers.get('link'));
    if (!next || left <= 0 || !items.length) return;
    query = next;
  }
}

/**
 * The query of the `next` relation. Its path is not used: the server writes it without the prefix that a proxy may have
 * put before it, and a link must never lead our token to another host.
 */
export function nextQuery(link: string | null): Record<string, string[]> | undefined {
  const target = link && /<([^>]*)>\s*;\s*rel="?next"?/.exec(link)?.[1];
  if (!target) return undefined;
  const query: Record<string, string[]> = {};
  for (const [key, value] of new URL(target, 'http://link.invalid').searchParams) (query[key] ??= []).push(value);
  return query;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
