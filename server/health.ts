import { sql } from 'kysely';
import { Type } from 'typebox';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Blobs } from './blobs/blobs.ts';
import { json, route, type Route } from './http/route.ts';
import type { Db } from './store/store.ts';

/** A verdict is good for this long, ms: anybody may ask, and asking writes. */
const fresh = 2000;

export interface Checked {
  readonly db: Db;
  readonly blobs: Blobs;
  readonly log: Log;
  /** Bytes that must be free for the server to be ready. */
  readonly minFree: number;
}

type Verdict = Readonly<Record<'database' | 'artifacts' | 'space', boolean>>;

/** Whether this process can do its work. */
export class Readiness {
  readonly #checked: Checked;
  #verdict: { readonly at: number; readonly all: Promise<Verdict> } | undefined;
  #stopping = false;
  constructor(checked: Checked) {
    this.#checked = checked;
  }

  /** From here on it is not ready, whatever works: who balances load sends nobody any more. */
  stop(): void {
    this.#stopping = true;
  }

  async look(): Promise<{ readonly status: 'ready' | 'unready' | 'stopping'; readonly checks: Verdict }> {
    const now = performance.now();
    if (!this.#verdict || now - this.#verdict.at > fresh) this.#verdict = { at: now, all: this.#check() };
    const checks = await this.#verdict.all;
    const ready = Object.values(checks).every(Boolean);
    return { status: this.#stopping ? 'stopping' : ready ? 'ready' : 'unready', checks };
  }

  async #check(): Promise<Verdict> {
    const { db, blobs, log, minFree } = this.#checked;
    const holds = async (what: string, look: () => Promise<unknown>): Promise<boolean> => {
      try {
        return (await look()) !== false;
      } catch (error) {
        log.error('not ready', { what, error: messageOf(error) });
        return false;
      }
    };
    const [database, artifacts, space] = await Promise.all([
      holds('database', () => sql`select 1`.execute(db)),
      holds('artifacts', () => blobs.probe()),
      holds('space', async () => {
        const free = await blobs.free();
        if (free === undefined || free >= minFree) return true;
        throw new Error(`${free} bytes free, ${minFree} wanted`);
      }),
    ]);
    return { database, artifacts, space };
  }
}

const Status = Type.Object({ status: Type.String() });
const Checks = Type.Object({
  status: Type.String(),
  checks: Type.Record(Type.String(), Type.String()),
});

/** `/health`: the process lives and its database answers. `/ready`: it can do its work. */
export function healthRoutes(db: Db, readiness: Readiness): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: '/health',
        access: 'public',
        summary: 'Whether the server lives: if not, start it again',
        responses: { 200: { description: 'it does', body: Status } },
      },
      async () => {
        await sql`select 1`.execute(db);
        return json(200, { status: 'ok' });
      },
    ),
    route(
      {
        method: 'GET',
        path: '/ready',
        access: 'public',
        summary: 'Whether the server can do its work: database, artifact storage, free space',
        responses: {
          200: { description: 'it can', body: Checks },
          503: { description: 'it cannot now, or is stopping: send requests elsewhere', body: Checks },
        },
      },
      async () => {
        const { status, checks } = await readiness.look();
        const words = Object.fromEntries(Object.entries(checks).map(([what, good]) => [what, good ? 'ok' : 'failed']));
        return json(status === 'ready' ? 200 : 503, { status, checks: words });
      },
    ),
  ];
}
