import { createHmac, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { CodedError, codeOf } from '#base/errors';
import type { Host } from './host.ts';
import type { Level } from '../alert.ts';
import type { Channel, ChannelKind } from '../answers.ts';
import { hookBody, slackBody, teamsBody } from './chat.ts';
import { mailOf } from './mail.ts';
import type { Notice } from './notice.ts';
import type { ChannelRow, Tables } from './tables.ts';

const limit = 100;

export interface Target {
  /** Of e-mails. */
  readonly to?: readonly string[];
  readonly url?: string;
  /** Of our own webhooks: hex, the key of the signature. */
  readonly secret?: string;
}

export interface Content {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly enabled: boolean;
  readonly target: Target;
  readonly groups: readonly string[];
  readonly levels: readonly Level[];
  readonly checks: readonly string[];
  readonly recoveries: boolean;
}

export interface Known extends Content {
  readonly id: string;
  readonly created_ts: string;
  readonly updated_ts: string;
}

/** Where notifications go besides users' mailboxes. */
export class Channels {
  readonly #host: Host;
  constructor(host: Host) {
    this.#host = host;
  }

  async list(): Promise<Known[]> {
    const rows = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_channels')
      .selectAll()
      .orderBy('name')
      .execute();
    return rows.map(knownOf);
  }

  async get(id: string): Promise<Known> {
    const row = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_channels')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (!row) throw new CodedError('not_found', 'channel not found');
    return knownOf(row);
  }

  /** Throws `bad_request` for a target that cannot be, `conflict` for a taken name, `unprocessable` for too many. */
  async create(content: Content): Promise<Known> {
    this.#check(content);
    const db = this.#host.tables<Tables>();
    const { n } = await db
      .selectFrom('addon_monitor_channels')
      .select((e) => e.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    if (n >= limit) throw new CodedError('unprocessable', `there are ${limit} channels already`);
    const ts = new Date().toISOString();
    const row = { id: randomUUID(), ...columnsOf(content), created_ts: ts, updated_ts: ts };
    await named(content.name, () => db.insertInto('addon_monitor_channels').values(row).execute());
    return knownOf(row);
  }

  async update(id: string, content: Content): Promise<Known> {
    this.#check(content);
    const db = this.#host.tables<Tables>();
    const change = { ...columnsOf(content), updated_ts: new Date().toISOString() };
    await named(content.name, () =>
      db.updateTable('addon_monitor_channels').set(change).where('id', '=', id).execute(),
    );
    return await this.get(id);
  }

  async remove(id: string): Promise<void> {
    await this.get(id);
    const db = this.#host.tables<Tables>();
    await db.transaction().execute(async (trx) => {
      await trx.deleteFrom('addon_monitor_channels').where('id', '=', id).execute();
      await trx
        .updateTable('addon_monitor_messages')
        .set({ state: 'dropped', error: 'the channel was removed', content: null })
        .where('channel', '=', id)
        .where('state', '=', sql.lit('waiting'))
        .execute();
    });
  }

  /** Hands a notice over once. Throws in words. */
  async send(kind: ChannelKind, target: Target, id: string, notice: Notice): Promise<void> {
    const { mail, outbound, publicUrl } = this.#host;
    if (kind === 'email') {
      if (!mail)
        throw new CodedError('unavailable', 'the server has no mail server: give it --smtp-url and --mail-from');
      await mail.send({ id, bcc: target.to ?? [], ...mailOf(notice, publicUrl) });
      return;
    }
    const body =
      kind === 'webhook'
        ? hookBody(id, new Date().toISOString(), notice)
        : kind === 'slack'
          ? slackBody(notice, publicUrl)
          : teamsBody(notice, publicUrl);
    const headers = { 'Content-Type': 'application/json', 'User-Agent': 'patchbay', ...signed(body, target.secret) };
    const status = await outbound.post(target.url ?? '', headers, body);
    if (status < 200 || status >= 300) throw new Refused(status);
  }

  #check({ kind, target }: Content): void {
    if (kind === 'email') {
      if (!target.to || target.to.length === 0) throw new CodedError('bad_request', 'to: an address is wanted');
      const bad = target.to.find((address) => !/^[^\s<>@,;"]+@[^\s<>@,;"]+$/.test(address));
      if (bad !== undefined) throw new CodedError('bad_request', `to: ${bad.slice(0, 256)} is no e-mail address`);
      if (target.url !== undefined) throw new CodedError('bad_request', 'url: an e-mail has none');
      return;
    }
    if (target.to !== undefined) throw new CodedError('bad_request', `to: a ${kind} channel has a url`);
    if (target.url === undefined) throw new CodedError('bad_request', 'url: is wanted');
    if (target.secret !== undefined && kind !== 'webhook')
      throw new CodedError('bad_request', 'secret: only webhooks are signed');
    this.#host.outbound.check(target.url);
  }
}

/** The other end answered, and not with a success. */
export class Refused extends CodedError {
  readonly status: number;
  constructor(status: number) {
    super('refused', `the answer was ${status}`);
    this.status = status;
  }
}

/** As it is shown. */
export function shownOf({ target, ...known }: Known): Channel {
  const { to, url, secret } = target;
  const { id, name, kind, enabled, groups, levels, checks, recoveries, created_ts, updated_ts } = known;
  return {
    id,
    name,
    kind,
    enabled,
    ...(to ? { to: [...to] } : {}),
    // Whoever has the address of a chat's webhook may write there.
    ...(url === undefined ? {} : { url: kind === 'webhook' ? url : `${new URL(url).origin}/…` }),
    ...(kind === 'webhook' ? { has_secret: secret !== undefined } : {}),
    groups: [...groups],
    levels: [...levels],
    checks: [...checks],
    recoveries,
    created_ts,
    updated_ts,
  };
}

/** HMAC of the body, as of the server's other webhooks (server-api.md §2.9). */
function signed(body: string, secret: string | undefined): Record<string, string> {
  if (secret === undefined) return {};
  const signature = createHmac('sha256', Buffer.from(secret, 'hex')).update(body).digest('hex');
  return { 'X-Men-Algorithm': 'MEN-HMAC-SHA256-Payload', 'X-Men-Signature': signature };
}

async function named<T>(name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code.startsWith('SQLITE_CONSTRAINT_UNIQUE') || code === '23505')
      throw new CodedError('conflict', `there is a channel "${name}" already`);
    throw error;
  }
}

const columnsOf = ({ name, kind, enabled, target, groups, levels, checks, recoveries }: Content) => ({
  name,
  kind,
  enabled: Number(enabled),
  target: JSON.stringify(target),
  in_groups: JSON.stringify(groups),
  levels: JSON.stringify(levels),
  checks: JSON.stringify(checks),
  recoveries: Number(recoveries),
});

const knownOf = (row: ChannelRow): Known => ({
  id: row.id,
  name: row.name,
  kind: row.kind as ChannelKind,
  enabled: row.enabled === 1,
  target: JSON.parse(row.target) as Target,
  groups: JSON.parse(row.in_groups) as string[],
  levels: JSON.parse(row.levels) as Level[],
  checks: JSON.parse(row.checks) as string[],
  recoveries: row.recoveries === 1,
  created_ts: row.created_ts,
  updated_ts: row.updated_ts,
});
