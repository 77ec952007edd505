import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Command } from 'commander';
import { CodedError } from '#base/errors';
import { AuditLog } from '../audit/audit.ts';
import { runCommands } from '../command-line.ts';
import { placeOf, placeOptions } from '../config.ts';
import { type Db, openDatabase, openStore } from '../store/store.ts';
import { sqliteFile } from '../data-folder.ts';
import { backup, type Done, type Progress } from './backup.ts';
import { restore } from './restore.ts';

/** `patchbay backup FILE` and `patchbay restore FILE`, on the server's machine. */
export async function backupCommand(args: string[]): Promise<number> {
  const program = new Command('patchbay');
  placeOptions(program.command('backup'))
    .description('Write database, artifacts and recordings into one file, while the server runs.')
    .argument('<file>', 'must not be there yet')
    .action(async (file: string, _: unknown, command: Command) => {
      const { data, database } = placeOf(command);
      const db = await existing(data, database);
      try {
        const done = await shown((progress) => backup(db, data, file, progress));
        await note(db, 'backup', file, done);
        process.stdout.write(`backed up ${said(done)} to ${file}\n`);
      } finally {
        await db.destroy();
      }
    });
  placeOptions(program.command('restore'), 'addons')
    .description('Bring a backup into an empty data folder and database, SQLite or PostgreSQL.')
    .argument('<file>', 'made by patchbay backup')
    .action(async (file: string, _: unknown, command: Command) => {
      const { data, database, addons: names, addonsBeside: beside } = placeOf(command);
      const target = { data, database, addons: { names, beside } };
      const done = await shown((progress) => restore(target, file, progress));
      const db = await openStore(data, database);
      try {
        await note(db, 'restore', file, done);
      } finally {
        await db.destroy();
      }
      process.stdout.write(`restored ${said(done)} from ${file}: the server may be started\n`);
      for (const [addon, tables] of done.left) process.stderr.write(`${notRestored(addon, tables)}\n`);
    });
  return runCommands(program, `patchbay ${args[0]}`, args);
}

/** The server's database as it is. SQLite would make a new one where there is none. */
async function existing(data: string, database: string | undefined): Promise<Db> {
  const folder = await stat(database === undefined ? sqliteFile(data) : data).catch(() => undefined);
  if (!folder)
    throw new CodedError('no_data', `there is no server's data in ${resolve(data)}: name its data folder with --data`);
  return openDatabase(data, database);
}

async function note(db: Db, action: 'backup' | 'restore', file: string, { rows, files }: Done): Promise<void> {
  await new AuditLog(db).append({
    actor: { type: 'system', id: 'command line' },
    action,
    object: { type: 'backup', id: basename(file) },
    result: 'ok',
    details: { rows, files },
  });
}

const said = ({ tables, rows, files, bytes }: Done): string =>
  `${rows} rows of ${tables} tables and ${files} files (${(bytes / 1e6).toFixed(1)} MB)`;

/** Of an add-on only the id is known, as its tables spell it. */
const notRestored = (addon: string, tables: readonly string[]): string =>
  `not restored: ${tables.join(', ')} of the add-on ${addon.replaceAll('_', '-')}, which is not here. If you want what it kept, ` +
  'install it, and restore once more into an empty data folder and database with --addons PACKAGE or --config FILE';

/** Shows on a terminal how far it is; silent in a pipe. */
async function shown<T>(work: (progress: Progress) => Promise<T>): Promise<T> {
  const { stderr } = process;
  let next = 0;
  const progress: Progress = (what, done, of) => {
    if (!stderr.isTTY || Date.now() < next) return;
    next = Date.now() + 200;
    stderr.write(`\r\u001b[K${what}: ${of === undefined ? done : `${Math.floor((100 * done) / Math.max(1, of))} %`}`);
  };
  try {
    return await work(progress);
  } finally {
    if (stderr.isTTY) stderr.write('\r\u001b[K');
  }
}
