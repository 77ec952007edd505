import { type Static, Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { OneOf } from '#proto/http/conventions';
import { levels } from '../alert.ts';
import { base, Counts, Passed, Silence, Standing } from '../answers.ts';
import { pageHeaders, pageOf, PageQuery } from './paging.ts';
import type { Parts } from './parts.ts';
import { deviceOf, timeOf } from './reference-routes.ts';
import type { Filter } from './standing.ts';

/** May acknowledge and silence: a right of this add-on's own, which operators and support engineers have. */
const respond = 'addon:monitor:respond';
/** A silence is no way to switch a check off. */
const longestSilence = 366 * 24 * 3600_000;

const Key = Type.String({ minLength: 1, maxLength: 256 });
const Group = Type.String({ pattern: '^[A-Za-z0-9_-]{1,256}$' });
const DeviceId = Type.String({ minLength: 1, maxLength: 128 });
const Reason = Type.String({ maxLength: 1024 });

const FilterQuery = {
  level: Type.Optional(Type.String({ maxLength: 128 })),
  group: Type.Optional(Group),
  check: Type.Optional(Key),
  device: Type.Optional(DeviceId),
};
/** By the server's clock. */
const Moment = Type.Optional(Type.String({ maxLength: 64 }));
const states = ['open', 'acknowledged', 'silenced'] as const;
const ListQuery = Type.Object({
  ...PageQuery,
  ...FilterQuery,
  state: Type.Optional(OneOf(states)),
});

const NewSilence = Type.Object(
  {
    device: Type.Optional(DeviceId),
    group: Type.Optional(Group),
    /** That check, or all that begin so: `disk_*`. */
    check: Type.Optional(Key),
    starts: Type.Optional(Type.String({ maxLength: 64 })),
    ends: Type.Optional(Type.String({ maxLength: 64 })),
    minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 527_040 })),
    reason: Reason,
  },
  { additionalProperties: false },
);

/** For whoever is on call: what is not OK, who sees to it, and what is not to wake anybody. */
export function onCallRoutes(parts: Parts): ServerRoute[] {
  const { standings, history } = parts;
  const missing = { 404: { description: 'no such device' } };
  return [
    {
      method: 'GET',
      path: `${base}/alerts`,
      access: 'devices:read',
      confined: 'handler',
      summary: 'Checks that are not OK, of all devices in reach; the latest change first',
      query: ListQuery,
      responses: {
        200: { description: 'a page; X-Total-Count says how many there are', body: Type.Array(Standing) },
        400: { description: 'bad page or level' },
      },
      async handler(request) {
        const page = pageOf(request.query);
        const { found, total } = await standings.list(filterOf(request), request.reach, page);
        return { status: 200, body: found, headers: pageHeaders(request, page, total) };
      },
    },
    {
      method: 'GET',
      path: `${base}/counts`,
      access: 'devices:read',
      confined: 'handler',
      summary: 'How many checks are not OK, by what becomes of them and by level; how many devices have any',
      query: Type.Object(FilterQuery),
      responses: { 200: { description: 'counts', body: Counts }, 400: { description: 'bad level' } },
      handler: async (request) => ({ status: 200, body: await standings.counts(filterOf(request), request.reach) }),
    },
    {
      method: 'GET',
      path: `${base}/history`,
      access: 'devices:read',
      confined: 'handler',
      summary: 'Alerts of all devices in reach, OK ones too, as they came; the last first',
      query: Type.Object({ ...PageQuery, ...FilterQuery, issued_after: Moment, issued_before: Moment }),
      responses: {
        200: { description: 'a page; one that is not full is the last', body: Type.Array(Passed) },
        400: { description: 'bad page, level or time' },
      },
      async handler(request) {
        const { issued_after, issued_before } = request.query as Record<string, string | undefined>;
        const bounds = { after: timeOf('issued_after', issued_after), before: timeOf('issued_before', issued_before) };
        const body = await history.ofAll(filterOf(request), request.reach, bounds, pageOf(request.query));
        return { status: 200, body };
      },
    },
    ...(['acknowledge', 'unacknowledge'] as const).map((verb): ServerRoute => {
      const takes = verb === 'acknowledge';
      return {
        method: 'POST',
        path: `${base}/devices/{id}/${verb}`,
        access: respond,
        confined: 'device',
        summary: takes
          ? 'Say that somebody sees to these checks of a device, or to all that are not OK, until they are OK again'
          : 'Take that back',
        audit: `alerts_${verb}`,
        body: Type.Object({
          checks: Type.Optional(Type.Array(Key, { minItems: 1, maxItems: 1000 })),
          ...(takes ? { note: Type.Optional(Reason) } : {}),
        }),
        responses: {
          200: { description: 'which they were', body: Type.Object({ checks: Type.Array(Type.String()) }) },
          ...missing,
        },
        async handler(request) {
          const id = await deviceOf(request, parts);
          const { checks, note = '' } = request.body as { checks?: string[]; note?: string };
          const by = takes ? { name: request.userName, note } : undefined;
          const done = await standings.acknowledge(id, checks, by);
          request.note({ object: { type: 'device', id }, details: { checks: done, ...(note ? { note } : {}) } });
          if (checks && done.length === 0)
            throw new CodedError(
              'not_found',
              takes
                ? 'none of these checks of the device is not OK: there is nothing to acknowledge'
                : 'none of these checks of the device is acknowledged',
            );
          return { status: 200, body: { checks: done } };
        },
      };
    }),
    ...silenceRoutes(parts),
  ];
}

