import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FilterTerm } from '#proto/http/devices';
import { anyActive } from '../deployments/next.ts';
import { availableDatabases, databaseFor } from '../stage.ts';
import { planOf } from '../store/plan.testing.ts';
import { type Db, onPostgres, openStore } from '../store/store.ts';
import { condition, type Term } from './condition.ts';
import { insertFleet, type TestDevice } from './fleet.testing.ts';
import { inGroups } from './membership.ts';
import { findDevices, type Search, searchDevices, type SortTerm } from './search.ts';

const many = 100_000;
const idOf = (at: number): string => `${String((at * 7919) % many).padStart(6, '0')}-device`;

function* fleet(): Generator<TestDevice> {
  for (let at = 0; at < many; at++)
    yield {
      id: idOf(at),
      status: at % 10 === 0 ? 'pending' : 'accepted',
      attributes: [
        { scope: 'identity', name: 'mac', value: `02:00:${at.toString(16).padStart(8, '0')}` },
        { scope: 'inventory', name: 'hostname', value: `host-${at}` },
        { scope: 'inventory', name: 'device_type', value: ['qemu', 'raspberrypi4', 'beaglebone'][at % 3] ?? '' },
        { scope: 'inventory', name: 'artifact_name', value: `release-${at % 50}` },
        { scope: 'inventory', name: 'uptime', value: at },
        { scope: 'inventory', name: 'nets', value: ['eth0', `wlan${at % 7}`] },
        ...(at % 1000 === 0 ? [{ scope: 'tags' as const, name: 'rare', value: 'yes' }] : []),
      ],
      groups: at % 500 === 0 ? ['few', 'all'] : ['all'],
    };
}

const term = (
  attribute: string,
  type: FilterTerm['type'],
  value: unknown,
  scope: FilterTerm['scope'] = 'inventory',
): FilterTerm => ({
  scope,
  attribute,
  type,
  value,
});
const all: Search = { filters: [], sort: [] };

