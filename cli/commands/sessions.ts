import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { codeOf, messageOf } from '#base/errors';
import { splitLines } from '#base/lines';
import { castEvent, castHeader, type CastEvent } from '#proto/cast';
import { recordingsPath, sessionsPath } from '#proto/http/paths';
import type { RecordingInfo, SessionInfo } from '#proto/http/sessions';
import { age, bytes } from '../age.ts';
import { listOf } from '../answer.ts';
import type { Context } from '../context.ts';
import { failed, usage } from '../failure.ts';
import { findDevice } from '../find-device.ts';
import { deviceNames } from '../fleet.ts';
import { Refusal, type Http } from '../http.ts';
import { atLeastOne, count } from '../option.ts';
import { all, pages } from '../paging.ts';
import { play } from '../player.ts';

const sessionShape = { id: 'string', device_id: 'string', user_name: 'string', opened_ts: 'string' } as const;
const recordingShape = { id: 'string', device_id: 'string', user_name: 'string', started_ts: 'string' } as const;

export default function sessions(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list open sessions (what `patchbay sessions` does)')
    .description('List open sessions: who is on which device, since when, and for how long nothing was typed.')
    .argument('[device]', 'only with this one')
    .action((device: string | undefined) => list(context, device));
  command
    .command('end')
    .description('End sessions: both ends are told, and nothing of them stays on the device.')
    .argument('<session...>', 'id, or the beginning of one')
    .action((wanted: string[]) => end(context, wanted));
  command
    .command('recordings')
    .description('List recordings of terminals, newest first.')
    .option('--device <device>', 'only of this one')
    .option('--limit <n>', 'no more than these', count, 50)
    .action((options: { device?: string; limit: number }) => recordings(context, options));
  command
    .command('play')
    .description('Play a recording on this screen.')
    .argument('<recording>', 'id of its session, the beginning of one, or a .cast file')
    .option('--speed <n>', 'times as fast', factor, 1)
    .option('--idle <seconds>', 'no pause is longer than this', factor, Infinity)
    .action((wanted: string, options: { speed: number; idle: number }) => replay(context, wanted, options));
  command
    .command('download')
    .description('Save a recording as a file in asciicast 2, which other players know.')
    .argument('<recording>', 'id of its session, or the beginning of one')
    .option('-o, --output <file>', 'where to; default: ID.cast')
    .action((wanted: string, options: { output?: string }) => download(context, wanted, options.output));
}

function factor(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('It is a number above 0.');
  return number;
}

async function readSessions(http: Http, device?: string): Promise<SessionInfo[]> {
  const answer = await http.json('GET', sessionsPath, { query: { device }, what: 'the sessions' });
  return listOf<SessionInfo>(answer, sessionShape, 'the sessions');
}

async function list(context: Context, wanted: string | undefined): Promise<void> {
  const http = await context.http();
  const device = wanted === undefined ? undefined : (await findDevice(http, wanted)).id;
  const state = ({ waits_for, guests, recorded }: SessionInfo): string =>
    [
      waits_for === null ? 'open' : `waits for the ${waits_for}`,
      ...(recorded ? ['recorded'] : []),
      ...guests.map(({ name, role }) => `${name} ${role}`),
    ].join(', ');
  const open = await readSessions(http, device);
  const nameOf = await namesFor(context, http, open);
  context.list(
    open,
    [
      { head: 'SESSION', of: ({ id }) => id, paint: (cell) => context.paint('bold', cell) },
      { head: 'DEVICE', of: ({ device_id }) => nameOf(device_id) },
      { head: 'USER', of: ({ user_name }) => user_name },
      { head: 'KIND', of: ({ kind }) => kind ?? '-' },
      { head: 'SINCE', of: ({ opened_ts }) => age(opened_ts) },
      { head: 'LAST INPUT', of: ({ active_ts }) => age(active_ts) },
      { head: 'STATE', of: state },
    ],
    'nobody has a session open',
  );
}

