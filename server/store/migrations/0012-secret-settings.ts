import type { Kysely } from 'kysely';

/** Which settings of a configuration deployment are secret: JSON list of their keys. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('deployments').addColumn('secret_settings', 'text').execute();
}
