import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as others } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { artifactBytes } from '#artifact';
import { deploymentsV1 } from '#proto/http/paths';
import { insertFleet } from '../inventory/fleet.testing.ts';
import { availableDatabases, databaseFor, emptyDatabase, stage, type Stage } from '../stage.ts';
import { Seal } from '../store/seal.ts';
import { type Db, openDatabase, openStore } from '../store/store.ts';
import { SecondFactors } from '../users/second-factor.ts';
import { backup } from './backup.ts';
import { backupCommand } from './command.ts';
import { restore } from './restore.ts';
import { insertRows, rowsOf, tablesOf } from './tables.ts';

const silent = () => {};
const databases = await availableDatabases();
/** Whether a byte of a tar fills up the last block of a member. */
function padding(tar: Buffer, place: number): boolean {
  for (let at = 0; at < tar.length;) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    const end = at + 512 + size;
    const next = Math.ceil(end / 512) * 512;
    if (place < next) return place >= end;
    at = next;
  }
  return true;
}

/** A package of somebody else, which keeps a table of its own; `steps`: those that this version of it knows. */
const gauge = '@acme/addon-fuel-gauge';
async function install(folder: string, steps = 2): Promise<{ names: string[]; beside: string }> {
  const at = join(folder, 'node_modules', gauge);
  await mkdir(at, { recursive: true });
  const files = {
    'package.json': JSON.stringify({
      name: gauge,
      type: 'module',
      exports: { './manifest': './manifest.js', './server': './server.js' },
    }),
    'manifest.js': "export default { api: 1, id: 'fuel-gauge', halves: ['server'], config: { type: 'object' } };",
    'server.js': `
      const steps = {
        '1': (db) => db.schema.createTable('addon_fuel_gauge_levels')
          .addColumn('device_id', 'text', (c) => c.primaryKey().references('devices.id').onDelete('cascade'))
          .addColumn('litres', 'double precision').execute(),
        '2': (db) => db.schema.alterTable('addon_fuel_gauge_levels').addColumn('note', 'text').execute(),
      };
      export default () => ({ routes: [], migrations: Object.fromEntries(Object.entries(steps).slice(0, ${steps})) });`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(at, name), text);
  return { names: [gauge], beside: join(folder, 'server.json') };
}

