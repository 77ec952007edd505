import { type PostgresPool, PostgresDialect, type PostgresPoolClient, sql } from 'kysely';
import { Client, Pool, type PoolClient, type PoolConfig, types } from 'pg';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { lossOf } from './loss.ts';
import { refuseNul } from './nul.ts';
import type { Database } from './tables.ts';
import { Serial } from './transactions.ts';

/** Connections at once. More make PostgreSQL slower, not faster, and it allows 100 to all of its clients. */
const connections = 10;
/** ms until a connection must be there. */
const connectMs = 5000;
/** ms that one statement may take; what is meant to take longer says so itself. */
const statementMs = 60_000;

/** Counts and sizes as numbers, as SQLite gives them: a JavaScript number holds 9 petabytes exactly. */
const asNumbers: ReadonlySet<number> = new Set([types.builtins.INT8, types.builtins.NUMERIC]);
type TypeId = Parameters<typeof types.getTypeParser>[0];
const parserOf = (type: TypeId, format?: 'text' | 'binary'): unknown =>
  asNumbers.has(type) ? Number : types.getTypeParser(type, format);
const parsers: PoolConfig['types'] = { getTypeParser: parserOf };

/** A database by its URL, asked once. Throws `database_unusable` in words for a person; they never hold the password. */
export async function openPostgres(url: string): Promise<Serial<Database>> {
  const { config, place } = configOf(url);
  const db = new Serial<Database>(new PostgresDialect({ pool: guarded(new Pool(config)) }));
  try {
    const { rows } = await sql<{ encoding: string; version: number }>`
      select current_setting('server_encoding') as encoding, current_setting('server_version_num')::integer as version
    `.execute(db);
    const [server] = rows;
    if (server?.encoding !== 'UTF8') throw new Error(`its encoding is ${server?.encoding}, not UTF8: make another`);
    if (server.version < oldest) throw new Error(`PostgreSQL ${oldest / 10_000} or newer is wanted`);
    return db;
  } catch (error) {
    await db.destroy();
    throw unusable(place, error);
  }
}

const oldest = 130_000;

/** Where a database is, for messages. */
interface Place {
  readonly host: string;
  readonly name: string;
  readonly user: string;
}

function configOf(url: string): { config: PoolConfig; place: Place } {
  const config: PoolConfig = {
    // What its own parameters say goes before what follows.
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: connectMs,
    statement_timeout: statementMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'patchbay',
    types: parsers,
  };
  try {
    const { host, port, database, user } = new Client(config);
    const at = host.startsWith('/') ? host : `${host}:${port}`;
    return { config, place: { host: at, name: database ?? '', user: user ?? '' } };
  } catch {
    // Its words may hold the password.
    throw new CodedError('usage', '--database: postgres://USER@HOST:PORT/NAME is wanted');
  }
}

/** The pool as kysely takes it; parameters are checked on their way in, and a lost connection says so on its way out. */
function guarded(pool: Pool): PostgresPool {
  // An idle connection that breaks is replaced when the next is wanted; one in use tells its query. Without listeners
  // either would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const clients = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect().catch(lost);
      const known = clients.get(client) ?? guardedClient(client);
      clients.set(client, known);
      return known;
    },
  };
}

function guardedClient(client: PoolClient): PostgresPoolClient {
  const query = async (text: string, parameters: readonly unknown[]) => {
    refuseNul(parameters);
    return client.query(text, parameters as unknown[]).catch(lost);
  };
  return {
    // Never a cursor: nothing of ours streams rows.
    query: query as unknown as PostgresPoolClient['query'],
    release: (...args: Parameters<PoolClient['release']>) => client.release(...args),
  };
}

function lost(error: unknown): never {
  throw lossOf(error) ?? error;
}

/** What is wrong with a database, in words for a person. */
function unusable(place: Place, error: unknown): CodedError {
  const cause = error instanceof CodedError ? error.cause : error;
  return new CodedError('database_unusable', reasonOf(codeOf(cause) ?? '', place, messageOf(cause)), { cause: error });
}

function reasonOf(code: string, { host, name, user }: Place, said: string): string {
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `no PostgreSQL answers at ${host}: is it running, and is --database right? (${said})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of --database is not known: ${said}`;
    case '28P01':
    case '28000':
      return `PostgreSQL at ${host} does not let ${user} in: ${said}. Check user and password of --database, or set PGPASSWORD`;
    case '3D000':
      return `PostgreSQL at ${host} has no database ${name}: make it with "createdb --encoding UTF8 ${name}"`;
    case '42501':
      return `${user} may not make tables in the database ${name}: make ${user} its owner (${said})`;
    default:
      return `cannot use the database ${name} of PostgreSQL at ${host}: ${said}`;
  }
}
