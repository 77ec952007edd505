import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Policy } from '#proto/http/users';
import type { Db } from '../store/store.ts';
import type { AuditLog } from './audit.ts';

const day = 24 * 3_600_000;
const every = 6 * 3_600_000;
/** Entries taken away by one statement: nobody else waits long. */
const portion = 5000;

/** Takes entries out of the audit log that are older than is decided. Nothing else ever does: the database refuses it. */
export class Retention {
  readonly #db: Db;
  readonly #audit: AuditLog;
  readonly #policies: { get(): Promise<Policy> };
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  constructor(db: Db, audit: AuditLog, policies: { get(): Promise<Policy> }, log: Log) {
    this.#db = db;
    this.#audit = audit;
    this.#policies = policies;
    this.#log = log;
  }

  /** Now and from time to time. */
  start(): void {
    const again = (): void =>
      void this.run().catch((error: unknown) => this.#log.error('audit log not pruned', { error: messageOf(error) }));
    again();
    this.#timer = setInterval(again, every);
    this.#timer.unref();
  }

  /** Resolves when nothing of it is at work in the database any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running.catch(() => undefined);
  }

  /** One after the other. */
  run(): Promise<void> {
    this.#running = this.#running.catch(() => undefined).then(() => this.#prune());
    return this.#running;
  }

  async #prune(): Promise<void> {
    const { audit_days: days } = await this.#policies.get();
    if (days === 0) return;
    const until = new Date(Date.now() - days * day).toISOString();
    let count = 0;
    for (let removed = portion; removed === portion && !this.#stopped;) {
      removed = await this.#removeSome(until);
      count += removed;
    }
    if (count === 0) return;
    await this.#audit.append({
      actor: { type: 'system', id: 'retention' },
      action: 'audit_prune',
      object: { type: 'audit', id: 'log' },
      result: 'ok',
      details: { entries: count, until, days },
    });
  }

  async #removeSome(until: string): Promise<number> {
    return this.#db.transaction().execute(async (tx) => {
      // The trigger lets go what is older than this, for the time of this transaction.
      await tx.insertInto('audit_floor').values({ id: 1, until }).execute();
      const { numDeletedRows } = await tx
        .deleteFrom('audit')
        .where('id', 'in', (e) =>
          e.selectFrom('audit').select('id').where('time', '<', until).orderBy('time').limit(portion),
        )
        .executeTakeFirst();
      await tx.deleteFrom('audit_floor').execute();
      return Number(numDeletedRows);
    });
  }
}
