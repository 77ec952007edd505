import type { TSchema } from 'typebox';
import { ApiError } from '#proto/http/conventions';
import type { Route, RouteSpec } from '../http/route.ts';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of some routes, made from the very schemas that check their requests. */
export function openApi(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const { spec } of routes) {
    paths[spec.path] = { ...paths[spec.path], [spec.method.toLowerCase()]: operation(spec) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Patchbay', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: { Error: plain(ApiError) },
      securitySchemes: {
        user: { type: 'http', scheme: 'bearer', description: "a user's token, from POST …/useradm/auth/login" },
        device: { type: 'http', scheme: 'bearer', description: "a device's token, from POST …/auth_requests" },
      },
    },
  };
}

function operation(spec: RouteSpec): Json {
  const named = [...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const properties = (spec.query as { properties?: Record<string, TSchema> } | undefined)?.properties ?? {};
  const required = (spec.query as { required?: readonly string[] } | undefined)?.required ?? [];
  const asked = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: plain(schema),
  }));
  const errors = {
    description: 'what went wrong, in one line',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
  const responses = Object.entries(spec.responses).map(([status, { description, body, type = 'application/json' }]) => [
    status,
    { description, ...(body ? { content: { [type]: { schema: plain(body) } } } : {}) },
  ]);
  return {
    operationId: `${spec.method.toLowerCase()}${spec.path.replaceAll(/[^A-Za-z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    summary: spec.summary,
    tags: [tagOf(spec.path)],
    ...(spec.access === 'public' ? {} : { security: [{ [spec.access === 'device' ? 'device' : 'user']: [] }] }),
    // Ours: the permission that a role must include.
    'x-permission': spec.access,
    ...(spec.audit ? { 'x-audit': spec.audit } : {}),
    parameters: [...named, ...asked],
    ...(spec.body
      ? {
          requestBody: {
            required: spec.optionalBody !== true,
            content: { 'application/json': { schema: plain(spec.body) } },
          },
        }
      : {}),
    responses: { ...Object.fromEntries(responses), default: errors },
  };
}

/** `/api/management/v1/useradm/users` is of `useradm`. */
function tagOf(path: string): string {
  const [, , api, , noun] = path.split('/');
  if (api === 'devices') return 'device';
  return noun ?? 'server';
}

/** A schema without what only TypeScript knows of it. */
const plain = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema)) as unknown;
