import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { sql } from 'kysely';
import { CodedError, codeOf } from '#base/errors';
import { type Db, now, onPostgres, type Queries } from '../store/store.ts';
import { filePath, folders, type Head, headName, sumsName } from './format.ts';
import { rowsOf, stepsOf, tablesOf, type Table } from './tables.ts';
import { BackupWriter } from './writer.ts';

/** What was written or read. */
export interface Done {
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

export type Progress = (what: string, done: number, of?: number) => void;

/** Of a piece of a table before it is packed, bytes of text. */
const pieceSize = 4 * 1024 * 1024;
const tries = 5;

/**
 * Writes database and files into one file, while the server runs: as they were at one moment. Nothing is left of a backup
 * that fails.
 */
export async function backup(db: Db, data: string, path: string, progress: Progress): Promise<Done> {
  await using writer = await BackupWriter.create(path);
  for (let left = tries; ; left--) {
    await using held = await Held.in(data);
    const done = await snapshot(db, async (tx) => {
      // The snapshot is taken by this first read; files that it names are held from now on.
      const artifacts = await tx.selectFrom('artifacts').select('id').execute();
      await held.take();
      if (artifacts.some(({ id }) => !held.has('artifacts', id))) return undefined;
      return write(tx, writer, held, progress);
    });
    if (done) return done;
    if (left === 0) throw new CodedError('backup_changed', 'artifacts are missing or removed all the time: try later');
  }
}

/** One moment of the database: what others write meanwhile is not seen, and they are not held up. */
function snapshot<T>(db: Db, work: (tx: Queries) => Promise<T>): Promise<T> {
  const reading = db.transaction().setIsolationLevel('repeatable read');
  return reading.execute(async (tx) => {
    if (onPostgres(db)) await sql`set local statement_timeout = 0`.execute(tx);
    return work(tx);
  });
}

async function write(tx: Queries, writer: BackupWriter, held: Held, progress: Progress): Promise<Done> {
  const tables = await tablesOf(tx);
  const head: Head = {
    format: 'patchbay-backup',
    version: 1,
    created: now(),
    ...(await stepsOf(tx)),
    tables: tables.map(({ name, columns }) => ({ name, columns: [...columns] })),
  };
  await writer.member(headName, Buffer.from(JSON.stringify(head, null, 2)));
  let rows = 0;
  for (const table of tables) rows += await writeTable(tx, writer, table, progress);
  for (const [at, { folder, name }] of held.files.entries()) {
    progress('files', at, held.files.length);
    const file = held.path(folder, name);
    await writer.stream(`files/${folder}/${name}`, (await stat(file)).size, createReadStream(file));
  }
  await writer.member(sumsName, Buffer.from(JSON.stringify({ members: writer.sums })));
  await writer.commit();
  return { tables: tables.length, rows, files: held.files.length, bytes: writer.bytes };
}

async function writeTable(tx: Queries, writer: BackupWriter, table: Table, progress: Progress): Promise<number> {
  let [rows, piece, size] = [0, 0, 0];
  let lines: string[] = [];
  const flush = async (): Promise<void> => {
    if (lines.length === 0) return;
    const name = `database/${table.name}/${String(++piece).padStart(6, '0')}.jsonl.zst`;
    await writer.member(name, zstdCompressSync(lines.join('')));
    [lines, size] = [[], 0];
  };
  for await (const portion of rowsOf(tx, table)) {
    for (const row of portion) {
      const line = `${JSON.stringify(row)}\n`;
      lines.push(line);
      size += line.length;
      if (size >= pieceSize) await flush();
    }
    rows += portion.length;
    progress(table.name, rows);
  }
  await flush();
  return rows;
}

/** Files of the data folder under second names: the server may remove them, and they are still there to be read. */
class Held implements AsyncDisposable {
  readonly files: { readonly folder: string; readonly name: string }[] = [];
  readonly #data: string;
  readonly #place: string;
  readonly #known = new Set<string>();

  private constructor(data: string, place: string) {
    this.#data = data;
    this.#place = place;
  }

  static async in(data: string): Promise<Held> {
    await removeAbandoned(data);
    return new Held(data, await mkdtemp(join(data, `${prefix}${process.pid}-`)));
  }

  async take(): Promise<void> {
    for (const folder of folders) {
      const names = await readdir(join(this.#data, folder)).catch(ifThere);
      await mkdir(join(this.#place, folder));
      for (const name of names.sort()) {
        if (!filePath.test(`files/${folder}/${name}`) || name.endsWith('.part')) continue;
        try {
          await link(join(this.#data, folder, name), this.path(folder, name));
        } catch (error) {
          if (codeOf(error) === 'ENOENT') continue; // removed since
          throw error;
        }
        this.files.push({ folder, name });
        this.#known.add(`${folder}/${name}`);
      }
    }
  }

  has(folder: string, name: string): boolean {
    return this.#known.has(`${folder}/${name}`);
  }

  path(folder: string, name: string): string {
    return join(this.#place, folder, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#place, { recursive: true, force: true });
  }
}

const prefix = 'backup-';
const ifThere = (error: unknown): string[] => {
  if (codeOf(error) === 'ENOENT') return [];
  throw error;
};

/** What a backup that was killed has left: second names only, but they keep removed files on the disk. */
async function removeAbandoned(data: string): Promise<void> {
  for (const name of await readdir(data)) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(data, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
