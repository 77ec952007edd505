import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttributeValue, FilterTerm } from '#proto/http/devices';
import { availableDatabases, databaseFor } from '../stage.ts';
import { type Db, openStore } from '../store/store.ts';
import { insertFleet, type TestDevice } from './fleet.testing.ts';
import { isMember } from './membership.ts';
import { type Search, searchDevices, type SortTerm } from './search.ts';

/** The same numbers in each run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const long = 'x'.repeat(199);
const texts = [
  '',
  'a',
  'A',
  'b',
  'hall-7',
  'hall-70',
  'ä',
  '10',
  '9',
  `${long}\u{1f600}1`,
  `${long}\u{1f600}2`,
  `${long}yy`,
  `${long}y`,
  '100%',
  'under_score',
];
const numbers = [0, -1, 1, 2.5, 9, 10, 1e15];
const groups = ['north', 'south', 'lab'];

const roll = dice(7);
const pick = <T>(list: readonly T[]): T => list[roll(list.length)] as T;
const value = (): AttributeValue => {
  switch (roll(6)) {
    case 0:
      return pick(numbers);
    case 1:
      return Array.from({ length: roll(4) }, () => pick(texts));
    case 2:
      return Array.from({ length: 1 + roll(3) }, () => pick(numbers));
    default:
      return pick(texts);
  }
};
const fleet: TestDevice[] = Array.from({ length: 150 }, (_, at) => ({
  id: `device-${String((at * 7919) % 1000).padStart(3, '0')}`,
  status: pick(['accepted', 'accepted', 'pending', 'rejected']),
  attributes: ['zone', 'rack', 'level'].flatMap((name) =>
    roll(5) === 0 ? [] : [{ scope: 'inventory' as const, name, value: value() }],
  ),
  groups: groups.filter(() => roll(3) === 0),
}));

// What a search means, said once more in plain JavaScript.
const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const byTypes = (a: unknown, b: unknown): number | undefined =>
  typeof a === 'string' && typeof b === 'string'
    ? bytes(a, b)
    : typeof a === 'number' && typeof b === 'number'
      ? a - b
      : undefined;
function valuesOf(
  device: TestDevice,
  { scope, attribute }: Pick<FilterTerm, 'scope' | 'attribute'>,
): unknown[] | undefined {
  if (scope === 'identity') return [attribute === 'id' ? device.id : device.status];
  if (scope === 'system') return device.groups.length > 0 ? [...device.groups] : undefined;
  const found = device.attributes.find(({ name }) => name === attribute)?.value;
  return found === undefined ? undefined : Array.isArray(found) ? found : [found];
}
function holds(device: TestDevice, term: FilterTerm): boolean {
  const values = valuesOf(device, term);
  const some = (test: (order: number) => boolean, wanted: unknown): boolean =>
    values?.some((one) => {
      const order = byTypes(one, wanted);
      return order !== undefined && test(order);
    }) ?? false;
  const equals = (wanted: unknown): boolean => some((order) => order === 0, wanted);
  const list = Array.isArray(term.value) ? term.value : [];
  switch (term.type) {
    case '$eq':
      return equals(term.value);
    case '$ne':
      return !equals(term.value);
    case '$gt':
      return some((order) => order > 0, term.value);
    case '$gte':
      return some((order) => order >= 0, term.value);
    case '$lt':
      return some((order) => order < 0, term.value);
    case '$lte':
      return some((order) => order <= 0, term.value);
    case '$in':
      return list.some(equals);
    case '$nin':
      return !list.some(equals);
    case '$exists':
      return (values !== undefined) === term.value;
    case '$regex':
      return values?.some((one) => typeof one === 'string' && new RegExp(String(term.value), 'u').test(one)) ?? false;
  }
}
/** A text is sorted by its first 200 characters; without a value comes before texts, those before numbers. */
function sorted(devices: readonly TestDevice[], sort: readonly SortTerm[]): string[] {
  const key = (device: TestDevice, term: SortTerm): [number, string | number] => {
    const first = valuesOf(device, term)?.[0];
    if (first === undefined) return [0, ''];
    return typeof first === 'string' ? [1, Array.from(first).slice(0, 200).join('')] : [2, first as number];
  };
  const compare = (a: TestDevice, b: TestDevice): number => {
    for (const term of sort) {
      const [[ka, va], [kb, vb]] = [key(a, term), key(b, term)];
      const order = ka - kb || (byTypes(va, vb) ?? 0);
      if (order !== 0) return term.order === 'asc' ? order : -order;
    }
    return sort[0]?.order === 'desc' ? bytes(b.id, a.id) : bytes(a.id, b.id);
  };
  return devices.toSorted(compare).map(({ id }) => id);
}
function expected(search: Search): string[] {
  const found = fleet.filter(
    (device) =>
      search.filters.every((term) => holds(device, term)) &&
      (search.group === undefined ||
        (search.group === null
          ? device.groups.length === 0
          : search.group === ''
            ? device.groups.length > 0
            : device.groups.includes(search.group))) &&
      (search.within === undefined || device.groups.some((group) => search.within?.includes(group))) &&
      (search.ids === undefined || search.ids.includes(device.id)),
  );
  return sorted(found, search.sort);
}

