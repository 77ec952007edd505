import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { parser } from '#proto/validate';
import { jsonBodyLimit, requestIdHeader } from '#proto/http/conventions';
import { HttpError } from '../errors.ts';
import { statusOf } from './failure.ts';
import { identify, outOfReach, permit, targetOf, type TokenVerifier } from './guard.ts';
import type { Meter } from './meter.ts';
import type { RateLimits } from './rate.ts';
import type { AuditNote, Caller, Confined, Context, Reply, Route, RouteSpec } from './route.ts';

/** One line for the audit log, as the frame knows it. */
export interface AuditRecord {
  readonly caller: Caller;
  readonly action: string;
  readonly note: AuditNote;
  readonly result: 'ok' | 'refused' | 'failed';
  readonly requestId: string;
  readonly address: string;
  readonly userAgent: string | undefined;
}

export interface Frame {
  readonly verify: TokenVerifier;
  readonly log: Log;
  /** Whether an object lies in these groups, or has one of these tags. */
  reaches(kind: Confined, id: string, scope: readonly string[]): Promise<boolean>;
  readonly rates: RateLimits;
  readonly meter: Meter;
  audit(record: AuditRecord): Promise<void>;
}

/** What the frame notes of a request for its line in the log. */
interface Noted {
  requestId: string;
  spec?: RouteSpec;
  caller?: Caller;
}

const requestIdShape = /^[\x21-\x7e]{1,128}$/;

/** The id that a request brings, or a new one. */
export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers[requestIdHeader];
  return typeof given === 'string' && requestIdShape.test(given) ? given : randomUUID();
}

/**
 * Gives each request its id (`server-api.md` §0.3) and each answer the headers that all have; counts and logs it when it is
 * over, by its route: a path may hold what is nobody's business.
 */
export function stamp({ log, meter }: Frame): express.RequestHandler {
  return (req, res, next) => {
    const begun = performance.now();
    // When it is over, the socket may be gone.
    const address = req.ip;
    const noted = res.locals as Noted;
    noted.requestId = requestIdOf(req);
    res.set('X-MEN-RequestID', noted.requestId);
    res.set('X-Content-Type-Options', 'nosniff');
    if (req.secure) res.set('Strict-Transport-Security', 'max-age=31536000');
    res.once('close', () => {
      const ms = performance.now() - begun;
      const { spec, caller, requestId } = noted;
      const status = res.writableFinished ? res.statusCode : 499;
      meter.answered(req.method, spec?.path, status, ms / 1000);
      log.debug('request', {
        request: requestId,
        method: req.method,
        route: spec?.path,
        status,
        ms: Math.round(ms * 10) / 10,
        address,
        ...(caller && caller.kind !== 'anyone' ? { [caller.kind]: caller.id } : {}),
      });
    });
    next();
  };
}

/** What the count of a request came to: on the long way it is not counted again. */
const counted = Symbol('counted');

/** Lets a caller who is known pass if he is not over his rate; else 429. */
export function countIn(req: IncomingMessage & { [counted]?: unknown }, caller: Caller, rates: RateLimits): void {
  if (req[counted] === true) return;
  if (req[counted] !== undefined) throw req[counted];
  try {
    rates.take(caller);
    req[counted] = true;
  } catch (error) {
    req[counted] = error;
    throw error;
  }
}

/**
 * Mounts routes: token and permission, then query and body by schema, then the handler, then the audit log, then the
 * answer. A known path with another method is 405, OPTIONS lists the methods (§0.3).
 */
export function mount(app: Express, routes: readonly Route[], frame: Frame): void {
  const methods = new Map<string, string[]>();
  for (const route of routes) {
    const path = route.spec.path.replaceAll(/\{(\w+)\}/g, ':$1');
    const known = methods.get(path) ?? [];
    methods.set(path, [...known, route.spec.method]);
    const run = handle(route, frame);
    app[route.spec.method.toLowerCase() as 'get'](path, ...bodyReader(route.spec), run);
  }
  for (const [path, allowed] of methods) {
    app.options(path, (_req, res) => {
      for (const method of allowed) res.append('Allow', method);
      res.status(200).end();
    });
    app.all(path, () => {
      throw new HttpError('method_not_allowed', 'method not allowed');
    });
  }
}

const formType = 'application/x-www-form-urlencoded';

