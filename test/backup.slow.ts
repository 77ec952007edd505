import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstFilled } from '../server/backup/tables.ts';
import { insertFleet } from '../server/inventory/fleet.testing.ts';
import { availableDatabases, databaseFor, stage, type Stage } from '../server/stage.ts';
import { openDatabase, openStore } from '../server/store/store.ts';
import { BackupReader } from '../server/backup/reader.ts';
import { freshDatabase } from './stage/postgres.ts';
import { launcher } from './stage/server.ts';

const kills = 8;

describe.each(await availableDatabases())('patchbay backup and restore, killed at any moment, on %s', (name) => {
  let folder = '';
  let server: Stage;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-backup-kill-'));
    server = await stage({ database: await databaseFor(name) });
    const db = await openStore(server.data, server.database);
    await insertFleet(
      db,
      Array.from({ length: 10_000 }, (_, at) => ({
        id: `d${at}`,
        status: 'accepted',
        attributes: [{ scope: 'inventory' as const, name: 'text', value: `text-${at}` }],
        groups: ['all'],
      })),
    );
    await db.destroy();
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs it, and kills it after a while; true: it had ended well before. */
  async function run(
    word: 'backup' | 'restore',
    file: string,
    data: string,
    database: string | undefined,
    after: number,
  ) {
    const args = [launcher, word, file, '--data', data, ...(database ? ['--database', database] : [])];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    await Promise.race([ended, pause(after)]);
    child.kill('SIGKILL');
    const [code] = (await ended) as [number | null];
    return code === 0;
  }

  it('leave nothing half: no file, no row', { timeout: 600_000 }, async () => {
    const file = join(folder, 'whole.tar');
    const started = Date.now();
    expect(await run('backup', file, server.data, server.database, 300_000)).toBe(true);
    const took = Date.now() - started;
    for (let at = 1; at <= kills; at++) {
      const path = join(folder, `killed-${at}.tar`);
      const done = await run('backup', path, server.data, server.database, (took * at) / kills);
      if (done) expect(existsSync(path)).toBe(true);
      // Under its name it is whole, even if the command was killed before it could say so.
      if (existsSync(path)) await (await BackupReader.open(path, () => {}))[Symbol.asyncDispose]();
    }
    // The next one clears away what they have left.
    expect(await run('backup', join(folder, 'last.tar'), server.data, server.database, 300_000)).toBe(true);
    expect((await readdir(server.data)).filter((one) => one.startsWith('backup-'))).toEqual([]);

    const data = join(folder, 'restored');
    const database = name === 'SQLite' ? undefined : await freshDatabase();
    let done = false;
    for (let at = 1; at <= kills && !done; at++) {
      done = await run('restore', file, data, database, (took * 2 * at) / kills);
      if (done || !existsSync(data)) continue;
      const db = await openDatabase(data, database);
      const filled = await firstFilled(db);
      await db.destroy();
      // Killed after its last moment: all of it is there.
      done = filled !== undefined;
    }
    if (!done) expect(await run('restore', file, data, database, 300_000)).toBe(true);
    const db = await openStore(data, database);
    const { n } = await db
      .selectFrom('devices')
      .select((e) => e.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    expect(n).toBe(10_000);
    await db.destroy();
  });
});
