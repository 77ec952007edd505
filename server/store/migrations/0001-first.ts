import { type Kysely, sql } from 'kysely';

/** All tables of the first version. A migration that has landed is never changed: the next one mends it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const schema = db.schema;
  await schema
    .createTable('devices')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('identity_hash', 'text', (c) => c.notNull().unique())
    .addColumn('identity', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('decommissioning', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .addColumn('check_in_time', 'text')
    .addColumn('inventory_hash', 'text')
    .execute();
  await schema.createIndex('devices_status').on('devices').columns(['status', 'id']).execute();

  await schema
    .createTable('auth_sets')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('device_id', 'text', (c) => c.notNull().references('devices.id').onDelete('cascade'))
    .addColumn('identity_hash', 'text', (c) => c.notNull())
    .addColumn('pubkey', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('ts', 'text', (c) => c.notNull())
    .addColumn('token_from', 'integer')
    .addUniqueConstraint('auth_sets_identity_key', ['identity_hash', 'pubkey'])
    .execute();
  await schema.createIndex('auth_sets_device').on('auth_sets').column('device_id').execute();

  await schema
    .createTable('attributes')
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('seq', 'integer', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('text', 'text')
    .addColumn('num', 'double precision')
    .addColumn('description', 'text')
    .addColumn('ts', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('attributes_key', ['device_id', 'scope', 'name', 'seq'])
    .execute();
  // A prefix of the text: a value may be longer than an index entry of PostgreSQL may be.
  await sql`create index attributes_text on attributes (scope, name, substr(text, 1, 200), device_id)`.execute(db);
  await schema.createIndex('attributes_num').on('attributes').columns(['scope', 'name', 'num', 'device_id']).execute();

  await schema
    .createTable('presence')
    .addColumn('device_id', 'text', (c) => c.primaryKey())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('connection', 'text')
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .execute();

  await schema
    .createTable('users')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('email', 'text', (c) => c.notNull().unique())
    .addColumn('password', 'text', (c) => c.notNull())
    .addColumn('roles', 'text', (c) => c.notNull())
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .addColumn('login_ts', 'text')
    .execute();
  await schema
    .createTable('user_tokens')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('name', 'text')
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('expires_ts', 'text')
    .addColumn('last_used_ts', 'text')
    .execute();
  await schema.createIndex('user_tokens_user').on('user_tokens').columns(['user_id', 'kind', 'created_ts']).execute();

  await schema
    .createTable('artifacts')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('depends_key', 'text', (c) => c.notNull())
    .addColumn('update_type', 'text')
    .addColumn('document', 'text', (c) => c.notNull())
    .addColumn('size', 'bigint', (c) => c.notNull())
    .addColumn('modified', 'text', (c) => c.notNull())
    .addUniqueConstraint('artifacts_name_depends', ['name', 'depends_key'])
    .execute();
  await schema
    .createTable('artifact_types')
    .addColumn('artifact_id', 'text', (c) => c.notNull().references('artifacts.id').onDelete('cascade'))
    .addColumn('device_type', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('artifact_types_key', ['artifact_id', 'device_type'])
    .execute();
  await schema
    .createTable('releases')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('modified', 'text', (c) => c.notNull())
    .addColumn('notes', 'text', (c) => c.notNull())
    .addColumn('tags', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('release_tags')
    .addColumn('tag', 'text', (c) => c.notNull())
    .addColumn('release_name', 'text', (c) => c.notNull().references('releases.name').onDelete('cascade'))
    .addPrimaryKeyConstraint('release_tags_key', ['tag', 'release_name'])
    .execute();
  await schema.createIndex('release_tags_release').on('release_tags').column('release_name').execute();

  await schema
    .createTable('deployments')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('artifact_name', 'text', (c) => c.notNull())
    .addColumn('artifacts', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('active', 'integer', (c) => c.notNull())
    .addColumn('created', 'text', (c) => c.notNull())
    .addColumn('finished', 'text')
    .addColumn('force_installation', 'integer', (c) => c.notNull())
    .addColumn('max_devices', 'integer', (c) => c.notNull())
    .addColumn('device_count', 'integer', (c) => c.notNull())
    .addColumn('total_size', 'bigint', (c) => c.notNull())
    .addColumn('groups', 'text', (c) => c.notNull())
    .addColumn('filter', 'text')
    .addColumn('configuration', 'text')
    .addColumn('constructor_hash', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('deployments_created').on('deployments').columns(['created', 'id']).execute();
  await schema.createIndex('deployments_artifact').on('deployments').columns(['artifact_name', 'active']).execute();
  await sql`create unique index deployments_same on deployments (constructor_hash) where active = 1`.execute(db);
  await schema
    .createTable('deployment_counters')
    .addColumn('deployment_id', 'text', (c) => c.notNull().references('deployments.id').onDelete('cascade'))
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('count', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('deployment_counters_key', ['deployment_id', 'status'])
    .execute();
  await schema
    .createTable('device_deployments')
    .addColumn('deployment_id', 'text', (c) => c.notNull().references('deployments.id').onDelete('cascade'))
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('active', 'integer', (c) => c.notNull())
    .addColumn('created', 'text', (c) => c.notNull())
    .addColumn('asked', 'text')
    .addColumn('started', 'text')
    .addColumn('finished', 'text')
    .addColumn('deleted', 'text')
    .addColumn('substate', 'text')
    .addColumn('artifact_id', 'text')
    .addColumn('request', 'text')
    .addColumn('log', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('device_deployments_key', ['deployment_id', 'device_id'])
    .execute();
  await sql`create index device_deployments_poll on device_deployments (device_id, created) where active = 1`.execute(
    db,
  );
  await schema
    .createIndex('device_deployments_device')
    .on('device_deployments')
    .columns(['device_id', 'created'])
    .execute();
  await schema
    .createIndex('device_deployments_status')
    .on('device_deployments')
    .columns(['deployment_id', 'status', 'device_id'])
    .execute();
  await schema
    .createTable('deployment_logs')
    .addColumn('deployment_id', 'text', (c) => c.notNull().references('deployments.id').onDelete('cascade'))
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('messages', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('deployment_logs_key', ['deployment_id', 'device_id'])
    .execute();

  // The one column whose type the two databases spell differently.
  const postgres = db.getExecutor().adapter.constructor.name.startsWith('Postgres');
  await schema
    .createTable('audit')
    .addColumn('id', postgres ? 'serial' : 'integer', (c) =>
      postgres ? c.primaryKey() : c.primaryKey().autoIncrement(),
    )
    .addColumn('time', 'text', (c) => c.notNull())
    .addColumn('actor_type', 'text', (c) => c.notNull())
    .addColumn('actor_id', 'text', (c) => c.notNull())
    .addColumn('actor_name', 'text')
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('object_type', 'text', (c) => c.notNull())
    .addColumn('object_id', 'text', (c) => c.notNull())
    .addColumn('object_name', 'text')
    .addColumn('result', 'text', (c) => c.notNull())
    .addColumn('request_id', 'text')
    .addColumn('address', 'text')
    .addColumn('details', 'text')
    .execute();
  await schema.createIndex('audit_object').on('audit').columns(['object_type', 'object_id', 'id']).execute();
  await schema.createIndex('audit_actor').on('audit').columns(['actor_id', 'id']).execute();

  await schema
    .createTable('open_sessions')
    .addColumn('sid', 'text', (c) => c.primaryKey())
    .addColumn('entry', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('settings')
    .addColumn('owner', 'text', (c) => c.primaryKey())
    .addColumn('document', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('secrets')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
}
