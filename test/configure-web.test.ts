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
    await person.presses('Add a setting');
    await person.page.getByLabel('Key').last().fill('psk');
    await person.page.getByLabel('Key').last().blur();
    await person.page.getByLabel('Value').last().fill('hunter22-psk');
    expect(await person.page.getByLabel('Value').last().getAttribute('type')).toBe('password');
    await picture('form');
    await person.presses('Save and send');
    await person.sees('Saved and sent');
    await person.sees('On its way.');
    await update('success');
    await report({ timezone: 'Europe/Paris', ntp_servers: 'ntp.example', psk: 'hunter22-psk' });
    await person.sees('Up to date.');
    expect(await row('psk').innerText()).toMatch(/\*{8}\s+device\s+\*{8}/);
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
    expect(person.faults).toEqual([]);
  });
});
