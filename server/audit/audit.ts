import type { AuditEntry } from '#proto/http/users';
import type { AuditRecord } from '../http/mount.ts';
import { now, type Db } from '../store/store.ts';

export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly objectType?: string;
  readonly objectId?: string;
  readonly since?: string;
  readonly until?: string;
}

/** Who did what. Entries are added and read; nothing here changes or removes one. */
export class AuditLog {
  readonly #db: Db;
  constructor(db: Db) {
    this.#db = db;
  }

  /** Adds an entry. Names are written down with it: who and what it was stays readable when both are gone. */
  async append(entry: Omit<AuditEntry, 'id' | 'time'>): Promise<void> {
    const { actor, object } = entry;
    const actorName =
      actor.name ?? (actor.type === 'user' ? await this.#emailOf(actor.id) : await this.#hostnameOf(actor.id));
    const objectName =
      object.name ?? (object.type === 'device' ? await this.#hostnameOf(storable(object.id)) : undefined);
    await this.#db
      .insertInto('audit')
      .values({
        time: now(),
        actor_type: entry.actor.type,
        actor_id: entry.actor.id,
        actor_name: actorName ?? null,
        action: entry.action,
        object_type: entry.object.type,
        object_id: storable(entry.object.id),
        object_name: objectName === undefined ? null : storable(objectName),
        result: entry.result,
        request_id: entry.request_id ?? null,
        address: entry.address ?? null,
        details: entry.details ? JSON.stringify(entry.details).slice(0, 65_536) : null,
      })
      .execute();
  }

  /** What the frame of the routes knows of a request, as an entry. */
  async record({ caller, action, note, result, requestId, address }: AuditRecord): Promise<void> {
    const actor: AuditEntry['actor'] =
      caller.kind === 'user'
        ? { type: 'user', id: caller.id, name: caller.email }
        : caller.kind === 'device'
          ? { type: 'device', id: caller.id }
          : { type: 'user', id: note.object.id, ...(note.object.name ? { name: note.object.name } : {}) };
    await this.append({
      actor,
      action,
      object: note.object,
      result,
      request_id: requestId,
      address,
      ...(note.details ? { details: note.details } : {}),
    });
  }

  async #emailOf(userId: string): Promise<string | undefined> {
    return (await this.#db.selectFrom('users').select('email').where('id', '=', userId).executeTakeFirst())?.email;
  }

  async #hostnameOf(deviceId: string): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom('attributes')
      .select('text')
      .where('device_id', '=', deviceId)
      .where('scope', '=', 'inventory')
      .where('name', '=', 'hostname')
      .where('seq', '=', 0)
      .executeTakeFirst();
    return row?.text ?? undefined;
  }

  /** A page, newest first, and how many there are. */
  async list(filter: AuditFilter, limit: number, offset: number): Promise<{ entries: AuditEntry[]; total: number }> {
    let query = this.#db.selectFrom('audit');
    if (filter.actor)
      query = query.where((e) =>
        e.or([e('actor_id', '=', filter.actor ?? ''), e('actor_name', '=', filter.actor ?? '')]),
      );
    if (filter.action) query = query.where('action', '=', filter.action);
    if (filter.objectType) query = query.where('object_type', '=', filter.objectType);
    if (filter.objectId) query = query.where('object_id', '=', filter.objectId);
    if (filter.since) query = query.where('time', '>=', filter.since);
    if (filter.until) query = query.where('time', '<', filter.until);
    const { n } = await query.select((e) => e.fn.countAll<number | string>().as('n')).executeTakeFirstOrThrow();
    const rows = await query.selectAll().orderBy('id', 'desc').limit(limit).offset(offset).execute();
    const entries = rows.map((row): AuditEntry => ({
      id: row.id,
      time: row.time,
      actor: {
        type: row.actor_type as AuditEntry['actor']['type'],
        id: row.actor_id,
        ...(row.actor_name === null ? {} : { name: row.actor_name }),
      },
      action: row.action,
      object: {
        type: row.object_type,
        id: row.object_id,
        ...(row.object_name === null ? {} : { name: row.object_name }),
      },
      result: row.result as AuditEntry['result'],
      ...(row.request_id === null ? {} : { request_id: row.request_id }),
      ...(row.address === null ? {} : { address: row.address }),
      ...(row.details === null ? {} : { details: parse(row.details) }),
    }));
    return { entries, total: Number(n) };
  }
}

/** A name as it fits: what a refused request tried may hold anything. */
const storable = (text: string): string => text.slice(0, 256).replaceAll('\0', '\ufffd');

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { truncated: text };
  }
}
