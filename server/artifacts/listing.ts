import { CodedError } from '#base/errors';
import { badRequest } from '../errors.ts';
import { type Page, pageOf } from '../http/paging.ts';
import type { Match } from './store.ts';

/** The lists of releases and artifacts answer a page that cannot be with the first one (`server-api.md` §0.4). */
export function pageOrDefault(query: { page?: string; per_page?: string }): Page {
  try {
    return pageOf(query);
  } catch (error) {
    if (error instanceof CodedError) return pageOf({});
    throw error;
  }
}

export interface Order<By extends string> {
  readonly by: By;
  readonly desc: boolean;
}

/** `sort=name:desc`, one of the words given; without a direction, ascending. */
export function orderOf<const By extends string>(
  sort: string | undefined,
  words: readonly By[],
  usual: `${By}:${'asc' | 'desc'}`,
): Order<By> {
  const [word, direction = 'asc', ...rest] = (sort || usual).split(':');
  const by = words.find((known) => known === word);
  if (by === undefined || rest.length > 0 || (direction !== 'asc' && direction !== 'desc'))
    throw badRequest(`invalid sort query: "${sort?.slice(0, 64)}": one of ${words.join(', ')} with :asc or :desc`);
  return { by, desc: direction === 'desc' };
}

/**
 * Words of a parameter that may end in a star: either whole words, at most `limit`, or one beginning. A star that is meant
 * is written `\\*` (`server-api.md` §2.3).
 */
export function matchOf(name: string, words: readonly string[], limit: number): Match {
  if (words.length > limit) throw badRequest(`${name}: at most ${limit} may be given`);
  const isPrefix = (word: string): boolean => /(^|[^\\])\*$/.test(word);
  const plain = (word: string): string => word.replaceAll(String.raw`\*`, '*');
  const [first] = words;
  if (!words.some(isPrefix)) return { exact: words.map(plain) };
  if (words.length > 1 || first === undefined)
    throw badRequest(`${name}: a beginning with * cannot be given together with other values`);
  const prefix = plain(first.slice(0, -1));
  return prefix === '' ? { exact: [] } : { exact: [], prefix };
}
