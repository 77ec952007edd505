import { randomUUID } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { CodedError, messageOf } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { OneOf } from '#proto/http/conventions';
import type { Level } from '../alert.ts';
import { base, Channel, channelKinds, Delivery, deliveryStates, MonitorSettings } from '../answers.ts';
import { type Content, type Known, shownOf, type Target } from './channels.ts';
import { noticeOf } from './notice.ts';
import { pageHeaders, pageOf, PageQuery } from './paging.ts';
import type { Parts } from './parts.ts';
import { SettingsChange } from './settings.ts';

const access = 'settings:manage';

const bad = ['WARNING', 'CRITICAL', 'CRITICAL_FLAPPING', 'UNKNOWN'] as const satisfies readonly Level[];
const fields = {
  enabled: Type.Optional(Type.Boolean()),
  /** Mailboxes, of e-mail. */
  to: Type.Optional(Type.Array(Type.String({ minLength: 3, maxLength: 256 }), { minItems: 1, maxItems: 50 })),
  url: Type.Optional(Type.String({ minLength: 8, maxLength: 2048 })),
  /** Hex; of a webhook, whose body is signed with it. An empty one takes it away. */
  secret: Type.Optional(Type.String({ pattern: '^([0-9a-fA-F]{2}){0,128}$' })),
  /** Only of devices in one of these groups; none: of all. */
  groups: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{1,256}$' }), { maxItems: 100 })),
  levels: Type.Optional(Type.Array(OneOf(bad), { maxItems: 4 })),
  /** Only of these checks; `disk_*`: all that begin so. */
  checks: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 100 })),
  /** Whether it is told when a check is OK again; default true. */
  recoveries: Type.Optional(Type.Boolean()),
};
const Name = Type.String({ minLength: 1, maxLength: 128 });
const NewChannel = Type.Object({ name: Name, kind: OneOf(channelKinds), ...fields }, { additionalProperties: false });
const ChannelChange = Type.Object({ name: Type.Optional(Name), ...fields }, { additionalProperties: false });
type Change = Static<typeof ChannelChange>;

