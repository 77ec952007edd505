import type { Request, Response } from 'express';
import type { Static, TObject, TSchema } from 'typebox';
import type { Permission } from '#proto/http/users';
import type { Rights, Scope } from './rights.ts';

/** Who calls: proved by his token. */
export type Caller =
  | {
      readonly kind: 'user';
      readonly id: string;
      readonly email: string;
      readonly tokenId: string;
      readonly permissions: Rights;
      /** Everybody has to have a second factor and he has none: he may see to that and do nothing else. */
      readonly mustEnrol: boolean;
    }
  | { readonly kind: 'device'; readonly id: string; readonly authSetId: string }
  | { readonly kind: 'anyone' };

/** What a route asks of its caller: nothing, a device's token, any user's token, or a user with this permission. */
export type Access = 'public' | 'device' | 'user' | Permission;

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What an audited route did, and to what. Told by the handler; the frame adds who, when, whence and the result. */
export interface AuditNote {
  readonly object: { readonly type: string; readonly id: string; readonly name?: string };
  readonly details?: Readonly<Record<string, unknown>>;
  /** Of a change: what was and what is. Secrets are masked on the way into the log. */
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** What a right can be confined to reach, by the path's `{device}` or `{id}`, `{id}`, or `{name}`. */
export type Confined = 'device' | 'deployment' | 'artifact' | 'release' | 'group';

export interface RouteSpec<Q extends TObject = TObject, B extends TSchema = TSchema> {
  readonly method: Method;
  /** As OpenAPI spells it: `/api/management/v2/devauth/devices/{id}`. */
  readonly path: string;
  readonly access: Access;
  /**
   * Of whom may do this in some groups (or with some tags) only: the object that the path names must lie there, else it
   * is 404 as if it were not; `handler`: the handler holds him to his scope (`scopeOf`). Not said: he is refused.
   */
  readonly confined?: Confined | 'handler';
  readonly summary: string;
  /** Query parameters. Strings; `Repeated` ones may come several times. Unknown ones are read over. */
  readonly query?: Q;
  /** JSON body; checked before the handler runs. */
  readonly body?: B;
  /** A form in place of JSON will do, of the fields of the body. */
  readonly form?: true;
  /** The body may be missing. */
  readonly optionalBody?: boolean;
  /** Anybody may ask, and each time costs work: counted by address. */
  readonly ratedByAddress?: true;
  /** The handler reads the request's stream itself (uploads). */
  readonly streams?: boolean;
  /** Larger than the usual limit of a JSON body, bytes. */
  readonly bodyLimit?: number;
  /** Stable word for the audit log. Every management write has one. */
  readonly audit?: string;
  /** Status → what its body is (undefined: none). */
  readonly responses: Readonly<
    Record<number, { readonly description: string; readonly body?: TSchema; readonly type?: string }>
  >;
}

export interface Context<Q extends TObject = TObject, B extends TSchema = TSchema> {
  readonly req: Request;
  readonly res: Response;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Static<Q>;
  readonly body: Static<B>;
  readonly caller: Caller;
  readonly requestId: string;
  /** The address of the caller, behind trusted proxies the one that they name. */
  readonly address: string;
  /** Names the object of this request in the audit log (routes with `audit`). */
  readonly note: (note: AuditNote) => void;
  /** Adds figures to the details of that entry, whatever the note says. */
  readonly count: (figures: Readonly<Record<string, number>>) => void;
}

/** What a handler answers. `streamed`: it has written the answer itself. */
export type Reply =
  | {
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly type?: string;
    }
  | 'streamed';

export interface Route {
  readonly spec: RouteSpec;
  readonly handler: (context: Context) => Promise<Reply> | Reply;
  readonly idle?: (asked: Asked) => boolean | Promise<boolean>;
}

/** What a route that may be idle is asked: as much of its context as can be had without express. */
export type Asked<Q extends TObject = TObject, B extends TSchema = TSchema> = Pick<
  Context<Q, B>,
  'caller' | 'query' | 'body'
>;

/**
 * Declares a route: shape and permission in data, the rule in `handler`. For one that is asked all the time, mostly for
 * nothing, `idle` says that there is nothing: then the answer is 204, at a fraction of the cost (`quick.ts`).
 */
export function route<Q extends TObject, B extends TSchema>(
  spec: RouteSpec<Q, B>,
  handler: (context: Context<Q, B>) => Promise<Reply> | Reply,
  idle?: (asked: Asked<Q, B>) => boolean | Promise<boolean>,
): Route {
  return { spec, handler, ...(idle ? { idle } : {}) };
}

export const json = (status: number, body: unknown, headers: Record<string, string | string[]> = {}): Reply => ({
  status,
  body,
  headers,
});
export const empty = (status = 204, headers: Record<string, string> = {}): Reply => ({ status, headers });

/** Where a caller may do something. Devices and strangers have passed other checks: theirs is not confined. */
export function scopeOf(context: { readonly caller: Caller }, permission: Permission): Scope {
  return context.caller.kind === 'user' ? context.caller.permissions.scope(permission) : 'all';
}

/** The id of a user who passed a `user` or permission check, or of a device that passed `device`. */
export function callerId(context: { readonly caller: Caller }): string {
  return context.caller.kind === 'anyone' ? '' : context.caller.id;
}
