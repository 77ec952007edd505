import { type Kysely, sql } from 'kysely';
import { onPostgres, type Queries } from '../store/store.ts';

export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
}

// Tables by what the database says of itself: those of add-ons and of later versions are none that we know.
type AnyTables = Kysely<Record<string, Record<string, unknown>>>;
const any = (db: Queries): AnyTables => db as unknown as AnyTables;

const coreSteps = 'kysely_migration';
const addonSteps = /^addon_([a-z0-9_]+)_migrations$/;
const bookkeeping = /^(kysely_migration(_lock)?|addon_[a-z0-9_]+_(migrations|lock))$/;

/** All tables that hold data, in an order in which no row names one that comes later. */
export async function tablesOf(db: Queries): Promise<Table[]> {
  const tables = (await everyTable(db)).filter(({ name }) => !bookkeeping.test(name));
  const needs = await referencesOf(db, tables);
  const ordered: Table[] = [];
  const add = (table: Table): void => {
    if (ordered.includes(table)) return;
    for (const other of tables) if (other !== table && needs.get(table.name)?.has(other.name)) add(other);
    ordered.push(table);
  };
  for (const table of tables) add(table);
  return ordered;
}

async function everyTable(db: Queries): Promise<Table[]> {
  const schema = await schemaOf(db);
  const found = await db.introspection.getTables({ withInternalKyselyTables: true });
  return found
    .filter((table) => !table.isView && (schema === undefined || table.schema === schema))
    .map((table) => ({ name: table.name, columns: table.columns.map((column) => column.name) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function schemaOf(db: Queries): Promise<string | undefined> {
  if (!onPostgres(db)) return undefined;
  const { rows } = await sql<{ schema: string }>`select current_schema() as schema`.execute(db);
  return rows[0]?.schema;
}

/** Of each table, those that its foreign keys name. */
async function referencesOf(db: Queries, tables: readonly Table[]): Promise<Map<string, Set<string>>> {
  const needs = new Map<string, Set<string>>();
  for (const { name } of tables) {
    const { rows } = onPostgres(db)
      ? await sql<{ other: string }>`select confrelid::regclass::text as other from pg_constraint
          where contype = 'f' and conrelid = ${name}::regclass`.execute(db)
      : await sql<{ other: string }>`select "table" as other from pragma_foreign_key_list(${name})`.execute(db);
    needs.set(name, new Set(rows.map(({ other }) => other.replaceAll('"', ''))));
  }
  return needs;
}

/** The steps that made the database what it is: its own, and those of add-ons by the name of their table. */
export async function stepsOf(db: Queries): Promise<{ migrations: string[]; addons: Record<string, string[]> }> {
  const addons: Record<string, string[]> = {};
  let migrations: string[] = [];
  for (const { name } of await everyTable(db)) {
    if (name !== coreSteps && !addonSteps.test(name)) continue;
    const rows = await any(db).selectFrom(name).select('name').orderBy('name').execute();
    const steps = rows.map((row) => String(row['name']));
    if (name === coreSteps) migrations = steps;
    else addons[name] = steps;
  }
  return { migrations, addons };
}

/** The first table that holds a row; undefined: the database is empty. */
export async function firstFilled(db: Queries): Promise<string | undefined> {
  for (const { name } of await tablesOf(db)) {
    const row = await any(db).selectFrom(name).select(sql.lit(1).as('one')).limit(1).executeTakeFirst();
    if (row) return name;
  }
  return undefined;
}

const fetched = 2000;

/** All rows of a table as the transaction sees it, as lists in the order of its columns. A portion at a time. */
export async function* rowsOf(tx: Queries, { name, columns }: Table): AsyncGenerator<unknown[][]> {
  const query = any(tx)
    .selectFrom(name)
    .select([...columns]);
  const list = (row: Record<string, unknown>): unknown[] => columns.map((column) => row[column]);
  if (!onPostgres(tx)) {
    let rows: unknown[][] = [];
    for await (const row of query.stream()) {
      rows.push(list(row));
      if (rows.length < fetched) continue;
      yield rows;
      rows = [];
    }
    if (rows.length > 0) yield rows;
    return;
  }
  await sql`declare patchbay_rows no scroll cursor for ${query}`.execute(tx);
  for (;;) {
    const { rows } = await sql<Record<string, unknown>>`fetch ${sql.lit(fetched)} from patchbay_rows`.execute(tx);
    if (rows.length === 0) break;
    yield rows.map(list);
  }
  await sql`close patchbay_rows`.execute(tx);
}

/** Puts rows into a table, as many as fit one parameter: compiling a statement for each thousand would take minutes. */
export async function insertRows(tx: Queries, { name, columns }: Table, rows: readonly unknown[][]): Promise<void> {
  if (rows.length === 0) return;
  const into = sql`${sql.table(name)} (${sql.join(columns.map((column) => sql.ref(column)))})`;
  if (onPostgres(tx)) {
    const objects = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
    await sql`insert into ${into} select ${sql.join(columns.map((column) => sql.ref(column)))}
      from json_populate_recordset(null::${sql.table(name)}, ${JSON.stringify(objects)}::json)`.execute(tx);
    return;
  }
  const values = columns.map((_, at) => sql`value ->> ${sql.lit(at)}`);
  await sql`insert into ${into} select ${sql.join(values)} from json_each(${JSON.stringify(rows)})`.execute(tx);
}

/** Has the numbers that the database gives itself go on after those that were put in. SQLite sees to it by itself. */
export async function goOnCounting(tx: Queries, { name, columns }: Table): Promise<void> {
  if (!onPostgres(tx)) return;
  for (const column of columns) {
    const { rows } = await sql<{ sequence: string | null }>`
      select pg_get_serial_sequence(${name}, ${column}) as sequence`.execute(tx);
    const sequence = rows[0]?.sequence;
    if (!sequence) continue;
    const last = any(tx)
      .selectFrom(name)
      .select((e) => e.fn.max(column).as('last'));
    await sql`select setval(${sequence}::regclass, (${last})) where (${last}) is not null`.execute(tx);
  }
}