function silenceRoutes(parts: Parts): ServerRoute[] {
  const { silences, notifier } = parts;
  return [
    {
      method: 'GET',
      path: `${base}/silences`,
      access: 'devices:read',
      confined: 'handler',
      summary: 'Silences in force, to come, and over within the last 30 days; the last to begin first',
      query: Type.Object({
        device: Type.Optional(DeviceId),
        active: Type.Optional(OneOf(['true', 'false'])),
      }),
      responses: { 200: { description: 'silences', body: Type.Array(Silence) } },
      async handler({ query, reach }) {
        const { device, active } = query as { device?: string; active?: string };
        const filter = {
          ...(device === undefined ? {} : { device }),
          ...(active === undefined ? {} : { active: active === 'true' }),
        };
        return { status: 200, body: await silences.list(reach, filter) };
      },
    },
    {
      method: 'POST',
      path: `${base}/silences`,
      access: respond,
      confined: 'handler',
      summary: 'Tell nobody of alerts of a device, a group, a check, or several of these together, for a time',
      audit: 'silence_create',
      body: NewSilence,
      responses: {
        201: { description: 'made', body: Silence },
        400: { description: 'nothing named, or a time that cannot be' },
        403: { description: 'of all devices, by somebody who may do this for some groups only' },
        404: { description: 'no such device or group, or not in reach' },
        422: { description: 'too many of them' },
      },
      async handler(request) {
        const body = request.body as Static<typeof NewSilence>;
        request.note({ object: targetOf(body) });
        await checkTarget(request, parts, body);
        const { device, group, check, reason } = body;
        const made = await silences.create({
          ...(device === undefined ? {} : { device }),
          ...(group === undefined ? {} : { group }),
          ...(check === undefined ? {} : { check }),
          ...timesOf(body, parts.clock.now()),
          reason,
          by: request.userName,
        });
        request.note({ object: targetOf(body), details: { silence: made.id, check, ends: made.ends, reason } });
        return { status: 201, body: made, headers: { Location: `${base}/silences/${made.id}` } };
      },
    },
    {
      method: 'DELETE',
      path: `${base}/silences/{silence}`,
      access: respond,
      confined: 'handler',
      summary: 'End a silence now: people are told of what is still not OK',
      audit: 'silence_end',
      responses: { 204: { description: 'it is over' }, 404: { description: 'no such silence, or not in reach' } },
      async handler(request) {
        const id = request.params['silence'] ?? '';
        const silence = await silences.get(id);
        if (!silence) throw new CodedError('not_found', 'silence not found');
        request.note({ object: targetOf(silence), details: { silence: id } });
        await checkTarget(request, parts, silence);
        await silences.end(id, request.userName);
        notifier.wake();
        return { status: 204 };
      },
    },
  ];
}

const targetOf = ({ device, group }: { device?: string; group?: string }) =>
  device !== undefined
    ? { type: 'device', id: device }
    : group !== undefined
      ? { type: 'group', id: group }
      : { type: 'fleet', id: 'fleet' };

/** Whoever may do this in some groups only names a device or a group of these. */
async function checkTarget(
  { reach }: ServerRequest,
  { host }: Parts,
  { device, group, check }: { device?: string; group?: string; check?: string },
): Promise<void> {
  if (device === undefined && group === undefined && check === undefined)
    throw new CodedError('bad_request', 'device, group, check: name one of them at least');
  if (reach !== 'all' && device === undefined && group === undefined)
    throw new CodedError('forbidden', `your roles include the permission ${respond} for some groups of devices only`);
  if (device !== undefined) {
    const groups = reach === 'all' ? [] : await host.groupsOf(device);
    if (!(await host.hasDevice(device)) || (reach !== 'all' && !groups.some((name) => reach.includes(name))))
      throw new CodedError('not_found', 'device not found');
  }
  if (group !== undefined && (!(await host.hasGroup(group)) || (reach !== 'all' && !reach.includes(group))))
    throw new CodedError('not_found', 'group not found');
}

function timesOf({ starts, ends, minutes }: Static<typeof NewSilence>, now: number): { starts: Date; ends: Date } {
  if ((ends === undefined) === (minutes === undefined))
    throw new CodedError('bad_request', 'ends, minutes: one of them is wanted');
  const from = starts === undefined ? now : Date.parse(timeOf('starts', starts) ?? '');
  const to = ends === undefined ? from + (minutes ?? 0) * 60_000 : Date.parse(timeOf('ends', ends) ?? '');
  if (to <= now || to <= from) throw new CodedError('bad_request', 'ends: must be later than now, and than starts');
  if (to - now > longestSilence) throw new CodedError('bad_request', 'ends: at most a year from now');
  return { starts: new Date(from), ends: new Date(to) };
}

function filterOf({ query }: ServerRequest): Filter {
  const { level, state, group, check, device } = query as Record<string, string | undefined>;
  const wanted = level === undefined || level === '' ? undefined : level.split(',');
  const unknown = wanted?.find((one) => !(levels as readonly string[]).includes(one));
  if (unknown !== undefined)
    throw new CodedError('bad_request', `level: ${unknown} is none: take ${levels.slice(1).join(', ')}, with commas`);
  return {
    ...(wanted ? { levels: wanted } : {}),
    ...(state === undefined ? {} : { state: state as (typeof states)[number] }),
    ...(group === undefined ? {} : { group }),
    ...(check === undefined ? {} : { check }),
    ...(device === undefined ? {} : { device }),
  };
}
