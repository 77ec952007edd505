import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Expression, Kysely, SqlBool, Transaction } from 'kysely';
import type { TObject, TSchema } from 'typebox';
import type { Log } from '#base/log';
import type { MessageOf } from '#proto';
import type { Permission } from '#proto/http/users';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';

/** Where a right holds: everywhere, or for the devices of these static groups. */
export type Reach = 'all' | readonly string[];

/** A request that has passed: the caller is who the route asks for, query and body fit their schemas. */
export interface ServerRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Of the path: `{id}`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  /** Undefined: the route has no schema for one, or it is optional and did not come. */
  readonly body: unknown;
  /** Empty if a device calls. */
  readonly userId: string;
  /** Its e-mail address: what people know it by. */
  readonly userName: string;
  /** Which of the user's logins: with it his sessions end. */
  readonly tokenId: string;
  /** That of the route: a session that is opened for a user ends when this is taken from him. */
  readonly access: Permission | 'device';
  /** Where the caller may do what the route asks for: everywhere, or in these static groups (routes with `confined: 'handler'`). */
  readonly reach: Reach;
  /** The device that calls a route with access `device`; else empty. */
  readonly deviceId: string;
  readonly requestId: string;
  /** The address of the caller, behind trusted proxies the one that they name; and what he says he calls with. */
  readonly address: string;
  readonly userAgent: string | undefined;
  /** Adds figures to what the audit log says of it (routes with `audit`; else undefined). */
  readonly count: ((figures: Readonly<Record<string, number>>) => void) | undefined;
  /** What the audit log says of it besides who, when and the result (routes with `audit`). */
  note(note: { object: { type: string; id: string }; details?: Readonly<Record<string, unknown>> }): void;
}

/** In whose name, and by which request, a session is opened. */
export type Asker = Pick<
  ServerRequest,
  'userId' | 'userName' | 'tokenId' | 'access' | 'requestId' | 'address' | 'userAgent' | 'count'
>;

/** `streamed`: the handler has written the answer itself. A status from 400 on is a refusal for the audit log too. */
export type ServerReply =
  | {
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string | string[]>>;
    }
  | 'streamed';

/**
 * A route as data, and its rule. The server asks for the permission; there is no route without one. A handler throws a
 * CodedError to refuse: `bad_request`, `not_found`, `conflict`, `forbidden`, `unprocessable`, `unavailable`.
 */
export interface ServerRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As OpenAPI spells it; of third parties below `/api/management/v1/addons/ID/`. A GET answers HEAD as well. */
  readonly path: string;
  /** A user with this permission, or `device`: any accepted device, in its own name. */
  readonly access: Permission | 'device';
  /**
   * Whoever has the permission for some groups of devices only passes for the device (`{device}`, else `{id}`) or the group
   * (`{name}`) that the path names, and for others it is 404. `handler`: the handler holds him to the request's `reach`; lists
   * leave out what is not there. Not said: he is refused.
   */
  readonly confined?: 'device' | 'group' | 'handler';
  readonly summary: string;
  readonly query?: TObject;
  /** JSON body, at most 1 MiB, checked before the handler runs. */
  readonly body?: TSchema;
  readonly optionalBody?: boolean;
  /** The handler reads the body itself. */
  readonly streams?: boolean;
  /** Stable word for the audit log. Every write has one. */
  readonly audit?: string;
  readonly responses: Readonly<Record<number, { readonly description: string; readonly body?: TSchema }>>;
  readonly handler: (request: ServerRequest) => Promise<ServerReply> | ServerReply;
}