/** Everything that is in a database. */
async function contentOf(db: Db): Promise<Record<string, unknown[][]>> {
  const content: Record<string, unknown[][]> = {};
  for (const table of await tablesOf(db)) {
    const rows: unknown[][] = [];
    await db.transaction().execute(async (tx) => {
      for await (const portion of rowsOf(tx, table)) rows.push(...portion);
    });
    content[table.name] = rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  return content;
}

describe.each(databases)('a backup of a server on %s', (from) => {
  let folder = '';
  let server: Stage;
  let token = '';
  let file = '';
  let addons = { names: [''], beside: '' };
  let user = '';
  /** Of the second factor of that user. */
  let key = '';
  let before: Record<string, unknown[][]>;
  const artifact = { id: '', bytes: new Uint8Array() };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-backup-'));
    addons = await install(folder);
    const { names, beside: addonsBeside } = addons;
    server = await stage({ database: await databaseFor(from), addons: names, addonsBeside });
    token = await server.login();
    const db = await openStore(server.data, server.database);
    await insertFleet(
      db,
      Array.from({ length: 300 }, (_, at) => ({
        id: `d${at}`,
        status: 'accepted',
        attributes: [
          { scope: 'inventory', name: 'text', value: `"ä\u{1f600}\\\n${at}` },
          { scope: 'inventory', name: 'number', value: at / 3 },
        ],
        groups: at % 2 === 0 ? ['even', 'all'] : ['all'],
      })),
    );
    await insertRows(db, { name: 'addon_fuel_gauge_levels', columns: ['device_id', 'litres', 'note'] }, [
      ['d7', 41.5, 'ä'],
      ['d8', 0, null],
    ]);
    artifact.bytes = new Uint8Array(
      await artifactBytes({
        name: 'r1',
        depends: { device_type: ['qemu'] },
        payload: { type: 'x', provides: {}, depends: {}, clears: [], files: [] },
      }),
    );
    const form = new FormData();
    form.set('artifact', new Blob([artifact.bytes]), 'a.mender');
    const { headers } = await fetch(`${server.url}${deploymentsV1}/artifacts`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${token}` },
    });
    artifact.id = headers.get('location')?.split('/').at(-1) ?? '';
    await server.call('POST', `${deploymentsV1}/deployments`, {
      token,
      body: { name: 'all', artifact_name: 'r1', all_devices: true },
    });
    const [person] = await db.selectFrom('users').select('id').execute();
    user = person!.id;
    key = (await new SecondFactors(db, new Seal(server.data)).enrolment(user, 'a')).secret;
    file = join(folder, 'backup.tar');
    before = await contentOf(db);
    const { rows, files } = await backup(db, server.data, file, silent);
    expect([rows, files]).toEqual([Object.values(before).flat().length, 2]);
    await db.destroy();
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(databases)('is restored into %s as it was, and a server goes on with it', async (to) => {
    const data = join(folder, `to-${to}`);
    const database = await emptyDatabase(to);
    const said: string[] = [];
    const done = await restore({ data, database, addons }, file, (what) => said.push(what));
    expect(said).toEqual(expect.arrayContaining(['checking', 'files', 'attributes']));
    const db = await openDatabase(data, database);
    expect(await contentOf(db)).toEqual(before);
    expect(done).toMatchObject({
      tables: Object.keys(before).length,
      rows: Object.values(before).flat().length,
      files: 2,
      left: new Map(),
    });
    const last = await db
      .selectFrom('audit')
      .select((e) => e.fn.max('id').as('id'))
      .executeTakeFirstOrThrow();
    await db.destroy();
    expect(new Uint8Array(await readFile(join(data, 'artifacts', artifact.id)))).toEqual(artifact.bytes);
    const again = await openStore(data, database);
    const { AuditLog } = await import('../audit/audit.ts');
    const entry = {
      actor: { type: 'system', id: 'x' },
      action: 'x',
      object: { type: 'x', id: 'x' },
      result: 'ok',
    } as const;
    await new AuditLog(again).append(entry);
    const next = await again
      .selectFrom('audit')
      .select((e) => e.fn.max('id').as('id'))
      .executeTakeFirstOrThrow();
    expect(next.id).toBe(last.id + 1);
    // The keys came along: what is sealed with them opens here.
    expect((await new SecondFactors(again, new Seal(data)).enrolment(user, 'a')).secret).toBe(key);
    // Also what was made by other means: the old token still holds.
    await again.destroy();
    await expect(restore({ data, database }, file, silent)).rejects.toThrow(/not empty/);
  });

  it('brings the tables of an add-on that is not here into no other, and says which they are', async () => {
    const target = async (name: string) => ({ data: join(folder, name), database: await emptyDatabase(from) });
    const bare = await target('bare');
    const { left, tables } = await restore(bare, file, silent);
    expect([...left]).toEqual([['fuel_gauge', ['addon_fuel_gauge_levels']]]);
    expect(tables).toBe(Object.keys(before).length - 1);
    const db = await openDatabase(bare.data, bare.database);
    const { addon_fuel_gauge_levels: _, ...others } = before;
    expect(await contentOf(db)).toEqual(others);
    await db.destroy();
    // One that is there but older does not know what it would get.
    const old = await install(join(folder, 'old'), 1);
    const why = /newer version of the add-on fuel-gauge \(it has 2\): install that one first/;
    await expect(restore({ ...(await target('older')), addons: old }, file, silent)).rejects.toThrow(why);
    const none = { names: ['@acme/nowhere'], beside: addons.beside };
    await expect(restore({ ...(await target('none')), addons: none }, file, silent)).rejects.toThrow(
      /the add-on @acme\/nowhere cannot be loaded/,
    );
  });

  it.runIf(from === 'SQLite')('is restored on the command line with what --config says of add-ons', async () => {
    const run = async (...args: string[]) => {
      const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      const said = ({ mock }: typeof out) => mock.calls.map(([text]) => String(text)).join('');
      try {
        return { code: await backupCommand(['restore', file, ...args]), out: said(out), err: said(err) };
      } finally {
        out.mockRestore();
        err.mockRestore();
      }
    };
    const data = join(folder, 'by-config');
    await writeFile(addons.beside, JSON.stringify({ data, addons: addons.names.join(',') }));
    expect(await run('--config', addons.beside)).toMatchObject({ code: 0, err: '' });
    const db = await openDatabase(data, undefined);
    expect((await contentOf(db))['addon_fuel_gauge_levels']).toEqual(before['addon_fuel_gauge_levels']);
    await db.destroy();
    const without = await run('--data', join(folder, 'by-hand'));
    expect(without).toMatchObject({ code: 0, out: expect.stringMatching(/^restored \d+ rows/) as string });
    expect(without.err).toMatch(
      /^not restored: addon_fuel_gauge_levels of the add-on fuel-gauge, which is not here\..*--addons PACKAGE.*\n$/,
    );
  });

  it('is of one moment: what is written meanwhile is in it as a whole or not at all', async () => {
    const db = await openStore(server.data, server.database);
    const pair = (value: string) =>
      db.transaction().execute(async (tx) => {
        // In the table that is read first, and in the one that is read last.
        for (const owner of ['pair-1', 'pair-2'])
          await tx
            .insertInto('settings')
            .values({ owner, document: value })
            .onConflict((c) => c.column('owner').doUpdateSet({ document: value }))
            .execute();
        await tx
          .insertInto('audit')
          .values({
            time: value,
            actor_type: 'pair',
            actor_id: '',
            action: '',
            object_type: '',
            object_id: '',
            result: '',
          })
          .execute();
      });
    await pair('0');
    const stop = new AbortController();
    const writer = (async () => {
      let count = 0;
      for (; !stop.signal.aborted; count++) {
        await pair(String(count + 1));
        await others();
      }
      return count;
    })();
    const other = await openDatabase(server.data, server.database);
    const path = join(folder, 'moment.tar');
    await backup(other, server.data, path, silent);
    stop.abort();
    expect(await writer).toBeGreaterThan(1);
    await other.destroy();
    await db.destroy();
    const database = await emptyDatabase(from);
    const data = join(folder, 'moment');
    await restore({ data, database }, path, silent);
    const restored = await openStore(data, database);
    const settings = await restored
      .selectFrom('settings')
      .select('document')
      .where('owner', 'like', 'pair-%')
      .execute();
    const { n } = await restored
      .selectFrom('audit')
      .select((e) => e.fn.countAll<number>().as('n'))
      .where('actor_type', '=', 'pair')
      .executeTakeFirstOrThrow();
    expect(settings.map((row) => row.document)).toEqual([String(n - 1), String(n - 1)]);
    await restored.destroy();
  });

  it.runIf(from === 'SQLite')(
    'that is cut off or damaged anywhere is refused, and nothing of it is restored',
    async () => {
      const whole = await readFile(file);
      const data = join(folder, 'damaged');
      const broken = join(folder, 'broken.tar');
      const refused = async (why: string): Promise<void> => {
        const error: unknown = await restore({ data, database: undefined }, broken, silent).then(
          () => why,
          (e: unknown) => e,
        );
        expect(String(error), why).toContain('is no backup that can be restored');
      };
      for (const share of [0, 0.001, 0.1, 0.5, 0.9, 0.99]) {
        await copyFile(file, broken);
        // The two blocks of zeros at the end may go, and half of them.
        await truncate(broken, Math.floor((whole.length - 1024) * share));
        await refused(`cut off at ${share}`);
      }
      for (let at = 0; at < 100; at++) {
        const bytes = Buffer.from(whole);
        const place = Math.floor(((whole.length - 1024) * at) / 100);
        bytes[place] = (bytes[place] ?? 0) ^ 0xff;
        await writeFile(broken, bytes);
        // What a tar leaves unused between its members is nobody's.
        if (!padding(whole, place)) await refused(`byte ${place}`);
      }
      expect(await readdir(folder)).not.toContain('damaged');
    },
  );

  it.runIf(from === 'SQLite')('of a newer Patchbay, or with what none has, is refused in words', async () => {
    const { BackupWriter } = await import('./writer.ts');
    const make = async (head: object, more: [string, string][] = []) => {
      const path = join(folder, `made-${Math.random()}.tar`);
      await using writer = await BackupWriter.create(path);
      const usual = {
        format: 'patchbay-backup',
        version: 1,
        created: '',
        migrations: ['0001-first'],
        addons: {},
        tables: [],
      };
      await writer.member('backup.json', Buffer.from(JSON.stringify({ ...usual, ...head })));
      for (const [name, content] of more) await writer.member(name, Buffer.from(content));
      await writer.member('checksums.json', Buffer.from(JSON.stringify({ members: writer.sums })));
      await writer.commit();
      return restore({ data: join(folder, `made-${Math.random()}`) }, path, silent);
    };
    await expect(make({ migrations: ['0001-first', '9999-later'] })).rejects.toThrow(/newer Patchbay.*9999-later/);
    await expect(make({ tables: [{ name: 'addon_x_y', columns: ['a'] }] })).rejects.toThrow(/addon_x_y.*does not know/);
    await expect(make({ version: 2 })).rejects.toThrow(/no backup that can be restored/);
    await expect(make({}, [['files/artifacts/../../x', '']])).rejects.toThrow(/no backup does/);
    await expect(make({}, [['files/etc/passwd', '']])).rejects.toThrow(/folder etc/);
    await expect(make({}, [['/etc/passwd', '']])).rejects.toThrow(/no backup does/);
  });

  it('to a name that is taken is refused, and one that fails leaves nothing', async () => {
    const db = await openDatabase(server.data, server.database);
    await expect(backup(db, server.data, file, silent)).rejects.toThrow(/is there already/);
    await expect(backup(db, server.data, join(folder, 'no', 'x'), silent)).rejects.toThrow(/cannot write/);
    const path = join(folder, 'failing.tar');
    await sql`create table strange (a integer)`.execute(db);
    const stop = (what: string): void => {
      if (what === 'attributes') throw new Error('interrupted');
    };
    await expect(backup(db, server.data, path, stop)).rejects.toThrow('interrupted');
    await sql`drop table strange`.execute(db);
    await db.destroy();
    expect((await readdir(folder)).filter((name) => name.startsWith('failing'))).toEqual([]);
    expect((await readdir(server.data)).filter((name) => name.startsWith('backup-'))).toEqual([]);
  });
});
