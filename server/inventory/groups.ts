import { randomUUID } from 'node:crypto';
import type { FilterTerm } from '#proto/http/devices';
import type { Group, GroupChange, NewGroup, SavedFilter } from '#proto/http/groups';
import { conflict, notFound, unprocessable } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { isDuplicate, now, type Db, type Queries } from '../store/store.ts';
import type { Groups as Row } from '../store/tables/devices.ts';
import type { Inventory } from './inventory.ts';
import { checkTerms, type Search } from './search.ts';

/** How deep groups may be nested, and how many may have a record. */
const depth = 8;
const limit = 10_000;

/**
 * Groups by name. A static one is there while it has members or a record; a dynamic one is its record, which is also a
 * saved filter. Nesting is for the eye: a group shown in another is a list of its own, and no right goes down with it.
 */
export class Groups {
  readonly #db: Db;
  readonly #inventory: Inventory;
  constructor(db: Db, inventory: Inventory) {
    this.#db = db;
    this.#inventory = inventory;
  }

  /**
   * All that a right with this scope shows, by name. Whoever is confined sees his groups, and the dynamic ones that find a
   * device of his: what they ask for holds of it, so they tell him nothing that he may not know. To count the devices of
   * dynamic ones costs a search for each.
   */
  async list({ counted, scope = 'all' }: { counted: boolean; scope?: Scope }): Promise<Group[]> {
    const all = await this.#all({ counted: counted || scope !== 'all' }, scope);
    if (scope === 'all') return all;
    const seen = all.filter(({ name, kind, devices = 0 }) => (kind === 'static' ? scope.includes(name) : devices > 0));
    const names = new Set(seen.map(({ name }) => name));
    return seen.map(({ parent, devices, ...group }) => ({
      ...group,
      ...(parent !== undefined && names.has(parent) ? { parent } : {}),
      ...(devices !== undefined && (counted || group.kind === 'static') ? { devices } : {}),
    }));
  }

  async #all({ counted }: { counted: boolean }, scope: Scope): Promise<Group[]> {
    const rows = await this.#db.selectFrom('groups').selectAll().execute();
    const members = await this.#members();
    const known = new Set(rows.map(({ name }) => name));
    const groups: Group[] = rows.map((row) => groupOf(row, members.get(row.name) ?? 0));
    for (const [name, devices] of members) if (!known.has(name)) groups.push({ name, kind: 'static', devices });
    if (counted) for (const group of groups) if (group.terms) group.devices = await this.#count(group.terms, scope);
    return groups.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** 404 also for one that a right with this scope does not show (`list`). */
  async get(name: string, scope: Scope = 'all'): Promise<Group> {
    const group = await this.#find(name, scope);
    if (!group) throw notFound(`no group ${name.slice(0, 256)}`);
    if (scope === 'all') return group;
    const seen = group.kind === 'static' ? scope.includes(name) : (group.devices ?? 0) > 0;
    if (!seen) throw notFound(`no group ${name.slice(0, 256)}`);
    const { parent, ...rest } = group;
    const shown = parent !== undefined && (await this.#shows(parent, scope));
    return shown ? group : rest;
  }

  async #shows(name: string, scope: Scope): Promise<boolean> {
    const group = await this.#find(name, scope);
    if (!group || scope === 'all') return group !== undefined;
    return group.kind === 'static' ? scope.includes(name) : (group.devices ?? 0) > 0;
  }

  async #find(name: string, scope: Scope = 'all'): Promise<Group | undefined> {
    const row = await this.#row(this.#db, name);
    if (row?.terms) {
      const group = groupOf(row, 0);
      return { ...group, devices: await this.#count(group.terms ?? [], scope) };
    }
    const devices = await this.#inventory.count({ filters: [], sort: [], group: name });
    if (row) return groupOf(row, devices);
    return devices > 0 ? { name, kind: 'static', devices } : undefined;
  }

