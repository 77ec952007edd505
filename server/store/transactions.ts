import { setTimeout as pause } from 'node:timers/promises';
import { type AccessMode, type Dialect, type IsolationLevel, Kysely, type TransactionBuilder } from 'kysely';
import { codeOf } from '#base/errors';
import { unavailable } from './loss.ts';

/** "Somebody else was first, begin again": PostgreSQL's serialization failure and deadlock; SQLite between two programs. */
const again = new Set(['40001', '40P01', 'SQLITE_BUSY_SNAPSHOT']);
const duplicate = '23505';
/** Tries of one transaction, and the longest pause between two, ms. */
const tries = 30;
const longest = 250;

/**
 * A database whose transactions are as if they ran one after the other, which SQLite's are by nature: PostgreSQL's run
 * `serializable`, and one that met another begins again (docs/decisions/0008). So a callback may run more than once: what
 * it does outside the database belongs after it. One that locks all that it reads may ask for `read committed` itself.
 */
export class Serial<DB> extends Kysely<DB> {
  constructor(dialect: Dialect) {
    super({ dialect });
  }

  override transaction(): TransactionBuilder<DB> {
    return repeating(super.transaction().setIsolationLevel('serializable'));
  }
}

function repeating<DB>(once: TransactionBuilder<DB>): TransactionBuilder<DB> {
  const changed: Pick<TransactionBuilder<DB>, 'setIsolationLevel' | 'setAccessMode' | 'execute'> = {
    setIsolationLevel: (level: IsolationLevel) => repeating(once.setIsolationLevel(level)),
    setAccessMode: (mode: AccessMode) => repeating(once.setAccessMode(mode)),
    execute: (work) => repeat(() => once.execute(work)),
  };
  return Object.assign(Object.create(once) as TransactionBuilder<DB>, changed);
}

async function repeat<T>(once: () => Promise<T>): Promise<T> {
  let wait = 2;
  for (let left = tries, mayDouble = true; ; left--) {
    try {
      return await once();
    } catch (error) {
      const code = codeOf(error) ?? '';
      // Two that insert the same key at once: the loser's second try sees the row of the other and decides by it.
      const lost = code === duplicate && mayDouble;
      if (!lost && !again.has(code)) throw error;
      if (left === 0) throw unavailable('too many changes at once', error);
      if (lost) mayDouble = false;
    }
    await pause(Math.random() * wait);
    wait = Math.min(longest, wait * 2);
  }
}
