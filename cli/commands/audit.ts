import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { auditResults, type AuditEntry } from '#proto/http/audit';
import { auditPath } from '#proto/http/paths';
import { messageOf } from '#base/errors';
import type { Context } from '../context.ts';
import { failed } from '../failure.ts';
import { collect, count } from '../option.ts';
import { all, pages } from '../paging.ts';

interface Filters {
  readonly user?: string;
  readonly action?: readonly string[];
  readonly on?: string;
  readonly result?: readonly string[];
  readonly since?: string;
  readonly until?: string;
}

export default function audit(command: Command, context: Context): void {
  filtered(
    command
      .command('list', { isDefault: true })
      .summary('list what was done, newest first (what `patchbay audit` does)')
      .description('List what was done, newest first.')
      .option('--limit <n>', 'no more than these', count, 50),
  ).action((options: Filters & { limit: number }) => list(context, options));
  filtered(
    command
      .command('export')
      .summary('all of it, or what matches, as a file')
      .description('Write all entries, or those that match, newest first, to standard output or a file.')
      .addOption(
        new Option('--format <format>', 'csv, or a line of JSON each').choices(['csv', 'jsonl']).default('csv'),
      )
      .option('-o, --output <file>', 'where to; it must not be there yet'),
  ).action((options: Filters & { format: string; output?: string }) => write(context, options));
}

const filtered = (command: Command): Command =>
  command
    .option('--user <email>', 'done by this user (or device): email, name or id')
    .option('--action <action>', 'a word such as login, or a number such as P101W; may be repeated', collect())
    .option('--on <object>', 'done to TYPE, TYPE:ID, or whatever has this in its name')
    .option('--result <result>', 'ok, refused or failed; may be repeated', collect(auditResults))
    .option('--since <time>', 'from this time on: 2026-08-22, or 2026-08-22T10:00:00Z')
    .option('--until <time>', 'before this time');

const types =
  /^(user|role|device|group|artifact|release|deployment|session|login|settings|policy|audit|user_access_token)(:(.+))?$/;

function queryOf({ user, action, on, result, since, until }: Filters) {
  const [, type, , id] = types.exec(on ?? '') ?? [];
  const object = type ? { object_type: type, object_id: id } : { object: on };
  return { actor: user, action, result, since, until, ...object };
}

async function list(context: Context, { limit, ...filters }: Filters & { limit: number }): Promise<void> {
  const shape = { action: 'string', actor: 'object', object: 'object', time: 'string' } as const;
  const request = { what: 'the audit log', query: queryOf(filters) };
  const entries = await all(pages<AuditEntry>(await context.http(), auditPath, shape, request, { limit }));
  context.list(
    entries,
    [
      { head: 'TIME', of: ({ time }) => time },
      { head: 'WHO', of: ({ actor }) => actor.name ?? `${actor.type} ${actor.id}`.trim() },
      { head: 'ACTION', of: ({ action }) => action, paint: (cell) => context.paint('bold', cell) },
      { head: 'ON', of: ({ object }) => `${object.type} ${object.name ?? object.id}` },
      {
        head: 'RESULT',
        of: ({ result }) => result,
        paint: (cell, { result }) => context.paint(result === 'ok' ? 'green' : 'red', cell),
      },
      { head: 'FROM', of: ({ address }) => address ?? '' },
      { head: 'CODE', of: ({ code }) => code ?? '', paint: (cell) => context.paint('dim', cell) },
    ],
    'nothing of the kind was done',
  );
}

/** As it comes: the log may be larger than memory. */
async function write(context: Context, { format, output, ...filters }: Filters & { format: string; output?: string }) {
  const http = await context.http();
  const query = { format, ...queryOf(filters) };
  const { body } = await http.request('GET', `${auditPath}/export`, { query, what: 'the audit log' });
  if (!body) throw failed(`${http.options.server} answered with nothing`);
  const source = Readable.fromWeb(body);
  if (output === undefined) {
    await pipeline(source, context.io.out, { end: false, signal: context.signal });
    return;
  }
  try {
    await pipeline(source, createWriteStream(output, { flags: 'wx', mode: 0o600 }), { signal: context.signal });
  } catch (error) {
    throw failed(`cannot write ${output}: ${messageOf(error)}`, { cause: error });
  }
  context.note(`audit log written to ${output}`);
}