  /** Makes one; its id. 409 if there is one of that name, by a record or by its members. */
  async create({ name, parent = null, description = '', terms }: NewGroup): Promise<string> {
    const id = randomUUID();
    if (terms) checkTerms(terms);
    const ts = now();
    try {
      await this.#db.transaction().execute(async (tx) => {
        if (terms && (await this.#inventory.count({ filters: [], sort: [], group: name }, tx)) > 0)
          throw conflict(`there is a static group ${name} already`);
        const { n } = await tx
          .selectFrom('groups')
          .select((e) => e.fn.countAll<number>().as('n'))
          .executeTakeFirstOrThrow();
        if (n >= limit) throw unprocessable(`there are ${limit} groups already: remove one first`);
        await this.#checkParent(tx, name, parent);
        await tx
          .insertInto('groups')
          .values({
            name,
            id,
            kind: terms ? 'dynamic' : 'static',
            parent,
            description,
            terms: terms ? JSON.stringify(terms) : null,
            created_ts: ts,
            updated_ts: ts,
          })
          .execute();
      });
    } catch (error) {
      if (isDuplicate(error)) throw conflict(`there is a group ${name} already`);
      throw error;
    }
    return id;
  }

  /** Changes what is given. A static group that had no record has one then. */
  async change(name: string, change: GroupChange): Promise<void> {
    if (change.terms) checkTerms(change.terms);
    await this.#db.transaction().execute(async (tx) => {
      const row = await this.#row(tx, name);
      if (change.terms && row?.kind !== 'dynamic')
        throw unprocessable(`${name} is no dynamic group: only those have filter terms`);
      if (change.parent) await this.#checkParent(tx, name, change.parent);
      const fields = {
        ...(change.parent === undefined ? {} : { parent: change.parent }),
        ...(change.description === undefined ? {} : { description: change.description }),
        ...(change.terms ? { terms: JSON.stringify(change.terms) } : {}),
        updated_ts: now(),
      };
      if (row) {
        await tx.updateTable('groups').set(fields).where('name', '=', name).execute();
        return;
      }
      if ((await this.#inventory.count({ filters: [], sort: [], group: name }, tx)) === 0)
        throw notFound(`no group ${name.slice(0, 256)}`);
      const usual = { name, id: randomUUID(), kind: 'static', parent: null, description: '', terms: null };
      await tx
        .insertInto('groups')
        .values({ ...usual, created_ts: fields.updated_ts, ...fields })
        .execute();
    });
  }

