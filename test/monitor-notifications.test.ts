// Who is told of alerts, of how many at once, and how: real mail and web servers at the other end (MON-19).
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Kysely } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Tables } from '../addons/monitor/server/tables.ts';
import { networksOf } from '../server/http/proxies.ts';
import { admin, databaseFor, stage, type Stage, usualDatabase } from '../server/stage.ts';
import { openStore } from '../server/store/store.ts';
import { Mailbox } from './stage/mailbox.ts';

const base = '/api/management/v1/patchbay/monitor';
const emailStatus = '/api/management/v1/devicemonitor/settings/global/channel/alerts/email/status';

interface Hook {
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, unknown>;
}

function alert(level: string, name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const details = { description: `${name} since now` };
  const subject = { name: 'nginx', type: 'systemd', status: level === 'OK' ? 'running' : 'not-running', details };
  return { name, level, timestamp: '2022-12-01T14:01:01Z', subject, ...more };
}

describe.each([usualDatabase])('notifications on %s', (database) => {
  let server: Stage;
  let token = '';
  let mailbox: Mailbox;
  let target: Server;
  let url = '';
  let hooks: Hook[] = [];
  /** Paths that answer something else than 200. */
  const answers = new Map<string, number>();
  let heard: () => void = () => undefined;

  beforeAll(async () => {
    mailbox = await Mailbox.open();
    target = createServer((req, res) => {
      void (async () => {
        hooks.push({ path: req.url ?? '', body: await text(req), headers: req.headers });
        res.writeHead(answers.get(req.url ?? '') ?? 200).end();
        heard();
      })();
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
    server = await stage({
      database: await databaseFor(database),
      mail: { url: mailbox.url, from: 'Patchbay <no-reply@patchbay.example>' },
      webhookNetworks: networksOf('x', '127.0.0.1'),
      publicUrl: 'https://patchbay.example',
    });
    token = await server.login();
    await grouping(0);
    // A user with no right to read devices is told nothing.
    await server.addUser('nobody@example.com', []);
  });
  afterAll(async () => {
    await server.close();
    await mailbox[Symbol.asyncDispose]();
    target.close();
  });
  beforeEach(async () => {
    for (const { id } of (await call('GET', `${base}/channels`)).body as { id: string }[])
      await call('DELETE', `${base}/channels/${id}`);
    mailbox.letters.length = 0;
    hooks = [];
    answers.clear();
  });

  const call = (method: string, path: string, body?: unknown) =>
    server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
  async function posted(device: { token: string }, ...alerts: unknown[]): Promise<void> {
    const { status } = await server.call('POST', '/api/devices/v1/devicemonitor/alert', {
      token: device.token,
      body: alerts,
    });
    expect(status).toBe(204);
  }
  async function channel(kind: string, more: Record<string, unknown> = {}): Promise<string> {
    const given = { name: `${kind} ${Math.random()}`, kind, ...(kind === 'email' ? {} : { url: `${url}/${kind}` }) };
    const { status, body, text } = await call('POST', `${base}/channels`, { ...given, ...more });
    expect([status, text]).toEqual([201, expect.any(String)]);
    return (body as { id: string }).id;
  }
  async function hooksUntil(count: number, path?: string): Promise<Hook[]> {
    const found = () => (path === undefined ? hooks : hooks.filter((hook) => hook.path === path));
    while (found().length < count) await new Promise<void>((resolve) => (heard = resolve));
    return found();
  }
  async function deliveries(query: string, enough: (found: Record<string, unknown>[]) => boolean) {
    for (;;) {
      const found = (await call('GET', `${base}/deliveries?per_page=500&${query}`)).body as Record<string, unknown>[];
      if (enough(found)) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const into = async (device: { id: string }, group: string): Promise<void> =>
    void (await call('PUT', `/api/management/v1/inventory/devices/${device.id}/group`, { group }));
  const grouping = (group_seconds: number) => call('PATCH', `${base}/settings`, { group_seconds });
  const emails = (enabled: boolean) => call('PUT', emailStatus, { enabled });

  it('by e-mail go to those who may read the device and nobody else, as the original words them (MON-19)', async () => {
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'Service nginx not running'));
    const [letter] = await mailbox.until(1);
    expect(letter).toMatchObject({
      from: 'no-reply@patchbay.example',
      to: [admin],
      subject: `CRITICAL: Monitor Alert for Service nginx not running on ${device.id}`,
    });
    // In Bcc: nobody sees who else was told.
    expect(letter?.headers).not.toContain(admin);
    expect(letter?.headers).toMatch(/^Content-Type: multipart\/alternative/im);
    expect(letter?.body).toContain('Time on device: Thu, 01 Dec 2022 14:01:01 UTC');
    expect(letter?.body).toContain(`https://patchbay.example/devices/${device.id}`);
    expect(letter?.body).toContain('<html>');
    await posted(device, alert('OK', 'Service nginx not running', { timestamp: '2022-12-01T14:02:00Z' }));
    const [, recovery] = await mailbox.until(2);
    expect(recovery?.subject).toBe(`OK: Monitor Alert for Service nginx not running on ${device.id}`);
  });

  it('by e-mail name the group, and reach whoever is confined to it with what is his only', async () => {
    const [mine, theirs] = [await server.addDevice(), await server.addDevice()];
    await into(mine, 'paint-shop');
    await into(theirs, 'foundry');
    const grants = [{ permission: 'devices:read', groups: ['paint-shop'] }];
    await call('POST', '/api/management/v1/patchbay/roles', { name: 'painter', grants });
    await server.addUser('painter@example.com', ['painter']);
    await grouping(3);
    await posted(mine, alert('CRITICAL', 'Robot stuck'));
    await posted(theirs, alert('CRITICAL', 'Robot stuck'));
    const letters = await mailbox.until(2);
    await grouping(0);
    const [ofAll] = letters.filter(({ to }) => to.includes(admin));
    const [ofPainter] = letters.filter(({ to }) => to.includes('painter@example.com'));
    expect(ofAll?.subject).toBe('CRITICAL: Monitor Alert for Robot stuck on 2 devices');
    expect(ofPainter?.subject).toBe(`CRITICAL: Monitor Alert for Robot stuck on ${mine.id} in group: paint-shop`);
    expect(ofPainter?.body).not.toContain(theirs.id);
    expect(ofAll?.body).toContain(theirs.id);
  });

  it('by e-mail can be switched off, and then there are none (MON-19)', async () => {
    const [device, id] = [await server.addDevice(), await channel('webhook')];
    expect((await emails(false)).body).toEqual({ enabled: false });
    expect((await call('GET', emailStatus)).body).toEqual({ enabled: false });
    await posted(device, alert('CRITICAL', 'Switched off'));
    await deliveries(`channel=${id}&state=sent`, (found) => found.length === 1);
    expect(mailbox.letters).toEqual([]);
    await emails(true);
  });

  it('hold nothing of a device that would be markup, a header or another recipient', async () => {
    const device = await server.addDevice();
    const name = 'bad\r\nBcc: thief@example.com\r\n\r\n<script>alert(1)</script> \u{1f4a5}';
    const lines = [{ line_number: 7, data: '<b>before</b>' }];
    const details = {
      description: '<img src=x>',
      lines_before: lines,
      line_matching: { line_number: 8, data: 'hit & run' },
    };
    await posted(
      device,
      alert('CRITICAL', name, { subject: { name: 'l', type: 'log', status: 'LOGCONTAINS', details } }),
    );
    const [letter] = await mailbox.until(1);
    expect(letter?.to).toEqual([admin]);
    expect(letter?.subject).toContain('bad Bcc: thief@example.com <script>alert(1)</script> \u{1f4a5} on');
    const html = letter?.body.slice(letter.body.indexOf('<!doctype')) ?? '';
    expect(html).toContain('&#60;script&#62;');
    expect(html).not.toMatch(/<script|<img|<b>before/);
    expect(letter?.body).toContain('> 8: hit & run');
  });

  it('of many devices at once are one message, and so are the recoveries', async () => {
    await emails(false);
    const id = await channel('webhook', { secret: 'c0ffee' });
    await grouping(3);
    const devices: Awaited<ReturnType<Stage['addDevice']>>[] = [];
    for (let n = 0; n < 52; n++) devices.push(await server.addDevice());
    const all = (level: string, timestamp: string) =>
      Promise.all(devices.map((device) => posted(device, alert(level, 'Broker unreachable', { timestamp }))));
    await all('CRITICAL', '2022-12-01T14:01:01Z');
    const [first] = await hooksUntil(1);
    const { data, type } = JSON.parse(first?.body ?? '') as { type: string; data: Record<string, unknown> };
    expect(type).toBe('monitor-alerts');
    expect(data).toMatchObject({
      summary: 'CRITICAL: Monitor Alert for Broker unreachable on 52 devices',
      recovery: false,
      alerts_total: 52,
      devices_total: 52,
      not_listed: 2,
    });
    expect(data['alerts']).toHaveLength(50);
    const signature = createHmac('sha256', Buffer.from('c0ffee', 'hex'))
      .update(first?.body ?? '')
      .digest('hex');
    expect(first?.headers).toMatchObject({ 'x-men-signature': signature, 'content-type': 'application/json' });
    await all('OK', '2022-12-01T14:02:00Z');
    const [, second] = await hooksUntil(2);
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ data: { recovery: true, alerts_total: 52 } });
    const log = await deliveries(`channel=${id}`, (found) => found.every(({ state }) => state === 'sent'));
    expect(log.map(({ devices, tries, error }) => [devices, tries, error])).toEqual([
      [52, 1, undefined],
      [52, 1, undefined],
    ]);
    await grouping(0);
    await emails(true);
  });

  it('go to the channels that ask for this level, check and group', async () => {
    await emails(false);
    await channel('webhook', { url: `${url}/warnings`, levels: ['WARNING'] });
    await channel('webhook', { url: `${url}/disks`, checks: ['disk_*'] });
    await channel('webhook', { url: `${url}/lab`, groups: ['lab'] });
    await channel('webhook', { url: `${url}/no-recoveries`, checks: ['load'], recoveries: false });
    await channel('webhook', { url: `${url}/off`, enabled: false });
    const [lab, field] = [await server.addDevice(), await server.addDevice()];
    await into(lab, 'lab');
    await posted(lab, alert('CRITICAL', 'Disk full', { check: 'disk_root' }));
    await posted(field, alert('WARNING', 'Load high', { check: 'load' }));
    await hooksUntil(4);
    await posted(field, alert('OK', 'Load high', { check: 'load', timestamp: '2022-12-01T14:02:00Z' }));
    await hooksUntil(5);
    const told = hooks.map(({ path, body }) => {
      const { data } = JSON.parse(body) as { data: { level: string; name: string } };
      return `${path} ${data.level} ${data.name}`;
    });
    expect(told.sort()).toEqual([
      '/disks CRITICAL Disk full',
      '/lab CRITICAL Disk full',
      '/no-recoveries WARNING Load high',
      '/warnings OK Load high',
      '/warnings WARNING Load high',
    ]);
    await emails(true);
  });

  it('in a chat are as Slack, Mattermost and Teams take them, and call nobody together', async () => {
    await emails(false);
    await channel('slack');
    await channel('teams');
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'Look <!channel> @all *bold*'));
    await hooksUntil(2);
    const bodyAt = (path: string) => hooks.find((hook) => hook.path === path)?.body ?? '';
    const slack = JSON.parse(bodyAt('/slack')) as { text: string; attachments: { color: string; text: string }[] };
    expect(slack.text).toContain('CRITICAL: Monitor Alert for Look &lt;!channel&gt; @\u200ball');
    expect(slack.attachments[0]).toMatchObject({
      color: 'danger',
      text: expect.stringContaining(`/devices/${device.id}|`),
    });
    const teams = JSON.parse(bodyAt('/teams')) as {
      attachments: { contentType: string; content: { body: { text: string }[] } }[];
    };
    expect(teams.attachments[0]?.contentType).toBe('application/vnd.microsoft.card.adaptive');
    expect(teams.attachments[0]?.content.body[0]?.text).toContain(String.raw`\*bold\*`);
    await emails(true);
  });

  it('are tried again, and one channel that fails holds up no other', async () => {
    await emails(false);
    const bad = await channel('webhook', { url: `${url}/bad` });
    const good = await channel('webhook', { url: `${url}/good` });
    answers.set('/bad', 503);
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'Trouble twice'));
    await hooksUntil(1, '/good');
    await hooksUntil(1, '/bad');
    const [waiting] = await deliveries(`channel=${bad}&state=waiting`, ([one]) => one?.['tries'] === 1);
    expect(waiting).toMatchObject({ error: 'the answer was 503', due_ts: expect.any(String) });
    // A stop does not forget it, and what was sent is not sent again.
    answers.clear();
    await server.restart();
    const [sent] = await deliveries(`channel=${bad}&state=sent`, (found) => found.length === 1);
    expect(sent).toMatchObject({ tries: 2 });
    expect(await deliveries(`channel=${good}`, () => true)).toHaveLength(1);
    const ids = hooks.filter(({ path }) => path === '/bad').map(({ body }) => (JSON.parse(body) as { id: string }).id);
    expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
    await emails(true);
  }, 60_000);

  it('are not made of what is silenced, until the silence is over', async () => {
    await emails(false);
    await channel('webhook');
    const [quiet, loud] = [await server.addDevice(), await server.addDevice()];
    const body = { device: quiet.id, minutes: 60, reason: 'maintenance' };
    const { id } = (await call('POST', `${base}/silences`, body)).body as { id: string };
    const short = (timestamp: string) => alert('OK', 'Short', { check: 'short', timestamp });
    await posted(quiet, alert('CRITICAL', 'Long', { check: 'long' }), alert('CRITICAL', 'Short', { check: 'short' }));
    await posted(loud, alert('CRITICAL', 'Loud'));
    await hooksUntil(1);
    await posted(quiet, short('2022-12-01T14:02:00Z'));
    await call('DELETE', `${base}/silences/${id}`);
    await hooksUntil(2);
    expect(hooks.map(({ body }) => (JSON.parse(body) as { data: { name: string } }).data.name)).toEqual([
      'Loud',
      'Long',
    ]);
    await emails(true);
  });

  it('to a channel can be tried out, and its secrets are not shown', async () => {
    const id = await channel('webhook', { secret: 'c0ffee' });
    expect((await call('POST', `${base}/channels/${id}/test`)).body).toEqual({ sent: true });
    expect(JSON.parse(hooks[0]?.body ?? '')).toMatchObject({ data: { name: 'Test', level: 'OK' } });
    answers.set('/webhook', 404);
    expect((await call('POST', `${base}/channels/${id}/test`)).body).toEqual({
      sent: false,
      error: 'the answer was 404',
    });
    const mail = await channel('email', { to: ['team@example.com'] });
    expect((await call('POST', `${base}/channels/${mail}/test`)).body).toEqual({ sent: true });
    expect((await mailbox.until(1))[0]?.to).toEqual(['team@example.com']);
    const slack = await channel('slack', { url: `${url}/services/secret-part` });
    const { text } = await call('GET', `${base}/channels`);
    expect(text).not.toMatch(/c0ffee|secret-part/);
    const changed = await call('PATCH', `${base}/channels/${id}`, { secret: '', enabled: false });
    expect(changed.body).toMatchObject({ has_secret: false, enabled: false, url: `${url}/webhook` });
    expect((await call('GET', `${base}/channels/${slack}`)).body).toMatchObject({ url: `${url}/…` });
  });

  it('to a channel cannot be read from the database alone, and without the key file nothing is sent, which is said', async () => {
    const hook = await channel('webhook', { secret: 'c0ffee' });
    const chat = await channel('slack', { url: `${url}/services/secret-part` });
    const db = await openStore(server.data, server.database);
    const tables = db as unknown as Kysely<Tables>;
    const stored = () => tables.selectFrom('addon_monitor_channels').select(['id', 'target']).execute();
    expect((await stored()).map(({ target }) => target).join(' ')).not.toMatch(/c0ffee|secret-part|http/);
    // One of an older version is as it was until the server starts.
    const target = JSON.stringify({ url: `${url}/services/old-part` });
    await tables.updateTable('addon_monitor_channels').set({ target }).where('id', '=', chat).execute();
    expect((await call('POST', `${base}/channels/${chat}/test`)).body).toEqual({ sent: true });
    await server.restart();
    await expect.poll(async () => JSON.stringify(await stored()), { timeout: 20_000 }).not.toContain('old-part');
    await db.destroy();
    hooks = [];
    expect((await call('POST', `${base}/channels/${chat}/test`)).body).toEqual({ sent: true });
    expect(hooks.map(({ path }) => path)).toEqual(['/services/old-part']);
    const key = join(server.data, 'keys', 'database.key');
    await rename(key, `${key}.away`);
    const listed = (await call('GET', `${base}/channels`)).body as { id: string; url?: string; problem?: string }[];
    expect(listed.map(({ problem }) => problem)).toEqual(
      [hook, chat].map(() => expect.stringMatching(/cannot be read: the key file .* is missing/)),
    );
    expect((await call('POST', `${base}/channels/${hook}/test`)).body).toMatchObject({
      sent: false,
      error: expect.stringContaining('key file'),
    });
    // It is switched off all the same, and keeps what it has.
    expect((await call('PATCH', `${base}/channels/${hook}`, { enabled: false })).status).toBe(200);
    await rename(`${key}.away`, key);
    expect((await call('GET', `${base}/channels/${hook}`)).body).toMatchObject({
      url: `${url}/webhook`,
      has_secret: true,
      enabled: false,
    });
  }, 60_000);

  it.each([
    ['a private network', { kind: 'webhook', url: 'http://10.0.0.1/' }],
    ['no web address', { kind: 'slack', url: 'ftp://example.com/x' }],
    ['no address', { kind: 'webhook' }],
    ['no mailbox', { kind: 'email' }],
    ['a mailbox that is none', { kind: 'email', to: ['a@b, c@d'] }],
    ['a secret where nothing is signed', { kind: 'teams', url: 'https://example.com/', secret: '00' }],
  ])('have no channel to %s', async (_, given) => {
    expect((await call('POST', `${base}/channels`, { name: 'x', ...given })).status).toBe(400);
  });

  // Last of all: after it nothing is planned for a while.
  it('of many names at once are a few messages and one of all the rest', async () => {
    await emails(false);
    await channel('webhook');
    const device = await server.addDevice();
    await posted(device, ...Array.from({ length: 200 }, (_, n) => alert('CRITICAL', `Trouble ${n}`)));
    const found = (await hooksUntil(21)).map(
      ({ body }) => (JSON.parse(body) as { data: { alerts_total: number } }).data,
    );
    const totals = found.map(({ alerts_total }) => alerts_total);
    expect(totals.reduce((sum, n) => sum + n, 0)).toBe(200);
    expect(Math.max(...totals)).toBe(180);
    await emails(true);
  });
});
