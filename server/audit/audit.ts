import { auditCode, type AuditEntry, type AuditResult } from '#proto/http/audit';
import type { AuditRecord } from '../http/mount.ts';
import { now, type Db } from '../store/store.ts';
import type { Audit } from '../store/tables/records.ts';
import { matching, type AuditFilter } from './filter.ts';
import { masked } from './mask.ts';

export type NewEntry = Omit<AuditEntry, 'id' | 'time' | 'code'>;

/** Largest text of details, before and after, characters each. */
const textLimit = 65_536;

/** Who did what. Entries are added and read; nothing here changes or removes one. */
export class AuditLog {
  readonly #db: Db;
  constructor(db: Db) {
    this.#db = db;
  }

  /** Adds an entry. Names are written down with it: who and what it was stays readable when both are gone. */
  async append(entry: NewEntry): Promise<void> {
    const { actor, object } = entry;
    const { details, before, after } = changeOf(entry);
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
        details: textOf(details),
        user_agent: entry.user_agent?.slice(0, 512) ?? null,
        before: textOf(before),
        after: textOf(after),
      })
      .execute();
  }

  /** What the frame of the routes knows of a request, as an entry. */
  async record({ caller, action, note, result, requestId, address, userAgent }: AuditRecord): Promise<void> {
    const actor: AuditEntry['actor'] =
      caller.kind === 'user'
        ? { type: 'user', id: caller.id, name: caller.email }
        : caller.kind === 'device'
          ? { type: 'device', id: caller.id }
          : note.object.type === 'user'
            ? { type: 'user', id: note.object.id, ...(note.object.name ? { name: note.object.name } : {}) }
            : { type: 'system', id: 'signed link' };
    await this.append({
      actor,
      action,
      object: note.object,
      result,
      request_id: requestId,
      address,
      ...(userAgent === undefined ? {} : { user_agent: userAgent }),
      ...(note.details ? { details: note.details } : {}),
      ...(note.before ? { before: note.before } : {}),
      ...(note.after ? { after: note.after } : {}),
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
    const query = matching(this.#db, filter);
    const { n } = await query.select((e) => e.fn.countAll<number | string>().as('n')).executeTakeFirstOrThrow();
    const rows = await query.selectAll().orderBy('id', 'desc').limit(limit).offset(offset).execute();
    return { entries: rows.map(entryOf), total: Number(n) };
  }

  /** All that match, newest first, read in portions: what is added meanwhile is not among them. */
  async *all(filter: AuditFilter, portion = 1000): AsyncGenerator<AuditEntry[], void, undefined> {
    for (let before: number | undefined; ;) {
      let query = matching(this.#db, filter);
      if (before !== undefined) query = query.where('id', '<', before);
      const rows = await query.selectAll().orderBy('id', 'desc').limit(portion).execute();
      if (rows.length > 0) yield rows.map(entryOf);
      if (rows.length < portion) return;
      before = rows.at(-1)?.id;
    }
  }
}

/** Older callers put what was and what is among the details. */
function changeOf({ details, before, after }: NewEntry): Pick<NewEntry, 'details' | 'before' | 'after'> {
  const { before: was, after: is, ...rest } = details ?? {};
  const lifted = isObject(was) && isObject(is) && before === undefined && after === undefined;
  if (!lifted) return { ...(details ? { details } : {}), ...(before ? { before } : {}), ...(after ? { after } : {}) };
  return { ...(Object.keys(rest).length > 0 ? { details: rest } : {}), before: was, after: is };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (content: Record<string, unknown> | undefined): string | null =>
  content ? JSON.stringify(masked(content)).slice(0, textLimit) : null;

function entryOf(row: { [K in keyof Audit]: K extends 'id' ? number : Audit[K] }): AuditEntry {
  const result = row.result as AuditResult;
  return {
    id: row.id,
    time: row.time,
    actor: {
      type: row.actor_type as AuditEntry['actor']['type'],
      id: row.actor_id,
      ...(row.actor_name === null ? {} : { name: row.actor_name }),
    },
    action: row.action,
    code: auditCode(row.action, result),
    object: {
      type: row.object_type,
      id: row.object_id,
      ...(row.object_name === null ? {} : { name: row.object_name }),
    },
    result,
    ...(row.request_id === null ? {} : { request_id: row.request_id }),
    ...(row.address === null ? {} : { address: row.address }),
    ...(row.user_agent === null ? {} : { user_agent: row.user_agent }),
    ...(row.details === null ? {} : { details: parse(row.details) }),
    ...(row.before === null ? {} : { before: parse(row.before) }),
    ...(row.after === null ? {} : { after: parse(row.after) }),
  };
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