  /** Removes it: a static one loses its members. What is shown in it moves up. How many devices were in a static one. */
  async remove(name: string): Promise<number> {
    const row = await this.#row(this.#db, name);
    const left = row?.kind === 'dynamic' ? 0 : await this.#inventory.leave(name);
    if (!row && left === 0) throw notFound(`no group ${name.slice(0, 256)}`);
    await this.#db.transaction().execute(async (tx) => {
      const parent = row?.parent ?? null;
      await tx.updateTable('groups').set({ parent }).where('parent', '=', name).execute();
      await tx.deleteFrom('groups').where('name', '=', name).execute();
    });
    return left;
  }

  /** What finds the devices of a group; `nested`: those of the groups shown in it too, each once. */
  async searchOf(
    name: string,
    { nested = false, scope = 'all' }: { nested?: boolean; scope?: Scope } = {},
  ): Promise<Search> {
    const group = await this.get(name, scope);
    const names = nested ? await this.#below(name) : [name];
    if (names.length === 1) return { ...nothing, ...within(scope), ...meaning(group.name, group.terms) };
    const ids = new Set<string>();
    for (const each of names) {
      const row = await this.#row(this.#db, each);
      for (const id of await this.#inventory.find({ ...nothing, ...meaning(each, row && termsOf(row)) })) ids.add(id);
    }
    return { ...nothing, ...within(scope), ids: [...ids] };
  }

  /** Ids of a group's accepted devices, static or dynamic; none if there is no such group. */
  async accepted(name: string): Promise<string[]> {
    const row = await this.#row(this.#db, name);
    return row?.terms ? this.#inventory.accepted(termsOf(row) ?? []) : this.#inventory.acceptedMembers(name);
  }

  /** A page of the dynamic groups as saved filters; those that a right with this scope shows (`list`). */
  async filters(limit: number, offset: number, scope: Scope): Promise<{ filters: SavedFilter[]; total: number }> {
    if (scope !== 'all') {
      const seen = (await this.list({ counted: false, scope })).filter(({ kind }) => kind === 'dynamic');
      const filters = seen.map(({ id = '', name, terms = [] }) => ({ id, name, terms }));
      return { filters: filters.slice(offset, offset + limit), total: filters.length };
    }
    const dynamic = this.#db.selectFrom('groups').where('kind', '=', 'dynamic');
    const rows = await dynamic.selectAll().orderBy('name').limit(limit).offset(offset).execute();
    const { n } = await dynamic.select((e) => e.fn.countAll<number>().as('n')).executeTakeFirstOrThrow();
    return { filters: rows.map(filterOf), total: n };
  }

  async filter(id: string, scope: Scope = 'all'): Promise<SavedFilter> {
    const row = await this.#db
      .selectFrom('groups')
      .selectAll()
      .where('id', '=', id)
      .where('kind', '=', 'dynamic')
      .executeTakeFirst();
    if (!row || (scope !== 'all' && !(await this.#shows(row.name, scope)))) throw notFound('filter not found');
    return filterOf(row);
  }

  #row(db: Queries, name: string): Promise<Row | undefined> {
    return db.selectFrom('groups').selectAll().where('name', '=', name).executeTakeFirst();
  }

  #count(terms: readonly FilterTerm[], scope: Scope): Promise<number> {
    return this.#inventory.count({ ...nothing, ...within(scope), filters: terms });
  }

  /** Static groups that have members, and how many. */
  async #members(): Promise<Map<string, number>> {
    const rows = await this.#db
      .selectFrom('attributes')
      .select(['text', (e) => e.fn.countAll<number>().as('n')])
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .where('text', 'is not', null)
      .groupBy('text')
      .execute();
    return new Map(rows.map(({ text, n }) => [text ?? '', n]));
  }

  /** 422 for a parent that is not there, or that is shown in the group itself. */
  async #checkParent(tx: Queries, name: string, parent: string | null): Promise<void> {
    let at = parent;
    for (let level = 1; at !== null; level++) {
      if (at === name) throw unprocessable(`${name} cannot be shown in ${parent}: that is shown in ${name}`);
      if (level > depth) throw unprocessable(`groups are nested at most ${depth} deep`);
      const row = await this.#row(tx, at);
      if (!row && (await this.#inventory.count({ filters: [], sort: [], group: at }, tx)) === 0)
        throw unprocessable(`no group ${at} to be shown in`);
      at = row?.parent ?? null;
    }
  }

  /** A group and all that are shown in it, however deep. */
  async #below(name: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('groups')
      .select(['name', 'parent'])
      .where('parent', 'is not', null)
      .execute();
    const names = [name];
    for (const at of names)
      for (const row of rows) if (row.parent === at && !names.includes(row.name)) names.push(row.name);
    return names;
  }
}

/** Only devices that a right with this scope reaches. */
const within = (scope: Scope): Partial<Search> => (scope === 'all' ? {} : { within: scope });
const nothing: Search = { filters: [], sort: [] };
const meaning = (name: string, terms: readonly FilterTerm[] | undefined): Partial<Search> =>
  terms ? { filters: terms } : { group: name };
const termsOf = (row: Row): FilterTerm[] | undefined =>
  row.terms === null ? undefined : (JSON.parse(row.terms) as FilterTerm[]);
const filterOf = (row: Row): SavedFilter => ({ id: row.id, name: row.name, terms: termsOf(row) ?? [] });

function groupOf(row: Row, devices: number): Group {
  const terms = termsOf(row);
  return {
    name: row.name,
    kind: terms ? 'dynamic' : 'static',
    ...(terms ? { id: row.id, terms } : { devices }),
    ...(row.parent === null ? {} : { parent: row.parent }),
    ...(row.description === '' ? {} : { description: row.description }),
    created_ts: row.created_ts,
    updated_ts: row.updated_ts,
  };
}
