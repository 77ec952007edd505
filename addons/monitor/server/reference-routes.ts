import { type Static, Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { Alerts } from '../alert.ts';
import { Kept } from '../answers.ts';
import { AssignedChecks, ReportedCheck } from '../check.ts';
import { assigned } from './check-layers.ts';
import { pageHeaders, pageOf, PageQuery } from './paging.ts';
import type { Parts } from './parts.ts';

const own = '/api/devices/v1/devicemonitor';
const management = '/api/management/v1/devicemonitor';
const ofDevice = `${management}/devices/{id}`;
const emailStatus = `${management}/settings/global/channel/alerts/email/status`;

const Config = Type.Array(ReportedCheck, { maxItems: 1000 });
const Bounds = Type.Object({
  ...PageQuery,
  issued_after: Type.Optional(Type.String({ maxLength: 64 })),
  issued_before: Type.Optional(Type.String({ maxLength: 64 })),
  sort_ascending: Type.Optional(Type.String({ maxLength: 8 })),
});
const EmailStatus = Type.Object({ enabled: Type.Boolean() });

/** The device of the path, which the audit log names. Throws 404. */
export async function deviceOf(request: ServerRequest, { host }: Pick<Parts, 'host'>): Promise<string> {
  const id = request.params['id'] ?? '';
  request.note({ object: { type: 'device', id } });
  if (!(await host.hasDevice(id))) throw new CodedError('not_found', 'device not found');
  return id;
}

/** What devices ask: the original's two, and one of ours (`checks`). */
export function deviceRoutes(parts: Parts): ServerRoute[] {
  const { intake, reports, layers } = parts;
  return [
    {
      method: 'POST',
      path: `${own}/alert`,
      access: 'device',
      summary:
        'Alerts of this device, in the order in which they arose; those whose ids are known are taken for granted',
      body: Alerts,
      responses: {
        204: { description: 'all of them are kept' },
        400: { description: 'one of them is malformed: nothing is kept' },
        413: { description: 'more than 1 MiB: send fewer at once' },
        429: { description: 'too many at once: try again later' },
      },
      async handler({ deviceId, body }) {
        await intake.take(deviceId, body as Static<typeof Alerts>);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${own}/config`,
      access: 'device',
      summary: 'What this device watches; takes the place of what it said before',
      body: Config,
      responses: { 204: { description: 'stored' }, 400: { description: 'malformed: nothing is stored' } },
      async handler({ deviceId, body }) {
        await reports.report(deviceId, body as ReportedCheck[]);
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: `${own}/checks`,
      access: 'device',
      summary: 'The checks that this device is to make: those of the fleet, of its groups, and its own',
      responses: {
        200: { description: 'all of them; ETag is the version in quotes', body: AssignedChecks },
        304: { description: 'the version of If-None-Match is the newest' },
      },
      async handler({ deviceId, req }) {
        const answer = assigned(await layers.effective(deviceId));
        await reports.asked(deviceId, answer.version);
        const headers = { ETag: `"${answer.version}"`, 'Cache-Control': 'no-cache' };
        const known = req.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
        if (known?.includes(headers.ETag)) return { status: 304, headers };
        return { status: 200, body: answer, headers };
      },
    },
  ];
}

/** What the original's management API answers (add-ons.md §6.6). */
export function referenceRoutes(parts: Parts): ServerRoute[] {
  const { standings, history, reports, settings } = parts;
  const missing = { 404: { description: 'no such device' } };
  return [
    {
      method: 'GET',
      path: `${ofDevice}/alerts`,
      access: 'devices:read',
      confined: 'device',
      summary: 'Alerts of a device by its own clock, the newest first',
      query: Bounds,
      responses: {
        200: { description: 'a page; X-Total-Count says how many there are', body: Type.Array(Kept) },
        400: { description: 'bad page or time' },
        ...missing,
      },
      async handler(request) {
        const id = await deviceOf(request, parts);
        const page = pageOf(request.query);
        const { issued_after, issued_before, sort_ascending } = request.query as Record<string, string | undefined>;
        const bounds = {
          after: timeOf('issued_after', issued_after),
          before: timeOf('issued_before', issued_before),
          ascending: truth('sort_ascending', sort_ascending),
        };
        const { found, total } = await history.ofDevice(id, bounds, page);
        return { status: 200, body: found, headers: pageHeaders(request, page, total) };
      },
    },
    {
      method: 'GET',
      path: `${ofDevice}/alerts/latest`,
      access: 'devices:read',
      confined: 'device',
      summary: 'The newest alert of each check of a device',
      query: Type.Object(PageQuery),
      responses: {
        200: { description: 'a page; X-Total-Count says how many there are', body: Type.Array(Kept) },
        400: { description: 'bad page' },
        ...missing,
      },
      async handler(request) {
        const id = await deviceOf(request, parts);
        const page = pageOf(request.query);
        const { found, total } = await standings.latest(id, page);
        return { status: 200, body: found, headers: pageHeaders(request, page, total) };
      },
    },
    {
      method: 'GET',
      path: `${ofDevice}/config`,
      access: 'devices:read',
      confined: 'device',
      summary: 'What a device says it watches',
      responses: { 200: { description: 'its checks', body: Config }, ...missing },
      handler: async (request) => ({ status: 200, body: await reports.config(await deviceOf(request, parts)) }),
    },
    {
      method: 'GET',
      path: emailStatus,
      access: 'settings:manage',
      summary: 'Whether users are told of alerts by e-mail',
      responses: { 200: { description: 'on or off', body: EmailStatus } },
      handler: async () => ({ status: 200, body: { enabled: (await settings.get()).email } }),
    },
    {
      method: 'PUT',
      path: emailStatus,
      access: 'settings:manage',
      summary: 'Have users told of alerts by e-mail, or not',
      audit: 'monitor_settings',
      body: EmailStatus,
      responses: { 200: { description: 'done', body: EmailStatus } },
      async handler(request) {
        const { enabled } = request.body as { enabled: boolean };
        await settings.change({ email: enabled });
        request.note({ object: { type: 'settings', id: 'monitor' }, details: { email: enabled } });
        return { status: 200, body: { enabled } };
      },
    },
  ];
}

/** Seconds since the epoch, or RFC 3339; as the database spells it. */
export function timeOf(name: string, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const time = /^\d{1,11}(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15)
    throw new CodedError('bad_request', `${name}: ${text} is no time: RFC 3339, or seconds since 1970`);
  return new Date(time).toISOString();
}

function truth(name: string, text: string | undefined): boolean {
  if (text === undefined || text === '' || text === 'false') return false;
  if (text === 'true') return true;
  throw new CodedError('bad_request', `${name}: true or false is wanted`);
}