describe.each(await availableDatabases())(`${many} devices on %s`, (name) => {
  let db: Db;
  let data = '';
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'patchbay-fleet-'));
    db = await openStore(data, await databaseFor(name));
    await insertFleet(db, fleet());
    if (onPostgres(db)) await sql`analyze`.execute(db);
  }, 600_000);
  afterAll(async () => {
    await db.destroy();
    rmSync(data, { recursive: true, force: true });
  });

  const plan = (terms: FilterTerm[]) =>
    planOf(
      db,
      db
        .selectFrom('devices')
        .select('devices.id')
        .where((e) => e.and(terms.map((one) => condition(e, one as Term))))
        .orderBy('devices.id')
        .limit(20),
    );

  it.each([
    ['$eq of a text', term('hostname', '$eq', 'host-77'), 'attributes_by_text'],
    ['$in of texts', term('hostname', '$in', ['host-77', 'host-78']), 'attributes_by_text'],
    ['$gt of a text', term('hostname', '$gt', 'host-99998'), 'attributes_by_text'],
    ['$lte of a text', term('hostname', '$lte', 'host-1'), 'attributes_by_text'],
    ['an element of an array', term('nets', '$eq', 'wlan3'), 'attributes_by_text'],
    ['$eq of a number', term('uptime', '$eq', 77), 'attributes_by_num'],
    ['$lt of a number', term('uptime', '$lt', 20), 'attributes_by_num'],
    ['$gte of a number', term('uptime', '$gte', many - 5), 'attributes_by_num'],
    ['$in of numbers', term('uptime', '$in', [1, 2, 3]), 'attributes_by_num'],
    [
      'a rare $exists',
      term('rare', '$exists', true, 'tags'),
      'attributes_by_text|attributes_key|attributes_by_num|sqlite_autoindex_attributes',
    ],
    [
      'the status',
      term('status', '$eq', 'pending', 'identity'),
      'devices_status|devices_pkey|sqlite_autoindex_devices',
    ],
    ['an id', term('id', '$eq', idOf(5), 'identity'), 'devices_pkey|sqlite_autoindex_devices_1'],
  ])('%s is found by index', async (_, one, index) => {
    const said = await plan([one]);
    // With a page to fill, PostgreSQL may also go through the devices and look each one's attribute up by key.
    expect(said).toMatch(new RegExp(onPostgres(db) ? `${index}|attributes_key` : index));
    expect(said).not.toMatch(/Seq Scan on attributes|SCAN attributes(?! USING)/);
  });

  it('what is ruled out is looked up by key, a device at a time', async () => {
    for (const one of [
      term('hostname', '$ne', 'host-1'),
      term('rare', '$exists', false, 'tags'),
      term('uptime', '$nin', [1]),
    ]) {
      const said = await plan([one]);
      // PostgreSQL may read all of it once instead, never once a device.
      expect(said).toMatch(onPostgres(db) ? /Anti Join/ : /attributes USING.* INDEX/);
      expect(said).not.toMatch(/SCAN attributes(?! USING)/);
    }
  });

  it('the devices of a group are found by index', async () => {
    const query = db
      .selectFrom('devices')
      .select('id')
      .where(inGroups('devices.id', ['few']))
      .orderBy('id')
      .limit(20);
    expect(await planOf(db, query)).toMatch(/attributes_by_text/);
  });

  it('a poll is one read of the index of what is active', async () => {
    expect(await planOf(db, anyActive(db), { small: true })).toMatch(/device_deployments_poll/);
  });

  it.each<[string, Partial<Search>, number]>([
    ['one of them all by name', { filters: [term('hostname', '$eq', 'host-4242')] }, 1],
    ['a few by number', { filters: [term('uptime', '$lt', 100)] }, 100],
    ['a third', { filters: [term('device_type', '$eq', 'qemu')] }, 33_334],
    ['by two terms', { filters: [term('device_type', '$eq', 'qemu'), term('artifact_name', '$eq', 'release-7')] }, 667],
    ['a group', { group: 'few' }, 200],
    ['those in reach', { within: ['few', 'nobody'] }, 200],
    ['all but one', { filters: [term('hostname', '$ne', 'host-1')] }, many - 1],
    ['without a tag', { filters: [term('rare', '$exists', false, 'tags')] }, many - 100],
    ['by pattern', { filters: [term('hostname', '$regex', '^host-9+$')] }, 5],
    ['by pattern among few', { filters: [term('artifact_name', '$regex', '-1?7$')] }, 4000],
    ['by a text anywhere', { text: 'OST-4242' }, 11],
    ['all', {}, many],
  ])('finds %s', async (_, search, total) => {
    const sorted: SortTerm[] = [{ scope: 'inventory', attribute: 'hostname', order: 'asc' }];
    for (const sort of [[], sorted]) {
      const found = await searchDevices(db, { ...all, ...search, sort }, 20, 0);
      expect([found.total, found.ids.length]).toEqual([total, Math.min(20, total)]);
    }
  });

  it.each<[string, SortTerm[]]>([
    ['by id', []],
    ['by a text', [{ scope: 'inventory', attribute: 'hostname', order: 'asc' }]],
    ['by a number, from the top', [{ scope: 'inventory', attribute: 'uptime', order: 'desc' }]],
    [
      'by status and a number',
      [
        { scope: 'identity', attribute: 'status', order: 'asc' },
        { scope: 'inventory', attribute: 'uptime', order: 'asc' },
      ],
    ],
  ])('has a last page as it has a first, %s (lessons 27, 31)', async (_, sort) => {
    const { ids, total } = await searchDevices(db, { ...all, sort }, 500, many - 250);
    expect([ids.length, total]).toEqual([250, many]);
    expect(new Set(ids).size).toBe(250);
    expect((await searchDevices(db, { ...all, sort }, 500, many)).ids).toEqual([]);
  });

  it('the ids of all that a filter means come at once', async () => {
    expect((await findDevices(db, { ...all, filters: [term('device_type', '$eq', 'qemu')] })).length).toBe(33_334);
  });

  it('other work goes on while a pattern is looked for in all of them', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await searchDevices(db, { ...all, filters: [term('hostname', '$regex', 'nothing')] }, 20, 0);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });
});
