import type { Grant, Permission, Role } from '#proto/http/users';
import { scopeKindOf } from '#proto/http/users';
import { conflict, forbidden, notFound, unprocessable } from '../errors.ts';
import { Rights } from '../http/rights.ts';
import { isDuplicate, now, type Db } from '../store/store.ts';
import { builtIn, builtInGrants } from './roles.ts';

export interface RoleContent {
  readonly description?: string;
  readonly grants: readonly Grant[];
}

/** Built-in roles and those of one's own, and what they add up to. */
export class Roles {
  readonly #db: Db;
  readonly #brought: (role: string) => readonly Permission[];
  /** `brought`: what add-ons give a role that comes with the server. */
  constructor(db: Db, brought: (role: string) => readonly Permission[] = () => []) {
    this.#db = db;
    this.#brought = brought;
  }

  async list(): Promise<Role[]> {
    const own = await this.#db.selectFrom('roles').selectAll().orderBy('name').execute();
    const counts = await this.#counts();
    const users = (name: string): number => counts.get(name) ?? 0;
    return [
      ...Object.entries(builtIn).map(([name, { description }]): Role => ({
        name,
        description,
        grants: this.#builtIn(name) ?? [],
        builtin: true,
        users: users(name),
      })),
      ...own.map(({ name, description, grants }): Role => ({
        name,
        description,
        grants: JSON.parse(grants) as Grant[],
        builtin: false,
        users: users(name),
      })),
    ];
  }

  async get(name: string): Promise<Role> {
    const role = (await this.list()).find((one) => one.name === name);
    if (!role) throw notFound(`there is no role "${name.slice(0, 64)}"`);
    return role;
  }

  /** What roles of these names add up to; a name that there is no role of adds nothing. */
  async rightsOf(names: readonly string[]): Promise<Rights> {
    const own = names.filter((name) => builtInGrants(name) === undefined);
    const rows =
      own.length > 0 ? await this.#db.selectFrom('roles').select('grants').where('name', 'in', own).execute() : [];
    return new Rights([
      ...names.flatMap((name) => this.#builtIn(name) ?? []),
      ...rows.flatMap(({ grants }) => JSON.parse(grants) as Grant[]),
    ]);
  }

  #builtIn(name: string): Grant[] | undefined {
    const grants = builtInGrants(name);
    return grants && [...grants, ...this.#brought(name).map((permission) => ({ permission }))];
  }

  /** 422 for a name that there is no role of. */
  async check(names: readonly string[]): Promise<void> {
    const known = new Set((await this.list()).map(({ name }) => name));
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined) throw unprocessable(`there is no role "${unknown}": take ${[...known].join(', ')}`);
  }

  /** 409 for a taken name, 422 for a grant that cannot be, 403 for more than the giver has himself. */
  async create(name: string, content: RoleContent, giver: Rights): Promise<void> {
    if (builtInGrants(name)) throw conflict(`the role "${name}" comes with the server`);
    checkGrants(content.grants, giver);
    const ts = now();
    try {
      await this.#db
        .insertInto('roles')
        .values({ name, ...columnsOf(content), created_ts: ts, updated_ts: ts })
        .execute();
    } catch (error) {
      if (isDuplicate(error)) throw conflict(`there is a role "${name}" already`);
      throw error;
    }
  }

  /** Replaces what a role says. As `create`; a role that holds more than the giver has is not his to change either. */
  async update(name: string, content: RoleContent, giver: Rights): Promise<void> {
    const { grants } = await this.#own(name);
    checkGiver(new Rights(grants), giver);
    checkGrants(content.grants, giver);
    await this.#db
      .updateTable('roles')
      .set({ ...columnsOf(content), updated_ts: now() })
      .where('name', '=', name)
      .execute();
  }

  /** 409 while somebody has it. */
  async remove(name: string, giver: Rights): Promise<void> {
    const { grants, users } = await this.#own(name);
    checkGiver(new Rights(grants), giver);
    if (users > 0)
      throw conflict(
        `the role "${name}" is that of ${users} ${users === 1 ? 'user' : 'users'}: take it from them first`,
      );
    await this.#db.deleteFrom('roles').where('name', '=', name).execute();
  }

  /** Ids of the users who have a role. */
  async usersOf(name: string): Promise<string[]> {
    const rows = await this.#db.selectFrom('users').select(['id', 'roles']).execute();
    return rows.filter(({ roles }) => (JSON.parse(roles) as string[]).includes(name)).map(({ id }) => id);
  }

  async #own(name: string): Promise<Role> {
    const role = await this.get(name);
    if (role.builtin) throw conflict(`the role "${name}" comes with the server and cannot be changed`);
    return role;
  }

  async #counts(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const { roles } of await this.#db.selectFrom('users').select('roles').execute())
      for (const name of new Set(JSON.parse(roles) as string[])) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }
}

/** 403 if these rights hold more than the giver's: whoever may manage users is not an administrator by that. */
export function checkGiver(rights: Rights, giver: Rights): void {
  if (!rights.within(giver))
    throw forbidden('that holds rights which you have not yourself: an administrator can do it');
}

function checkGrants(grants: readonly Grant[], giver: Rights): void {
  for (const { permission, groups, tags } of grants) {
    const kind = scopeKindOf(permission);
    if (groups && kind !== 'groups') throw unprocessable(`${permission}: cannot be confined to groups of devices`);
    if (tags && kind !== 'tags') throw unprocessable(`${permission}: cannot be confined to tags of releases`);
    for (const group of groups ?? [])
      if (!/^[A-Za-z0-9_-]{1,256}$/.test(group)) throw unprocessable(`${permission}: "${group}" is no name of a group`);
    for (const tag of tags ?? [])
      if (!/^[a-z0-9._-]{1,1024}$/.test(tag))
        throw unprocessable(
          `${permission}: "${tag}" is no tag of a release: lower case letters, digits, ".", "_", "-"`,
        );
  }
  checkGiver(new Rights(grants), giver);
}

const columnsOf = ({ description = '', grants }: RoleContent) => ({ description, grants: JSON.stringify(grants) });