/** For the eyes only: a script gets the rows as they are. Who may see sessions need not see the inventory. */
async function namesFor(
  context: Context,
  http: Http,
  rows: readonly { readonly device_id: string }[],
): Promise<(id: string) => string> {
  const ids = context.options.json ? [] : rows.map(({ device_id }) => device_id);
  return await deviceNames(http, ids).catch((error: unknown) => {
    if (error instanceof Refusal && error.status === 403) return (id: string) => id;
    throw error;
  });
}

async function end(context: Context, wanted: readonly string[]): Promise<void> {
  atLeastOne(wanted, 'session');
  const http = await context.http();
  const open = await readSessions(http);
  for (const name of wanted) {
    const { id } = one(open, name, 'session');
    await http.request('DELETE', `${sessionsPath}/${id}`, { what: `session ${id}` });
    context.note(`${id} ended`);
  }
}

async function recordings(context: Context, options: { device?: string; limit: number }): Promise<void> {
  const http = await context.http();
  const device = options.device === undefined ? undefined : (await findDevice(http, options.device)).id;
  const found = await readRecordings(http, options.limit, device);
  const nameOf = await namesFor(context, http, found);
  context.list(
    found,
    [
      { head: 'RECORDING', of: ({ id }) => id, paint: (cell) => context.paint('bold', cell) },
      { head: 'DEVICE', of: ({ device_id }) => nameOf(device_id) },
      { head: 'USER', of: ({ user_name }) => user_name },
      { head: 'BEGAN', of: ({ started_ts }) => started_ts },
      { head: 'ENDED', of: ({ ended_ts }) => ended_ts ?? '-' },
      { head: 'SIZE', of: (row) => (row.ended_ts === null ? '-' : bytes(row.bytes)), right: true },
      { head: 'STATE', of: ({ state }) => state },
    ],
    'there are no recordings: the server records terminals when it runs with --record-terminals all',
  );
}

async function readRecordings(http: Http, limit: number, device?: string): Promise<RecordingInfo[]> {
  const request = { what: 'the recordings', query: { device } };
  return await all(pages<RecordingInfo>(http, recordingsPath, recordingShape, request, { limit }));
}

async function replay(context: Context, wanted: string, options: { speed: number; idle: number }): Promise<void> {
  const input = wanted.endsWith('.cast') ? createReadStream(wanted) : await fetchCast(context, wanted);
  const lines = splitLines(input as AsyncIterable<Buffer>);
  try {
    const first = await lines.next();
    const header = castHeader(first.done ? '' : first.value);
    const events = async function* (): AsyncGenerator<CastEvent> {
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        const event = castEvent(next.value);
        if (event) yield event;
      }
    };
    await play(header, events(), context.io, options, context.signal);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw failed(`${wanted}: there is no such file`);
    throw error;
  } finally {
    input.destroy();
  }
}

async function download(context: Context, wanted: string, output: string | undefined): Promise<void> {
  const input = await fetchCast(context, wanted);
  const name = output ?? `${wanted}.cast`;
  let file;
  try {
    file = await open(name, 'wx', 0o600);
  } catch (error) {
    input.destroy();
    throw failed(codeOf(error) === 'EEXIST' ? `${name}: is there already` : messageOf(error));
  }
  try {
    await file.writeFile(input);
    await file.close();
  } catch (error) {
    await file.close();
    await rm(name, { force: true });
    throw error;
  }
  context.note(`${name} written`);
}

async function fetchCast(context: Context, wanted: string): Promise<Readable> {
  const http = await context.http();
  const whole = /^[0-9a-f-]{36}$/.test(wanted);
  const id = whole ? wanted : one(await readRecordings(http, 10_000), wanted, 'recording').id;
  const answer = await http.request('GET', `${recordingsPath}/${id}`, { what: `recording ${id}`, timeout: 0 });
  if (!answer.body) throw failed(`recording ${id} is empty`);
  return Readable.fromWeb(answer.body);
}

/** That which begins so, if it is only one. */
function one<T extends { readonly id: string }>(rows: readonly T[], prefix: string, noun: string): T {
  const found = rows.filter(({ id }) => id.startsWith(prefix));
  if (found.length > 1) throw usage(`'${prefix}' is the beginning of ${found.length} ${noun}s: give more of the id`);
  if (!found[0]) throw failed(`there is no ${noun} ${prefix}`);
  return found[0];
}
