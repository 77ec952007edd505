import { createHmac, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { CodedError, codeOf, messageOf } from '#base/errors';
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
  /** What it is sealed with is not at hand, and why: where it goes is not known. */
  readonly problem?: string;
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
    return await Promise.all(rows.map((row) => this.#knownOf(row)));
  }

  async find(id: string): Promise<Known | undefined> {
    const row = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_channels')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && (await this.#knownOf(row));
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Known> {
    const known = await this.find(id);
    if (!known) throw new CodedError('not_found', 'channel not found');
    return known;
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
    const id = randomUUID();
    const row = { id, ...columnsOf(content), target: await this.#closed(id, content), created_ts: ts, updated_ts: ts };
    await named(content.name, () => db.insertInto('addon_monitor_channels').values(row).execute());
    return await this.#knownOf(row);
  }

  /** `target`: whether it changes as well, else it is left as it is, though it could not be read. */
  async update(id: string, content: Content, target: boolean): Promise<Known> {
    if (target) this.#check(content);
    const db = this.#host.tables<Tables>();
    const closed = target ? { target: await this.#closed(id, content) } : {};
    const change = { ...columnsOf(content), ...closed, updated_ts: new Date().toISOString() };
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

  /** Seals what an older version left as it was. */
  async sealAll(): Promise<void> {
    const db = this.#host.tables<Tables>();
    const rows = await db.selectFrom('addon_monitor_channels').select(['id', 'kind', 'target']).execute();
    for (const { id, kind, target } of rows) {
      if (kind === 'email' || this.#host.seal.isSealed(target)) continue;
      const sealed = await this.#host.seal.close(target, ownerOf(id));
      await db
        .updateTable('addon_monitor_channels')
        .set({ target: sealed })
        .where('id', '=', id)
        .where('target', '=', target)
        .execute();
    }
  }

  /** Hands a notice over once. Throws in words. */
  async send(
    { kind, target, problem }: Pick<Known, 'kind' | 'target' | 'problem'>,
    id: string,
    notice: Notice,
  ): Promise<void> {
    const { mail, outbound, publicUrl } = this.#host;
    if (problem !== undefined) throw new CodedError('unavailable', problem);
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

  /** Whoever has the address of a chat's webhook may write there: only mailboxes are no secrets. */
  async #closed(id: string, { kind, target }: Content): Promise<string> {
    const text = JSON.stringify(target);
    return kind === 'email' ? text : await this.#host.seal.close(text, ownerOf(id));
  }

  async #knownOf(row: ChannelRow): Promise<Known> {
    const { seal } = this.#host;
    try {
      const text = seal.isSealed(row.target) ? await seal.open(row.target, ownerOf(row.id)) : row.target;
      return knownOf(row, JSON.parse(text) as Target);
    } catch (error) {
      if (codeOf(error) !== 'seal_broken') throw error;
      return { ...knownOf(row, {}), problem: `where it goes cannot be read: ${messageOf(error)}` };
    }
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
export function shownOf({ target, problem, ...known }: Known): Channel {
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
    ...(kind === 'webhook' && problem === undefined ? { has_secret: secret !== undefined } : {}),
    ...(problem === undefined ? {} : { problem }),
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

const columnsOf = ({ name, kind, enabled, groups, levels, checks, recoveries }: Content) => ({
  name,
  kind,
  enabled: Number(enabled),
  in_groups: JSON.stringify(groups),
  levels: JSON.stringify(levels),
  checks: JSON.stringify(checks),
  recoveries: Number(recoveries),
});

/** Whom the address of a channel is sealed for. */
const ownerOf = (id: string): string => `channel ${id}`;

const knownOf = (row: ChannelRow, target: Target): Known => ({
  id: row.id,
  name: row.name,
  kind: row.kind as ChannelKind,
  enabled: row.enabled === 1,
  target,
  groups: JSON.parse(row.in_groups) as string[],
  levels: JSON.parse(row.levels) as Level[],
  checks: JSON.parse(row.checks) as string[],
  recoveries: row.recoveries === 1,
  created_ts: row.created_ts,
  updated_ts: row.updated_ts,
});
