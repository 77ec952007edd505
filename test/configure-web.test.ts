// The settings of a device on its page: a real server and Chromium; the device is a test's, so that it does what is to be seen.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { admin, password, stage, type Stage } from '../server/stage.ts';
import { buildPages, describeBrowser, Person } from './stage/person.ts';

const base = '/api/management/v1/patchbay/configuration';

describeBrowser('the settings of a device on its page', (executable) => {
  let server: Stage;
  let person: Person;
  let token = '';
  let device: { id: string; token: string };
  let pictures: string;

  beforeAll(async () => {
    await buildPages();
    pictures = process.env['PATCHBAY_PICTURES'] ?? (await mkdtemp(join(tmpdir(), 'patchbay-pictures-')));
    server = await stage();
    token = await server.login();
    device = await server.addDevice({ mac: 'pump-7' });
    await call('PATCH', '/api/management/v1/patchbay/groups/hall/devices', [device.id]);
    await call('PATCH', `${base}/fleet`, { set: { ntp_servers: 'ntp.example', timezone: 'UTC' } });
    await call('PATCH', `${base}/groups/hall`, { set: { timezone: 'Europe/Berlin' } });
    const properties = {
      timezone: { enum: ['UTC', 'Europe/Berlin', 'Europe/Paris'], title: 'Time zone' },
      port: { type: 'integer', minimum: 1 },
      psk: { writeOnly: true, minLength: 8 },
    };
    await call('PUT', `${base}/schema`, { properties });
    person = await Person.at(server.url, executable);
  }, 240_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await server?.close();
    if (!process.env['PATCHBAY_PICTURES']) await rm(pictures, { recursive: true, force: true });
  });

  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
    expect([path, answer.status < 300, answer.text.slice(0, 200)]).toEqual([path, true, expect.anything()]);
    return answer.body;
  };
  const report = (body: object) =>
    server.call('PUT', '/api/devices/v1/deviceconfig/configuration', { token: device.token, body });
  /** The device does what it was sent. */
  const update = async (status: string) => {
    const path = '/api/devices/v1/deployments/device/deployments';
    const next = await server.call('GET', `${path}/next?artifact_name=r&device_type=q`, { token: device.token });
    const { id } = next.body as { id: string };
    await server.call('PUT', `${path}/${id}/status`, { token: device.token, body: { status } });
  };
  const row = (key: string) => person.page.locator('.configure-addon tbody tr', { hasText: key });
  const picture = (name: string) =>
    person.page.screenshot({ path: join(pictures, `configure-${name}.png`), fullPage: true });

  it('are seen while it is away: what it is to have, why, what it reports, and since when that differs', async () => {
    await report({ timezone: 'UTC', ntp_servers: 'ntp.example' });
    await person.opens(`/devices/${device.id}`);
    await person.logsIn(admin, password);
    await person.page.getByRole('tab', { name: 'Configuration' }).click();
    await person.sees('Changed, and not sent yet.');
    expect(await row('timezone').innerText()).toMatch(
      /Europe\/Berlin\s+group hall\s+wins over fleet\s+UTC\s+differs since/,
    );
    expect(await row('ntp_servers').innerText()).toMatch(/ntp\.example\s+fleet\s+ntp\.example/);
    await picture('seen');
  });

  it('are changed in a form that the schema draws, sent, and are up to date once the device reports them', async () => {
    await person.presses('Override', row('timezone'));
    await person.page.getByLabel('Value').last().selectOption('Europe/Paris');
    // Of the schema what is not there yet is a press away.
    await person.presses('+ psk');
    await person.page.getByLabel('Value').last().fill('hunter22-psk');
    expect(await person.page.getByLabel('Value').last().getAttribute('type')).toBe('password');
    await picture('form');
    await person.presses('Save and send');
    await person.sees('Saved and sent');
    await person.sees('On its way.');
    await update('success');
    await report({ timezone: 'Europe/Paris', ntp_servers: 'ntp.example', psk: 'hunter22-psk' });
    await person.sees('Up to date.');
    expect(await row('psk').innerText()).toMatch(/\*{8}\s+this device\s+\*{8}/);
    expect(await person.page.content()).not.toContain('hunter22');
  });

  it('a value that the server refuses is told, and what was typed stays', async () => {
    const values = person.page.getByLabel('Value');
    await person.presses('Change');
    await values.first().fill('short'); // of psk
    await person.presses('Save');
    await person.sees('psk: the value must NOT have fewer than 8 characters');
    expect(await values.first().inputValue()).toBe('short');
    await person.presses('Add a setting');
    await person.page.getByLabel('Key').last().fill('psk');
    await person.presses('Save');
    await person.sees('psk is there twice');
    await person.presses('Cancel');
    await person.sees('Up to date.');
  });

  it('that failed say so, lead to the log, and are taken back in one step', async () => {
    await call('PATCH', `${base}/devices/${device.id}`, { set: { port: '99' } });
    await call('POST', `/api/management/v1/deviceconfig/configurations/device/${device.id}/deploy`, {});
    await update('failure');
    await person.page.reload();
    await person.page.getByRole('tab', { name: 'Configuration' }).click();
    await person.sees('Was not applied: the device has what it had before.');
    expect(await person.page.getByRole('link', { name: 'See why' }).getAttribute('href')).toMatch(
      /^\/deployments\/[0-9a-f-]+$/,
    );
    await person.sees('+ port = 99');
    await picture('failed');
    await person.presses('Back to 1');
    await person.sees('The settings of revision 1 again');
    await person.sees('back to 1');
    await person.sees('Up to date.');
    await person.page.emulateMedia({ colorScheme: 'dark' });
    await picture('dark');
    // Nothing is cut off or squeezed on a telephone either.
    await person.page.setViewportSize({ width: 420, height: 900 });
    const cut =
      'document.querySelector(".configure-addon").scrollWidth > document.querySelector(".configure-addon").clientWidth';
    expect(await person.page.evaluate(cut)).toBe(false);
    await picture('dark-narrow');
    await person.page.setViewportSize({ width: 1280, height: 800 });
  });

  it('of a group are a press away from where they show; who differs is listed, and they are changed, sent and taken back', async () => {
    await call('PATCH', `${base}/groups/hall`, { set: { psk: 'hunter22-hall' } });
    await person.page.getByRole('link', { name: 'group hall' }).click();
    await person.page.waitForURL('**/addons/configure?group=hall');
    await person.page.emulateMedia({ colorScheme: 'light' });
    const given = person.page.locator('table.given tbody tr');
    await given.filter({ hasText: 'timezone' }).waitFor();
    expect(await given.allInnerTexts()).toEqual([
      expect.stringMatching(/^psk\s+\*{8}$/),
      expect.stringMatching(/^timezone\s+Time zone\s+Europe\/Berlin$/),
    ]);
    // The device has a time zone and a secret of its own: neither is missed.
    await person.sees('Its one device has what it is to have.');
    await person.presses('Change');
    await person.presses('+ port');
    await person.page.getByLabel('Value').last().fill('8080');
    await person.page.getByLabel('Priority').fill('7');
    await picture('group-form');
    await person.presses('Save and send');
    await person.sees('Sent to one device');
    await person.sees('Priority 7.');
    const differing = person.page.locator('table.differing tbody tr');
    await differing.first().waitFor();
    expect(await differing.innerText()).toMatch(/pump-7\s+pending\s+port is nothing, is to be 8080\s+since /);
    await picture('group');
    await person.presses(/^Back to 2$/);
    await person.sees('The settings of revision 2 again; not sent yet');
    expect(await call('GET', `${base}/groups/hall`)).toMatchObject({
      values: { timezone: 'Europe/Berlin' },
      revision: 4,
    });
    await person.sees('back to 2');
    expect(await person.page.content()).not.toContain('hunter22');
    await person.page.getByLabel('Settings of').selectOption('');
    await given.filter({ hasText: 'ntp_servers' }).waitFor();
    await person.page.waitForURL(/addons\/configure$/);
  });

  it('what there may be is said on that page too; a schema that means nothing is told and stays', async () => {
    await person.page.getByText('What settings there may be').click();
    const text = person.page.getByLabel('JSON Schema of the settings');
    await text.fill('{"properties": {"port": {"type": "integer", "pattern": "x"}}}');
    await person.presses('Save the schema');
    await person.sees('port: pattern goes with string');
    await text.fill('{');
    await person.presses('Save the schema');
    await person.sees('This is no JSON');
    await picture('schema');
    await text.fill('{"properties": {"led": {"type": "boolean"}}}');
    await person.presses('Save the schema');
    await person.sees('Saved: forms and checks go by it from now on');
    expect(await call('GET', `${base}/schema`)).toEqual({ properties: { led: { type: 'boolean' } } });
  });

  it('are for somebody confined to a group those of this group, and the page is readable on a narrow screen', async () => {
    const grants = [
      { permission: 'devices:configure', groups: ['hall'] },
      { permission: 'devices:read', groups: ['hall'] },
      { permission: 'inventory:read', groups: ['hall'] },
    ];
    await call('POST', '/api/management/v1/patchbay/roles', { name: 'hall', grants });
    const warden = await server.addUser('warden@example.com', ['hall']);
    await person.page.evaluate(`sessionStorage.setItem('patchbay.token', ${JSON.stringify(warden)})`);
    await person.page.setViewportSize({ width: 420, height: 900 });
    await person.opens('/addons/configure');
    await person.page.waitForURL('**/addons/configure?group=hall');
    await person.page.locator('table.given').waitFor();
    expect(await person.page.getByLabel('Settings of').locator('option').allInnerTexts()).toEqual(['group hall']);
    expect(await person.page.getByText('What settings there may be').count()).toBe(0);
    expect(await person.page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false);
    await picture('narrow');
    expect(person.faults).toEqual([]);
  });
});
