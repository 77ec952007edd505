import type { JoinEvent, SessionEvent } from '../relay/events.ts';
import type { Recalled } from '../relay/session-facts.ts';
import type { Db } from '../store/store.ts';
import type { AuditLog, NewEntry } from './audit.ts';

/** Sessions in the audit log: each that is opened there is closed there, by its end or by a later start. */
export class SessionAudit {
  readonly #db: Db;
  readonly #audit: AuditLog;
  constructor(db: Db, audit: AuditLog) {
    this.#db = db;
    this.#audit = audit;
  }

  async write(event: SessionEvent): Promise<void> {
    const entry = sessionEntry(event);
    const { sid, resumes, openedAt, userName } = event.session;
    if (event.type === 'opened')
      await this.#db
        .insertInto('open_sessions')
        .values({ sid, entry: JSON.stringify({ ...entry, resumes, openedAt, userName }) })
        .execute();
    await this.#audit.append(entry);
    if (event.type === 'closed') await this.#db.deleteFrom('open_sessions').where('sid', '=', sid).execute();
  }

  /** A guest sits down at a terminal. */
  async joined({ session, person, request }: JoinEvent): Promise<void> {
    await this.#audit.append({
      actor: { type: 'user', id: person.userId },
      action: 'session_join',
      object: { type: 'device', id: session.deviceId },
      result: 'ok',
      request_id: request.id,
      address: request.address,
      ...(request.userAgent === undefined ? {} : { user_agent: request.userAgent }),
      details: { session_id: session.sid, owner: session.userName },
    });
  }

  /** A session that was open when the server stopped and may go on: it is one session in the log, whatever happened. */
  async recall(sid: string): Promise<Recalled | undefined> {
    const row = await this.#db.selectFrom('open_sessions').select('entry').where('sid', '=', sid).executeTakeFirst();
    const entry = row && (JSON.parse(row.entry) as Entry);
    if (!entry?.resumes) return undefined;
    return {
      deviceId: entry.object.id,
      userId: entry.actor.id,
      userName: entry.userName ?? '',
      kind: (entry.details?.['kind'] as string | undefined) ?? 'other',
      openedAt: new Date(entry.openedAt ?? Date.now()),
    };
  }

  /** Closes what a killed server left open and nobody can come back to: nobody knows how many bytes went through. */
  async recover(): Promise<void> {
    await this.#closeLost(({ entry }) => !entry.resumes);
  }

  /** After the time in which people could come back: closes what was open then and is not any more. */
  async giveUp(isOpen: (sid: string) => boolean, before: Date): Promise<void> {
    await this.#closeLost(({ sid, entry }) => !isOpen(sid) && new Date(entry.openedAt ?? 0) < before);
  }

  async #closeLost(lost: (row: { sid: string; entry: Entry }) => boolean): Promise<void> {
    for (const { sid, entry } of await this.#db.selectFrom('open_sessions').selectAll().execute()) {
      const stored = JSON.parse(entry) as Entry;
      if (!lost({ sid, entry: stored })) continue;
      const { resumes: _, openedAt: __, userName: ___, ...opened } = stored;
      const details = { ...opened.details, lost: 'the server stopped without closing it' };
      await this.#audit.append({ ...opened, action: 'session_close', result: 'failed', details });
      await this.#db.deleteFrom('open_sessions').where('sid', '=', sid).execute();
    }
  }
}

/** An entry of the log, and what the next server needs to go on with the session. */
type Entry = NewEntry & {
  readonly resumes?: boolean;
  readonly openedAt?: string;
  readonly userName?: string;
};

const actions = { opened: 'session_open', used: 'session_use', closed: 'session_close' } as const;
/** In the entry of the end; each has an entry of its own. */
const usesKept = 20;

/** A session's beginning, use or end as an entry: who, which device, how long, how many bytes each way. */
function sessionEntry({ type, session, request, use }: SessionEvent): NewEntry {
  const { sid, kind, deviceId, userId, openedAt, bytesFromDevice, bytesToDevice, uses } = session;
  const { interruptions, recorded } = session;
  return {
    actor: { type: 'user', id: userId },
    action: actions[type],
    object: { type: 'device', id: deviceId },
    result: 'ok',
    request_id: request.id,
    address: request.address,
    ...(request.userAgent === undefined ? {} : { user_agent: request.userAgent }),
    details: {
      session_id: sid,
      kind,
      ...use,
      ...(recorded ? { recording: sid } : {}),
      ...(type === 'closed'
        ? {
            seconds: Math.round((Date.now() - openedAt.getTime()) / 1000),
            bytes_from_device: bytesFromDevice,
            bytes_to_device: bytesToDevice,
            ...(uses.length > 0 ? { uses: uses.slice(0, usesKept) } : {}),
            ...(interruptions.length > 0 ? { interruptions } : {}),
          }
        : {}),
    },
  };
}
