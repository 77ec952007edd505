import { describe, expect, it } from 'vitest';
import { pageHeaders, pageOf } from './paging.ts';

describe('a page of a list (server-api.md §0.4)', () => {
  it('is the first of twenty unless asked otherwise', () => {
    expect(pageOf({})).toEqual({ page: 1, perPage: 20, offset: 0 });
    expect(pageOf({ page: '3', per_page: '500' })).toEqual({ page: 3, perPage: 500, offset: 1000 });
  });

  it.each([
    [{ page: 'x' }, 'invalid page query: "x"'],
    [{ page: '0' }, 'invalid page query: value must be a non-zero positive integer'],
    [{ per_page: '-1' }, 'invalid per_page query: value must be a non-zero positive integer'],
    [{ per_page: '501' }, 'parameter "per_page" above limit (max: 500)'],
    [{ page: '1e3' }, 'invalid page query: "1e3"'],
  ])('%j is refused', (query, message) => {
    expect(() => pageOf(query)).toThrow(message);
  });

  it('leaves out what would make its headers too long for clients, the next page last of all', () => {
    const rels = (length: number) =>
      (pageHeaders(`/api/x?a=${'y'.repeat(length)}`, pageOf({ page: '2' }), { total: 99 })['Link'] as string[]).map(
        (link) => /rel="(\w+)"$/.exec(link)?.[1],
      );
    expect(rels(1900)).toEqual(['first', 'prev', 'next', 'last']);
    expect(rels(3000)).toEqual(['first', 'next']);
    expect(rels(6000)).toEqual(['next']);
    expect(rels(9000)).toEqual([]);
  });

  it('names its neighbours, relative, keys in order, other filters kept', () => {
    const page = pageOf({ page: '2', per_page: '10' });
    expect(pageHeaders('/api/x?status=pending&page=2&a=1', page, { total: 35 })).toEqual({
      Link: [
        '</api/x?a=1&page=1&per_page=10&status=pending>; rel="first"',
        '</api/x?a=1&page=1&per_page=10&status=pending>; rel="prev"',
        '</api/x?a=1&page=3&per_page=10&status=pending>; rel="next"',
        '</api/x?a=1&page=4&per_page=10&status=pending>; rel="last"',
      ],
      'x-total-count': '35',
    });
    expect(pageHeaders('/api/x', pageOf({}), { more: false })).toEqual({
      Link: ['</api/x?page=1&per_page=20>; rel="first"'],
    });
  });
});
