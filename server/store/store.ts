import { type Kysely, PostgresAdapter, sql, type Transaction } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { makeDataFolder, unusable } from '../data-folder.ts';
import { up as first } from './migrations/0001-first.ts';
import { up as groups } from './migrations/0002-groups.ts';
import { up as people } from './migrations/0003-people.ts';
import { up as contract } from './migrations/0004-contract.ts';
import { up as sessions } from './migrations/0005-sessions.ts';
import { up as secretSettings } from './migrations/0012-secret-settings.ts';
import { up as emptyAttributes } from './migrations/0014-empty-attributes.ts';
import type { Database } from './tables.ts';

export type Db = Kysely<Database>;
/** The database or a transaction of it. */
export type Queries = Kysely<Database> | Transaction<Database>;

/** In order of their names, forward only. One may land after another of a higher number: each stands by itself. */
const migrations: Readonly<Record<string, (db: Kysely<unknown>) => Promise<void>>> = {
  '0001-first': first,
  '0002-groups': groups,
  '0003-people': people,
  '0004-contract': contract,
  '0005-sessions': sessions,
  '0012-secret-settings': secretSettings,
  '0014-empty-attributes': emptyAttributes,
};

/**
 * Opens and migrates the server's database: the PostgreSQL one that `database` names, else SQLite in the data folder,
 * made if there is none. Throws `data_unusable`, `database_unusable` or `migration_failed` in words for a person.
 */
export async function openStore(data: string, database?: string): Promise<Db> {
  try {
    await makeDataFolder(data);
    return await migrated(await openDatabase(data, database));
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw unusable(data, error);
  }
}

/** The same as it is, without a look at its version. The driver of the other database is never loaded. */
export async function openDatabase(data: string, database: string | undefined): Promise<Db> {
  if (database === undefined) return (await import('./sqlite.ts')).openSqlite(data);
  return (await import('./postgres.ts')).openPostgres(database);
}

async function migrated(db: Db): Promise<Db> {
  try {
    await migrate(db);
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/** Which of the two databases it is. */
export const onPostgres = (db: Kysely<unknown> | Queries): boolean =>
  db.getExecutor().adapter instanceof PostgresAdapter;

/** All steps that this program knows. */
export const knownSteps: readonly string[] = Object.keys(migrations);

/** Brings a database to the newest version, or to what it was with these steps only. */
export async function migrate(db: Db, only = knownSteps): Promise<void> {
  const wanted = Object.entries(migrations).filter(([name]) => only.includes(name));
  const steps = wanted.map(([name, step]): [string, Migration] => [
    name,
    {
      async up(trx) {
        // An index of a large table takes its time.
        if (onPostgres(trx)) await sql`set local statement_timeout = 0`.execute(trx);
        await step(trx);
        await compareByBytes(trx);
      },
    },
  ]);
  const provider = { getMigrations: async () => Object.fromEntries(steps) };
  const migrator = new Migrator({ db, provider, allowUnorderedMigrations: true });
  const { error } = await migrator.migrateToLatest();
  if (error)
    throw new CodedError('migration_failed', `the database could not be migrated: ${messageOf(error)}`, {
      cause: error,
    });
}

/**
 * Has PostgreSQL compare all text by its bytes, as SQLite does, whatever language the database was made for. Part of each
 * migration, so that none has to think of it.
 */
async function compareByBytes(db: Kysely<unknown>): Promise<void> {
  if (!onPostgres(db)) return;
  const { rows } = await sql<{ table: string; column: string }>`
    select c.relname as "table", a.attname as "column"
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
      and a.atttypid = 'text'::regtype and a.attcollation <> (select oid from pg_collation where collname = 'C')
      and c.relname not like 'kysely%'
    order by c.relname, a.attnum
  `.execute(db);
  const tables = Map.groupBy(rows, ({ table }) => table);
  for (const [table, columns] of tables) {
    const changes = columns.map(({ column }) => sql`alter column ${sql.ref(column)} type text collate "C"`);
    await sql`alter table ${sql.table(table)} ${sql.join(changes)}`.execute(db);
  }
}

/**
 * Brings the tables of an add-on to their newest version. Throws `migration_failed`, also for a table whose name does not
 * begin with `addon_ID_`: the others are not the add-on's. `only`: the steps that there are to be, by the tables that
 * remember them.
 */
export async function migrateAddon(
  db: Db,
  addon: string,
  steps: Readonly<Record<string, (db: Kysely<unknown>) => Promise<void>>>,
  only?: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const prefix = addonPrefix(addon);
  const wanted = only?.[`${prefix}migrations`] ?? (only ? [] : Object.keys(steps));
  if (wanted.length === 0) return;
  const others = async (trx: Kysely<unknown>): Promise<string[]> =>
    (await trx.introspection.getTables()).map(({ name }) => name).filter((name) => !name.startsWith(prefix));
  const chosen = Object.entries(steps).filter(([name]) => wanted.includes(name));
  const checked = chosen.map(([name, step]): [string, Migration] => [
    name,
    {
      async up(trx) {
        const before = new Set(await others(trx));
        await step(trx);
        await compareByBytes(trx);
        const strange = (await others(trx)).find((table) => !before.has(table));
        if (strange) throw new Error(`the table ${strange} must be called ${prefix}${strange}`);
      },
    },
  ]);
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => Object.fromEntries(checked) },
    migrationTableName: `${prefix}migrations`,
    migrationLockTableName: `${prefix}lock`,
  }).migrateToLatest();
  if (error)
    throw new CodedError('migration_failed', `the tables of ${addon} could not be migrated: ${messageOf(error)}`, {
      cause: error,
    });
}

/** How the names of an add-on's tables begin. */
export const addonPrefix = (addon: string): string => `addon_${addon.replaceAll('-', '_')}_`;

/** Now, as the database and the API spell it. */
export const now = (): string => new Date().toISOString();

/** True for the error of a database that refused a second row with the same unique key. */
export function isDuplicate(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return (
    code.startsWith('SQLITE_CONSTRAINT_UNIQUE') || code.startsWith('SQLITE_CONSTRAINT_PRIMARYKEY') || code === '23505'
  );
}
