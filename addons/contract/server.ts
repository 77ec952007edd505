import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Kysely } from 'kysely';
import type { TObject, TSchema } from 'typebox';
import type { Log } from '#base/log';
import type { MessageOf } from '#proto';
import type { Permission } from '#proto/http/users';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';

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
  /** The device that calls a route with access `device`; else empty. */
  readonly deviceId: string;
  readonly requestId: string;
  /** Whoever has the permission of the route for some groups of devices only: these. Undefined: he has it for all. */
  readonly groups: readonly string[] | undefined;
  /** What the audit log says of it besides who, when and the result (routes with `audit`). */
  note(note: { object: { type: string; id: string }; details?: Readonly<Record<string, unknown>> }): void;
}

/** `streamed`: the handler has written the answer itself. A status from 400 on is a refusal for the audit log too. */
export type ServerReply =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
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
   * (`{name}`) that the path names, and for others it is 404; `handler`: the handler holds him to his `groups`. Not said: he
   * is refused.
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
   * own words).
   */
  openSession(
    deviceId: string,
    request: Pick<ServerRequest, 'userId' | 'tokenId' | 'access'>,
  ): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
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
  readonly log: Log;
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
  /** A login of a user, or all of them, is over, or his rights have changed: what stands on it ends now. */
  revoked?(userId: string, tokenId?: string): void;
}

/** Called once when the server starts. */
export type ServerEntry<M extends Manifest = Manifest> = (host: ServerHost<M>) => ServerHalf;

/** Default export of an add-on's `./server`. */
export const defineServer = <M extends Manifest>(_: M, entry: ServerEntry<M>): ServerEntry<M> => entry;
