import { Type } from 'typebox';
import { perPageDefault, perPageLimit, totalCountHeader } from '#proto/http/conventions';
import { badRequest } from '../errors.ts';

/** Query parameters of a paged list; numbers come as text and are checked by `pageOf`, whose texts clients know. */
export const PageQuery = { page: Type.Optional(Type.String()), per_page: Type.Optional(Type.String()) };

export interface Page {
  readonly page: number;
  readonly perPage: number;
  /** Rows to skip. */
  readonly offset: number;
}

/** The page that a query asks for; 400 with the texts of `server-api.md` §0.4. */
export function pageOf(
  query: { page?: string; per_page?: string },
  limits: { readonly perPage?: number; readonly max?: number } = {},
): Page {
  const { perPage: usual = perPageDefault, max = perPageLimit } = limits;
  const page = positive('page', query.page, 1);
  const perPage = positive('per_page', query.per_page, usual);
  if (perPage > max) throw badRequest(`parameter "per_page" above limit (max: ${max})`);
  return { page, perPage, offset: (page - 1) * perPage };
}

function positive(name: string, text: string | undefined, usual: number): number {
  if (text === undefined || text === '') return usual;
  if (!/^-?\d{1,10}$/.test(text)) throw badRequest(`invalid ${name} query: "${text.slice(0, 64)}"`);
  const value = Number(text);
  if (value < 1) throw badRequest(`invalid ${name} query: value must be a non-zero positive integer`);
  return value;
}

/**
 * Headers of a page of a list: one `Link` a relation, target relative, query keys in alphabetical order with the other
 * filters kept; what is too long for a header is left out, `next` last of all; `last` and `X-Total-Count` only where the total is known (`server-api.md` §0.4).
 */
export function pageHeaders(
  url: string,
  { page, perPage }: Page,
  known: { readonly total: number } | { readonly more: boolean },
): Record<string, string | string[]> {
  const [path = '', search = ''] = url.split('?', 2);
  const link = (target: number, rel: string): string => {
    const query = new URLSearchParams(search);
    query.set('page', String(target));
    query.set('per_page', String(perPage));
    query.sort();
    return `<${path}?${query.toString()}>; rel="${rel}"`;
  };
  const links = [link(1, 'first')];
  if (page > 1) links.push(link(page - 1, 'prev'));
  if ('total' in known ? page * perPage < known.total : known.more) links.push(link(page + 1, 'next'));
  if ('total' in known && known.total > 0) links.push(link(Math.ceil(known.total / perPage), 'last'));
  return { Link: fitting(links), ...('total' in known ? { [totalCountHeader]: String(known.total) } : {}) };
}

/** Programs read answers whose headers are 16 KiB together, many no more; a query may be twice as long. */
const linksLimit = 8192;

/** Links that fit together, the one that goes on before all: with less a client still gets through the list. */
function fitting(links: readonly string[]): string[] {
  let left = linksLimit;
  const rank = (link: string): number => (link.endsWith('"next"') ? 0 : 1);
  const taken = new Set<string>();
  for (const link of links.toSorted((a, b) => rank(a) - rank(b))) {
    if (link.length > left) continue;
    left -= link.length;
    taken.add(link);
  }
  return links.filter((link) => taken.has(link));
}

/** A parameter that may be given several times, as a list. */
export function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}