describe.each(await availableDatabases())('a search of the inventory (server-api.md §2.5) on %s', (name) => {
  let db: Db;
  let data = '';
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'patchbay-search-'));
    db = await openStore(data, await databaseFor(name));
    await insertFleet(db, fleet);
  });
  afterAll(async () => {
    await db.destroy();
    rmSync(data, { recursive: true, force: true });
  });

  const check = async (search: Search): Promise<void> => {
    const wanted = expected(search);
    const { ids, total } = await searchDevices(db, search, 500, 0);
    expect({ search, ids, total }).toEqual({ search, ids: wanted, total: wanted.length });
  };
  const types = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$regex'] as const;
  const valueFor = (type: FilterTerm['type'], roll: (sides: number) => number): unknown => {
    const any = (): string | number => [...texts, ...numbers][roll(texts.length + numbers.length)] as string;
    if (type === '$exists') return roll(2) === 0;
    if (type === '$regex')
      return ['hall', '^hall-7$', 'x{5}', '[0-9]+', '^$', '(a|b)', '\\d', '^.ä?$', '\u{1f600}'][roll(9)];
    return type === '$in' || type === '$nin' ? Array.from({ length: roll(4) }, any) : any();
  };

  it.each(types)('finds with %s what it should: texts, numbers, arrays, what is not there', async (type) => {
    const roll = dice(types.indexOf(type) + 1);
    for (let round = 0; round < 12; round++)
      await check({
        filters: [
          { scope: 'inventory', attribute: ['zone', 'rack', 'none'][roll(3)] ?? '', type, value: valueFor(type, roll) },
        ],
        sort: [],
      });
  });

  it('finds by what devices have as columns: id and status', async () => {
    const scope = 'identity' as const;
    const status = { scope, attribute: 'status' };
    await check({ filters: [{ ...status, type: '$eq', value: 'accepted' }], sort: [] });
    await check({ filters: [{ ...status, type: '$nin', value: ['accepted', 'pending'] }], sort: [] });
    await check({ filters: [{ ...status, type: '$regex', value: '^(accept|reject)ed$' }], sort: [] });
    await check({ filters: [{ scope, attribute: 'id', type: '$gte', value: 'device-500' }], sort: [] });
    await check({ filters: [{ scope, attribute: 'id', type: '$regex', value: '9$' }], sort: [] });
    await check({ filters: [{ scope, attribute: 'id', type: '$exists', value: false }], sort: [] });
  });

  it('needs all of several terms, and keeps to groups and ids', async () => {
    const roll = dice(99);
    for (let round = 0; round < 40; round++) {
      const filters = Array.from({ length: roll(4) }, (): FilterTerm => {
        const type = types[roll(types.length)] ?? '$eq';
        return {
          scope: 'inventory',
          attribute: ['zone', 'rack', 'level'][roll(3)] ?? '',
          type,
          value: valueFor(type, roll),
        };
      });
      const sort = Array.from({ length: roll(3) }, (): SortTerm => ({
        scope: roll(4) === 0 ? 'identity' : 'inventory',
        attribute: ['status', 'zone', 'rack', 'level'][roll(4)] ?? '',
        order: roll(2) === 0 ? 'asc' : 'desc',
      })).filter(({ scope, attribute }) => (scope === 'identity') === (attribute === 'status'));
      await check({
        filters,
        sort,
        ...(roll(3) === 0 ? { group: [null, '', 'north', 'nobody'][roll(4)] ?? null } : {}),
        ...(roll(3) === 0 ? { within: groups.slice(0, roll(3)) } : {}),
        ...(roll(4) === 0 ? { ids: fleet.slice(0, roll(fleet.length)).map(({ id }) => id) } : {}),
      });
    }
  });

  it.each(['asc', 'desc'] as const)('gives the same in pages as at once, %s', async (order) => {
    for (const sort of [[], [{ scope: 'inventory' as const, attribute: 'zone', order }]]) {
      const search = { filters: [], sort };
      const ids: string[] = [];
      for (let offset = 0; offset < fleet.length; offset += 17)
        ids.push(...(await searchDevices(db, search, 17, offset)).ids);
      expect(ids).toEqual(expected(search));
    }
  });

  it('answers a page past the end with nothing, and with how many there are (lesson 31)', async () => {
    for (const sort of [[], [{ scope: 'inventory' as const, attribute: 'zone', order: 'asc' as const }]])
      expect(await searchDevices(db, { filters: [], sort }, 20, 100_000)).toEqual({ ids: [], total: fleet.length });
  });

  it('finds a text that stands anywhere in a device, whatever the case, with nothing as a wildcard', async () => {
    const find = async (text: string) => (await searchDevices(db, { filters: [], sort: [], text }, 500, 0)).ids;
    const having = (...parts: string[]) =>
      sorted(
        fleet.filter((device) =>
          [device.id, device.status, ...device.groups, ...device.attributes.flatMap(({ value }) => value)].some(
            (one) => typeof one === 'string' && parts.some((part) => one.toLowerCase().includes(part)),
          ),
        ),
        [],
      );
    expect(await find('HALL-7')).toEqual(having('hall-7'));
    expect(await find('0%')).toEqual(having('0%'));
    expect(await find('r_s')).toEqual(having('r_s'));
    expect(await find('Device-00')).toEqual(having('device-00'));
    expect(await find('north')).toEqual(having('north'));
    expect(await find('nowhere')).toEqual([]);
  });

  it('knows of a device whether it is in one of some groups', async () => {
    for (const device of fleet.slice(0, 20))
      for (const some of [[], ['north'], ['south', 'lab'], ['nobody']])
        expect(await isMember(db, device.id, some)).toBe(device.groups.some((group) => some.includes(group)));
    expect(await isMember(db, 'no such device', groups)).toBe(false);
  });
});