/** Who is told, how it went, and what is set for the whole server: for administrators. */
export function channelRoutes(parts: Parts): ServerRoute[] {
  const { channels } = parts;
  const missing = { 404: { description: 'no such channel' } };
  const refused = {
    400: { description: 'a target that this server does not go to' },
    409: { description: 'the name is taken' },
  };
  const noted = (request: ServerRequest, { id, name, kind }: Known) => {
    request.note({ object: { type: 'channel', id }, details: { name, kind } });
  };
  return [
    {
      method: 'GET',
      path: `${base}/channels`,
      access,
      summary: 'Where notifications go besides the mailboxes of users',
      responses: { 200: { description: 'channels, by name', body: Type.Array(Channel) } },
      handler: async () => ({ status: 200, body: (await channels.list()).map(shownOf) }),
    },
    {
      method: 'POST',
      path: `${base}/channels`,
      access,
      summary: 'Have notifications sent to mailboxes, a webhook, or a chat',
      audit: 'channel_create',
      body: NewChannel,
      responses: { 201: { description: 'made', body: Channel }, ...refused, 422: { description: 'too many' } },
      async handler(request) {
        const { name, kind, ...given } = request.body as Static<typeof NewChannel>;
        request.note({ object: { type: 'channel', id: name } });
        const made = await channels.create(contentOf({ ...nothing, name, kind }, given));
        noted(request, made);
        return { status: 201, body: shownOf(made), headers: { Location: `${base}/channels/${made.id}` } };
      },
    },
    {
      method: 'GET',
      path: `${base}/channels/{channel}`,
      access,
      summary: 'A channel, without its secrets',
      responses: { 200: { description: 'the channel', body: Channel }, ...missing },
      handler: async ({ params }) => ({ status: 200, body: shownOf(await channels.get(params['channel'] ?? '')) }),
    },
    {
      method: 'PATCH',
      path: `${base}/channels/{channel}`,
      access,
      summary: 'Change a channel; what is not named stays',
      audit: 'channel_update',
      body: ChannelChange,
      responses: { 200: { description: 'as it is now', body: Channel }, ...refused, ...missing },
      async handler(request) {
        const id = request.params['channel'] ?? '';
        request.note({ object: { type: 'channel', id } });
        const before = await channels.get(id);
        const change = request.body as Change;
        const target = [change.to, change.url, change.secret].some((one) => one !== undefined);
        const after = await channels.update(id, contentOf(before, change), target);
        noted(request, after);
        return { status: 200, body: shownOf(after) };
      },
    },
    {
      method: 'DELETE',
      path: `${base}/channels/{channel}`,
      access,
      summary: 'Remove a channel, and what waits for it',
      audit: 'channel_delete',
      responses: { 204: { description: 'removed' }, ...missing },
      async handler(request) {
        const id = request.params['channel'] ?? '';
        request.note({ object: { type: 'channel', id } });
        noted(request, await channels.get(id));
        await channels.remove(id);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${base}/channels/{channel}/test`,
      access,
      summary: 'Send a channel a notification now that says that it is a test',
      audit: 'channel_test',
      responses: {
        200: {
          description: 'how it went',
          body: Type.Object({ sent: Type.Boolean(), error: Type.Optional(Type.String()) }),
        },
        ...missing,
      },
      async handler(request) {
        const id = request.params['channel'] ?? '';
        request.note({ object: { type: 'channel', id } });
        const channel = await channels.get(id);
        noted(request, channel);
        try {
          await channels.send(channel, randomUUID(), testNotice(parts, request.userName));
          return { status: 200, body: { sent: true } };
        } catch (error) {
          return { status: 200, body: { sent: false, error: messageOf(error).slice(0, 256) } };
        }
      },
    },
    ...settingsRoutes(parts),
  ];
}

function settingsRoutes({ host, messages, notifier, settings }: Parts): ServerRoute[] {
  const whole = async () => ({ ...(await settings.get()), mail_configured: host.mail !== undefined });
  return [
    {
      method: 'GET',
      path: `${base}/deliveries`,
      access,
      summary: 'What was sent within the last seven days, what waits, and how it went; the newest first',
      query: Type.Object({
        ...PageQuery,
        channel: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
        state: Type.Optional(OneOf(deliveryStates)),
      }),
      responses: {
        200: { description: 'a page; X-Total-Count says how many there are', body: Type.Array(Delivery) },
        400: { description: 'bad page' },
      },
      async handler(request) {
        const page = pageOf(request.query);
        const { found, total } = await messages.list(request.query, page);
        return { status: 200, body: found, headers: pageHeaders(request, page, total) };
      },
    },
    {
      method: 'GET',
      path: `${base}/settings`,
      access,
      summary: 'What is set for all devices: e-mails, how long alerts are kept, when a device is offline, grouping',
      responses: { 200: { description: 'settings', body: MonitorSettings } },
      handler: async () => ({ status: 200, body: await whole() }),
    },
    {
      method: 'PATCH',
      path: `${base}/settings`,
      access,
      summary: 'Change what is set for all devices; what is not named stays',
      audit: 'monitor_settings',
      body: SettingsChange,
      responses: { 200: { description: 'as it is now', body: MonitorSettings } },
      async handler(request) {
        const change = request.body as SettingsChange;
        await settings.change(change);
        request.note({ object: { type: 'settings', id: 'monitor' }, details: change });
        notifier.wake();
        return { status: 200, body: await whole() };
      },
    },
  ];
}

const nothing: Omit<Content, 'name' | 'kind'> = {
  enabled: true,
  target: {},
  groups: [],
  levels: [],
  checks: [],
  recoveries: true,
};

function contentOf(before: Content, { to, url, secret, ...given }: Change): Content {
  const { name, kind, enabled, groups, levels, checks, recoveries } = before;
  const target: Target = {
    ...before.target,
    ...(to ? { to } : {}),
    ...(url === undefined ? {} : { url }),
    ...(secret ? { secret } : {}),
  };
  const { secret: _, ...unsigned } = target;
  if (url === '') throw new CodedError('bad_request', 'url: is wanted');
  return {
    name,
    kind,
    enabled,
    groups,
    levels,
    checks,
    recoveries,
    ...given,
    target: secret === '' ? unsigned : target,
  };
}

/** What a test says: no device is unwell. */
function testNotice({ clock }: Parts, by: string) {
  const ts = new Date(clock.now()).toISOString();
  const details = { description: `${by} has sent this to see that it arrives. No device is unwell.` };
  const subject = { name: 'test', type: 'test', status: 'test', details };
  const change = { seq: 1, device_id: 'no-device', key: 'test', name: 'Test', level: 'OK', before: 'OK', ts } as const;
  return noticeOf([change], new Map([[1, JSON.stringify({ subject })]]));
}