function bodyReader(spec: RouteSpec): express.RequestHandler[] {
  if (!spec.body || spec.streams) return [];
  const types = (req: Request, _res: Response, next: NextFunction): void => {
    const length = Number(req.get('content-length') ?? (req.get('transfer-encoding') ? 1 : 0));
    if (length > 0 && !req.is(spec.form ? ['application/json', formType] : 'application/json')) {
      if (!spec.optionalBody)
        return next(new HttpError('unsupported_media_type', 'Content-Type must be application/json'));
    }
    next();
  };
  // The raw bytes are kept: a device signs exactly them.
  const verify = (req: Request, _res: unknown, raw: Buffer): void => void Object.assign(req, { raw });
  const limit = spec.bodyLimit ?? jsonBodyLimit;
  return [
    types,
    express.json({ limit, strict: false, verify: verify as never }),
    ...(spec.form ? [express.urlencoded({ limit, extended: false })] : []),
  ];
}

/** The bytes of a JSON body as they came. */
export const rawBody = (req: Request): Buffer => (req as Request & { raw?: Buffer }).raw ?? Buffer.alloc(0);

function handle(route: Route, frame: Frame): express.RequestHandler {
  const { spec } = route;
  const parseQuery = spec.query && parser(spec.query, 'bad_request');
  const parseBody = spec.body && !spec.streams ? parser(spec.body, 'bad_request') : undefined;
  return async (req, res, next) => {
    const params = req.params as Record<string, string>;
    let note: AuditNote = { object: objectOf(spec.path, params) };
    const figures: Record<string, number> = {};
    let caller: Caller = { kind: 'anyone' };
    const noted = res.locals as Noted;
    noted.spec = spec;
    const { requestId } = noted;
    const address = req.ip ?? '';
    const audit = async (result: AuditRecord['result']): Promise<void> => {
      const userAgent = req.get('user-agent');
      if (!spec.audit) return;
      if (Object.keys(figures).length > 0) note = { ...note, details: { ...note.details, ...figures } };
      await frame.audit({ caller, action: spec.audit, note, result, requestId, address, userAgent });
    };
    try {
      noted.caller = caller = await identify(spec, req, frame.verify);
      if (spec.ratedByAddress) frame.rates.takeFrom(address);
      countIn(req, caller, frame.rates);
      permit(spec, caller);
      const target = targetOf(spec, caller, params);
      if (target && !(await frame.reaches(target.kind, target.id, target.scope)))
        throw await outOfReach(spec, caller, target, frame);
      const body: unknown = req.body;
      const context = {
        req,
        res,
        params,
        query: parseQuery ? parseQuery({ ...(req.query as object) }) : {},
        body: parseBody ? (body === undefined && spec.optionalBody ? undefined : parseBody(body)) : undefined,
        caller,
        requestId,
        address,
        note: (given: AuditNote) => void (note = given),
        count(given: Readonly<Record<string, number>>) {
          for (const [name, figure] of Object.entries(given)) figures[name] = (figures[name] ?? 0) + figure;
        },
      } as Context;
      const reply = await route.handler(context);
      await audit(resultOf(reply));
      answer(res, reply);
    } catch (error) {
      try {
        // A token that is not good names nobody; a failed login names whom it was to be.
        if (caller.kind !== 'anyone' || (spec.access === 'public' && note.object.type !== 'route'))
          await audit(statusOf(error) >= 500 ? 'failed' : 'refused');
      } catch (failure) {
        frame.log.error('audit log not written', { request: requestId, error: messageOf(failure) });
      }
      next(error);
    }
  };
}

const nouns: Readonly<Record<string, string>> = {
  devices: 'device',
  deployments: 'deployment',
  artifacts: 'artifact',
  releases: 'release',
  users: 'user',
  roles: 'role',
  groups: 'group',
  group: 'group',
  sessions: 'session',
  logins: 'login',
};

/** What a path names, for a request that is refused before its handler can say it: `…/devices/{id}/upload` a device. */
function objectOf(path: string, params: Readonly<Record<string, string>>): AuditNote['object'] {
  for (const [, noun = '', param = ''] of path.matchAll(/\/(\w+)\/\{(\w+)\}/g)) {
    const type = nouns[noun];
    if (type) return { type, id: params[param] ?? '' };
  }
  return { type: 'route', id: path };
}

/** A handler may answer a refusal as well as throw it. */
function resultOf(reply: Reply): AuditRecord['result'] {
  if (reply === 'streamed' || reply.status < 400) return 'ok';
  return reply.status >= 500 ? 'failed' : 'refused';
}

function answer(res: Response, reply: Reply): void {
  if (reply === 'streamed') return;
  for (const [name, value] of Object.entries(reply.headers ?? {})) res.set(name, value);
  res.status(reply.status);
  if (reply.body === undefined) res.end();
  else if (reply.type) res.type(reply.type).send(reply.body);
  else res.json(reply.body);
}
