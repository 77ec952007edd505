import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TObject, TSchema } from 'typebox';
import type { Log } from '#base/log';
import type { MessageOf } from '#proto';
import type { Permission } from '#proto/http/users';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';

/** A request that has passed: the caller is a user with the route's permission, the query fits its schema. */
export interface ServerRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Of the path: `{id}`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly userId: string;
  /** Which of the user's logins: with it his sessions end. */
  readonly tokenId: string;
  /** The permission with which it has passed: a session that is opened for it ends when that is taken away. */
  readonly right: Permission;
  readonly requestId: string;
  /** What the audit log says of it besides who, when and the result (routes with `audit`). */
  note(note: { object: { type: string; id: string }; details?: Readonly<Record<string, unknown>> }): void;
}

/** `streamed`: the handler has written the answer itself. A status from 400 on is a refusal for the audit log too. */
export type ServerReply =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | 'streamed';

/** A route as data, and its rule. The server asks for the permission; there is no route without one. */
export interface ServerRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As OpenAPI spells it; of third parties below `/api/management/v1/addons/ID/`. A GET answers HEAD as well. */
  readonly path: string;
  readonly access: Permission;
  /**
   * Whoever has the permission for some groups of devices only passes for the device that the path names (`{device}`, else
   * `{id}`), and for others it is 404. Not said: he is refused.
   */
  readonly confined?: 'device';
  readonly summary: string;
  readonly query?: TObject;
  /** The handler reads the body itself; else there is none. */
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
    request: Pick<ServerRequest, 'userId' | 'tokenId' | 'right'>,
  ): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  readonly log: Log;
}

export interface ServerHalf {
  readonly routes: readonly ServerRoute[];
}

/** Called once when the server starts. */
export type ServerEntry<M extends Manifest = Manifest> = (host: ServerHost<M>) => ServerHalf;

/** Default export of an add-on's `./server`. */
export const defineServer = <M extends Manifest>(_: M, entry: ServerEntry<M>): ServerEntry<M> => entry;
