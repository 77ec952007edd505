import { type Kysely, sql } from 'kysely';

/** Own roles, second factors, whence a login came, and an audit log that can only be added to. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const schema = db.schema;
  await schema
    .createTable('roles')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('grants', 'text', (c) => c.notNull())
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .execute();

  await schema
    .createTable('second_factors')
    .addColumn('user_id', 'text', (c) => c.primaryKey().references('users.id').onDelete('cascade'))
    .addColumn('secret', 'text', (c) => c.notNull())
    .addColumn('enabled_ts', 'text')
    .addColumn('last_step', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await schema
    .createTable('recovery_codes')
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
    .addColumn('hash', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('recovery_codes_key', ['user_id', 'hash'])
    .execute();

  await schema.alterTable('user_tokens').addColumn('address', 'text').execute();
  await schema.alterTable('user_tokens').addColumn('user_agent', 'text').execute();

  for (const column of ['user_agent', 'before', 'after'])
    await schema.alterTable('audit').addColumn(column, 'text').execute();
  await schema.createIndex('audit_time').on('audit').columns(['time', 'id']).execute();
  await schema.createIndex('audit_action').on('audit').columns(['action', 'id']).execute();
  await schema.createIndex('audit_result').on('audit').columns(['result', 'id']).execute();
  // What retention may take away: entries before this time, and no others.
  await schema
    .createTable('audit_floor')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('until', 'text', (c) => c.notNull())
    .execute();
  const postgres = db.getExecutor().adapter.constructor.name.startsWith('Postgres');
  for (const statement of postgres ? postgresGuards : sqliteGuards) await sql.raw(statement).execute(db);
}

const refused = 'the audit log is only added to';
const sqliteGuards = [
  `create trigger audit_kept_update before update on audit begin select raise(abort, '${refused}'); end`,
  `create trigger audit_kept_delete before delete on audit
   when old.time >= coalesce((select max(until) from audit_floor), '')
   begin select raise(abort, '${refused}'); end`,
];
const postgresGuards = [
  `create function audit_kept() returns trigger language plpgsql as $$
   begin
     if TG_OP = 'DELETE' then
       if old.time < coalesce((select max(until) from audit_floor), '') then return old; end if;
     end if;
     raise exception '${refused}';
   end $$`,
  'create trigger audit_kept_rows before update or delete on audit for each row execute function audit_kept()',
  'create trigger audit_kept_table before truncate on audit for each statement execute function audit_kept()',
];
