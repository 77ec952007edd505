import type { SessionEvent } from '../relay/relay.ts';
import type { Db } from '../store/store.ts';
import type { AuditLog, NewEntry } from './audit.ts';

/** Sessions in the audit log: each that is opened there is closed there, by its end or by the next start. */
export class SessionAudit {
  readonly #db: Db;
  readonly #audit: AuditLog;
  constructor(db: Db, audit: AuditLog) {
    this.#db = db;
    this.#audit = audit;
  }

  async write(event: SessionEvent): Promise<void> {
    const entry = sessionEntry(event);
    const { sid } = event.session;
    if (event.type === 'opened')
      await this.#db
        .insertInto('open_sessions')
        .values({ sid, entry: JSON.stringify(entry) })
        .execute();
    await this.#audit.append(entry);
    if (event.type === 'closed') await this.#db.deleteFrom('open_sessions').where('sid', '=', sid).execute();
  }

  /** Closes what a killed server left open: nobody knows how many bytes went through. */
  async recover(): Promise<void> {
    for (const { sid, entry } of await this.#db.selectFrom('open_sessions').selectAll().execute()) {
      const opened = JSON.parse(entry) as NewEntry;
      const details = { ...opened.details, lost: 'the server stopped without closing it' };
      await this.#audit.append({ ...opened, action: 'session_close', result: 'failed', details });
      await this.#db.deleteFrom('open_sessions').where('sid', '=', sid).execute();
    }
  }
}

/** A session's beginning or end as an entry: who, which device, how long, how many bytes each way. */
function sessionEntry({ type, session, request }: SessionEvent): NewEntry {
  const { sid, kind, deviceId, userId, openedAt, bytesFromDevice, bytesToDevice } = session;
  return {
    actor: { type: 'user', id: userId },
    action: type === 'opened' ? 'session_open' : 'session_close',
    object: { type: 'device', id: deviceId },
    result: 'ok',
    request_id: request.id,
    address: request.address,
    ...(request.userAgent === undefined ? {} : { user_agent: request.userAgent }),
    details: {
      session_id: sid,
      kind,
      ...(type === 'closed'
        ? {
            seconds: Math.round((Date.now() - openedAt.getTime()) / 1000),
            bytes_from_device: bytesFromDevice,
            bytes_to_device: bytesToDevice,
          }
        : {}),
    },
  };
}
