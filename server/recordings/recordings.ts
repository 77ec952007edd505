import { createReadStream } from 'node:fs';
import { mkdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { splitLines } from '#base/lines';
import type { Log } from '#base/log';
import { castEvent, castHeader, type CastEvent, type CastHeader } from '#proto/cast';
import type { RecordingInfo } from '#proto/http/sessions';
import { HttpError, notFound } from '../errors.ts';
import type { Recorder } from '../relay/recorder.ts';
import type { SessionFacts } from '../relay/session-facts.ts';
import { now, type Db } from '../store/store.ts';
import { CastWriter } from './writer.ts';

export interface RecordingPolicy {
  /** All terminals are recorded; one that cannot be does not begin. */
  readonly terminals: boolean;
  /** Bytes of one recording, and of all of them; the oldest go first. */
  readonly limit: number;
  readonly total: number;
  /** Days after which one is removed; 0: never. */
  readonly days: number;
  /** Bytes that must be free for one to begin. */
  readonly minFree: number;
}

const idShape = /^[0-9a-f-]{36}$/;
/** Between two rounds of removing what is old, ms. */
const sweepEvery = 15 * 60_000;

export interface RecordingFilter {
  readonly device?: string | undefined;
  readonly user?: string | undefined;
}

/** What terminals showed, kept as files beside a table. */
export class Recordings {
  readonly #db: Db;
  readonly #folder: string;
  readonly #policy: RecordingPolicy;
  readonly #log: Log;
  readonly #open = new Set<string>();

  constructor(db: Db, data: string, policy: RecordingPolicy, log: Log) {
    this.#db = db;
    this.#folder = join(data, 'recordings');
    this.#policy = policy;
    this.#log = log;
  }

  /** Begins one, or goes on with one of a server before this. Rejects, in words for the person, if it must and cannot. */
  async begin(session: SessionFacts): Promise<Recorder | undefined> {
    if (!this.#policy.terminals) return undefined;
    try {
      return await this.#begin(session);
    } catch (error) {
      throw new CodedError(
        'not_recorded',
        `this server records every terminal, and cannot record this one: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  async list(
    filter: RecordingFilter,
    limit: number,
    offset: number,
  ): Promise<{ list: RecordingInfo[]; total: number }> {
    let query = this.#db.selectFrom('recordings');
    if (filter.device !== undefined) query = query.where('device_id', '=', filter.device);
    if (filter.user !== undefined) query = query.where('user_id', '=', filter.user);
    const { n } = await query.select((e) => e.fn.countAll<number | string>().as('n')).executeTakeFirstOrThrow();
    const rows = await query.selectAll().orderBy('started_ts', 'desc').limit(limit).offset(offset).execute();
    return { list: rows.map((row) => this.#shape(row)), total: Number(n) };
  }

  async get(id: string): Promise<RecordingInfo> {
    const row = await this.#db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound('recording not found');
    return this.#shape(row);
  }

  /** Its lines, without what is for this server only. Rejects with `not_found`. */
  async *lines(id: string): AsyncGenerator<string> {
    await this.get(id);
    try {
      for await (const line of splitLines(createReadStream(this.#path(id))))
        // Of a server that was killed the last line may be half.
        if (line.endsWith(']') || line.endsWith('}')) yield line.replace(/",\d+\]$/, '"]');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw notFound('the file of this recording is gone');
      throw error;
    }
  }

  async *events(id: string): AsyncGenerator<CastHeader | CastEvent> {
    let first = true;
    for await (const line of this.lines(id)) {
      const event = first ? castHeader(line) : castEvent(line);
      first = false;
      if (event) yield event;
    }
  }

  async remove(id: string): Promise<void> {
    await this.get(id);
    if (this.#open.has(id)) throw new HttpError('conflict', 'this terminal is being recorded: end the session first');
    await this.#delete(id);
  }

  /** Removes what is too old or too much, now and in rounds, until the signal aborts. */
  retain(signal: AbortSignal): void {
    const round = (): void =>
      void this.sweep().catch((error: unknown) =>
        this.#log.error('recordings not tidied', { error: messageOf(error) }),
      );
    round();
    const timer = setInterval(round, sweepEvery).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  async sweep(): Promise<void> {
    const { days, total } = this.#policy;
    const oldest = days > 0 ? new Date(Date.now() - days * 86_400_000).toISOString() : '';
    let sum = 0;
    const rows = await this.#db
      .selectFrom('recordings')
      .select(['id', 'size', 'started_ts', 'ended_ts'])
      .orderBy('started_ts', 'desc')
      .execute();
    for (const { id, size, started_ts, ended_ts } of rows) {
      if (this.#open.has(id)) continue;
      // A server that was killed did not write down what it left.
      const bytes = ended_ts === null ? await this.#measure(id) : Number(size);
      sum += bytes;
      if (sum <= total && started_ts >= oldest) continue;
      this.#log.info('recording removed', { id, bytes });
      await this.#delete(id);
    }
  }

  async #begin(session: SessionFacts): Promise<Recorder> {
    const { sid: id, deviceId, userId, userName, size = { cols: 80, rows: 40 } } = session;
    const before = await this.#db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < this.#policy.minFree) throw new CodedError('full', 'the disk of the server is full');
    const startedAt = before ? Date.parse(before.started_ts) : Date.now();
    const options = { startedAt, limit: this.#policy.limit, closed: this.#closed(id) };
    if (before) {
      const going = CastWriter.append(this.#path(id), options);
      this.#open.add(id);
      return going;
    }
    const header: CastHeader = {
      version: 2,
      width: size.cols,
      height: size.rows,
      timestamp: Math.floor(startedAt / 1000),
      title: `${userName} on ${deviceId}`,
      env: { TERM: 'xterm-256color' },
    };
    const made = CastWriter.create(this.#path(id), header, options);
    try {
      await this.#db
        .insertInto('recordings')
        .values({
          id,
          device_id: deviceId,
          user_id: userId,
          user_name: userName,
          started_ts: new Date(startedAt).toISOString(),
          ended_ts: null,
          size: 0,
        })
        .execute();
    } catch (error) {
      made.close(false);
      await rm(this.#path(id), { force: true });
      throw error;
    }
    this.#open.add(id);
    return made;
  }

  #closed(id: string): (over: boolean, size: number) => void {
    return (over, size) => {
      this.#open.delete(id);
      if (!over) return;
      this.#db
        .updateTable('recordings')
        .set({ ended_ts: now(), size })
        .where('id', '=', id)
        .execute()
        .catch((error: unknown) => this.#log.error('end of a recording not written', { id, error: messageOf(error) }));
    };
  }

  async #measure(id: string): Promise<number> {
    const found = await stat(this.#path(id)).catch(() => undefined);
    return found?.size ?? 0;
  }

  async #delete(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
    await this.#db.deleteFrom('recordings').where('id', '=', id).execute();
  }

  #shape(row: {
    id: string;
    device_id: string;
    user_id: string;
    user_name: string;
    started_ts: string;
    ended_ts: string | null;
    size: number | string;
  }): RecordingInfo {
    const { id, device_id, user_id, user_name, started_ts, ended_ts } = row;
    const state = this.#open.has(id) ? 'recording' : ended_ts === null ? 'cut' : 'complete';
    return { id, device_id, user_id, user_name, started_ts, ended_ts, bytes: Number(row.size), state };
  }

  #path(id: string): string {
    if (!idShape.test(id)) throw notFound('recording not found');
    return join(this.#folder, `${id}.cast`);
  }
}