/** What the server lends the server half of an add-on. */
export interface ServerHost<M extends Manifest = Manifest> {
  /**
   * A session with the device half of this add-on, in the name of the request's user. Throws a CodedError: `conflict`
   * (the device is not connected), `not_offered` (it has this add-on not, or switched off), `timeout`, `device` (its
   * own words). Its bytes are counted in the request's entry of the audit log; where that has none (`count` is undefined)
   * the session has entries of its own, for its beginning and its end.
   */
  openSession(deviceId: string, asker: Asker): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  /** The database, for the add-on's own tables (`migrations`), SQLite or PostgreSQL. */
  tables<T>(): Kysely<T>;
  /** Whether there is such a device, accepted or not. */
  hasDevice(deviceId: string): Promise<boolean>;
  /** Ids of the accepted devices, of all or of a group; of a group that is not there none. */
  acceptedDevices(group?: string): Promise<readonly string[]>;
  /** Whether there is such a group, static or dynamic. */
  hasGroup(group: string): Promise<boolean>;
  /** Whether a device is in a group now, static or dynamic. */
  inGroup(deviceId: string, group: string): Promise<boolean>;
  /** What has become of a deployment on a device; undefined: the device has no part in it. */
  deploymentOutcome(
    deploymentId: string,
    deviceId: string,
  ): Promise<{ readonly state: 'active' | 'success' | 'failure' } | undefined>;
  /**
   * Sends values to one device as a configuration update, and asks it to look at once; the deployment's id. Of the keys in
   * `secrets` the server shows nothing to anybody else.
   */
  deployConfiguration(
    deviceId: string,
    values: Readonly<Record<string, string>>,
    secrets?: readonly string[],
  ): Promise<string>;
  /**
   * The origin of a site of the add-on's own, `http://LABEL.DOMAIN:PORT`, as whoever sent this request reaches it.
   * Undefined: no names below the server's lead to it (`--pages-domain`).
   */
  siteOrigin(label: string, req: IncomingMessage): string | undefined;
  /** The static groups of a device, the one that the reference's routes know first. */
  groupsOf(deviceId: string): Promise<readonly string[]>;
  /** For a query: true where the device that the column names is in one of these static groups. Of no groups: never. */
  inGroups(column: string, groups: readonly string[]): Expression<SqlBool>;
  /** The same for any group, static or dynamic; of one that is not there: never. */
  ofGroup(column: string, group: string): Promise<Expression<SqlBool>>;
  /** For a query: true where the device that the column names is accepted now. */
  isAccepted(column: string): Expression<SqlBool>;
  /** For a query: true where the column is one of some texts, however many. */
  isOneOf(column: string, values: readonly string[]): Expression<SqlBool>;
  /**
   * Sets attributes of the inventory's scope `monitor`, by device, in a transaction of the add-on's own: filters and dynamic
   * groups find devices by them. They go with the device.
   */
  setAttributes(
    transaction: Transaction<never>,
    values: ReadonlyMap<string, Readonly<Record<string, string | number | boolean>>>,
  ): Promise<void>;
  /**
   * Tells the device half of this add-on that there is something to ask for (`Device.onNews`). False: the device is not
   * connected, or of others, and finds it by itself.
   */
  nudge(deviceId: string): boolean;
  /** Tells browsers that something of this add-on has changed for a device: event `addon`, for those who may read the device. */
  changed(deviceId: string): void;
  /** Accepted devices that had their socket open once and have it not, since when; of these ids, or all. */
  awayDevices(deviceIds?: readonly string[]): Promise<readonly { readonly deviceId: string; readonly since: Date }[]>;
  /** Keeps secrets so that the database alone does not tell them. */
  readonly seal: Seal;
  /** Users who have a permission somewhere, and where. */
  peopleWith(permission: Permission): Promise<readonly { readonly email: string; readonly reach: Reach }[]>;
  /** E-mails; undefined: the server has no way to send any (`--smtp-url`). */
  readonly mail: Mail | undefined;
  /** Requests to addresses that people gave, with the server's guard against private networks. */
  readonly outbound: {
    /** Throws `bad_request`, in words, for a URL that the server does not go to. */
    check(url: string): URL;
    /** Posts once; the status of the answer. Throws in words when there is none within ten seconds. */
    post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number>;
  };
  /** Where people reach the server (`--public-url`), without a slash at its end. */
  readonly publicUrl: string | undefined;
  readonly log: Log;
}

/** What is closed for an owner (such as a table and a row) is opened for this owner only. */
export interface Seal {
  close(text: string, owner: string): Promise<string>;
  /** Throws `seal_broken`, with why it cannot: the key is missing or another, or the text was altered. */
  open(sealed: string, owner: string): Promise<string>;
  /** Whether this is something that was closed: an older version may have left it as it was. */
  isSealed(text: string): boolean;
}

export interface Mail {
  /** Its sender (`--mail-from`). */
  readonly from: string;
  /** Hands one e-mail over; settles when the mail server has taken it. Throws in words. */
  send(mail: {
    readonly id: string;
    readonly bcc: readonly string[];
    readonly subject: string;
    readonly text: string;
    readonly html: string;
  }): Promise<void>;
}

/** A figure of `/metrics` that only grows, `patchbay_NAME_total`; the values by what happened, label `result`. */
export interface ServerCounter {
  readonly help: string;
  readonly values: Readonly<Record<string, number>>;
}

/**
 * Sites of an add-on's own: origins `LABEL.DOMAIN` beside that of the server, so that what they show can neither read the
 * server's pages nor use its login. Nothing has been checked when a request comes here. False: not one of its labels.
 */
export interface Sites {
  request(label: string, req: IncomingMessage, res: ServerResponse): boolean;
  upgrade(label: string, req: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

/** One step of the add-on's own tables; their names begin with `addon_ID_`, dashes of the id as underscores. */
export type Migration = (db: Kysely<unknown>) => Promise<void>;

export interface ServerHalf {
  readonly routes: readonly ServerRoute[];
  /** In order of their names, each run once, forward only, before the first request. What has landed never changes. */
  readonly migrations?: Readonly<Record<string, Migration>>;
  /** A device is gone for good: so is what is kept of it. May be called again for the same one. */
  decommissioned?(deviceId: string): Promise<void>;
  readonly sites?: Sites;
  /** Work of its own, from when the server answers until the signal; the server's stop waits for it. */
  run?(signal: AbortSignal): Promise<void>;
  /** A device's socket came or went. */
  presence?(deviceId: string, connected: boolean): void;
  /** By name, without `patchbay_` and `_total`. */
  readonly counters?: Readonly<Record<string, ServerCounter>>;
  /** A login of a user, or all of them, is over, or his rights have changed: what stands on it ends now. */
  revoked?(userId: string, tokenId?: string): void;
}

/** Called once when the server starts. */
export type ServerEntry<M extends Manifest = Manifest> = (host: ServerHost<M>) => ServerHalf;

/** Default export of an add-on's `./server`. */
export const defineServer = <M extends Manifest>(_: M, entry: ServerEntry<M>): ServerEntry<M> => entry;
