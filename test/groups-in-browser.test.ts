// Groups and the list of devices on the web pages: our server, devices that only say what they are, and Chromium.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { admin, password, stage, type Stage } from '../server/stage.ts';
import { Peer } from './stage/peer.ts';
import { buildPages, describeBrowser, Person } from './stage/person.ts';

describeBrowser('groups on the web pages', (executable) => {
  let server: Stage;
  let person: Person;
  const tokens: string[] = [];

  beforeAll(async () => {
    await buildPages();
    server = await stage();
    for (const [name, type] of [
      ['pump-1', 'pump'],
      ['pump-2', 'pump'],
      ['lamp-1', 'lamp'],
    ]) {
      const { token } = await server.addDevice({ mac: name });
      const body = [
        { name: 'hostname', value: name },
        { name: 'device_type', value: type },
      ];
      await server.call('PUT', '/api/devices/v1/inventory/device/attributes', { token, body });
      tokens.push(token);
    }
    person = await Person.at(server.url, executable);
    await person.opens('/groups');
    await person.logsIn(admin, password);
  }, 120_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await server?.close();
  });

  const dialog = () => person.page.getByRole('dialog');
  const field = (name: string) =>
    dialog()
      .getByLabel(new RegExp(`^${name}`))
      .first();
  const link = (name: string) => person.page.getByRole('link', { name, exact: true });
  const picks = (name: string) => person.page.getByRole('option', { name, exact: true }).click();
  const shot = async (name: string): Promise<void> => {
    const folder = process.env['PATCHBAY_SHOTS'];
    if (folder) await person.page.screenshot({ path: `${folder}/${name}.png` });
  };

  it('a list of devices is made, and gets them by name', async () => {
    await person.sees('No group yet');
    await person.presses('New group');
    await field('Name').fill('hall');
    await person.presses('Save', dialog());
    await person.sees('Group hall saved');
    await person.presses('Devices of hall');
    await person.sees('No device is in this group', dialog());
    await field('Put in').fill('pump');
    await picks('pump-1');
    await picks('pump-2');
    await shot('members');
    await person.presses('Put in', dialog());
    await person.sees('2 devices put into hall');
    await person.presses('Take out pump-2', dialog());
    await person.sees('pump-2 taken out of hall');
    await dialog().getByRole('link', { name: 'pump-1' }).waitFor();
    await dialog().locator('.mantine-Modal-close').click();
    await dialog().waitFor({ state: 'detached' });
  });

  it('one that a filter fills is made inside of it, and changed', async () => {
    await person.presses('New group');
    await field('Name').fill('pumps');
    await dialog().getByText('Whatever a filter finds').click();
    await field('Attribute').fill('device_type');
    await field('Value').fill('lamp');
    await field('Shown in').click();
    await picks('hall');
    await shot('dialog');
    await person.presses('Save', dialog());
    const row = person.page.getByRole('row', { name: /pumps/ });
    await person.sees('device_type is lamp', row);
    await person.presses('Edit pumps');
    await field('Value').fill('pump');
    await field('Description').fill('what moves water');
    await person.presses('Save', dialog());
    await person.sees('device_type is pump', row);
    await person.sees('what moves water', row);
    await row.getByRole('cell', { name: '2', exact: true }).waitFor();
    await shot('groups');
  });

  it('the list of devices shows those of a group of either kind, and a link restores it', async () => {
    await link('pumps').click();
    await link('pump-2').waitFor();
    expect(await link('lamp-1').count()).toBe(0);
    await person.page.getByLabel('Group', { exact: true }).first().click();
    await picks('hall');
    await link('pump-2').waitFor({ state: 'detached' });
    await person.page.reload();
    await link('pump-1').waitFor();
    expect(await link('lamp-1').count()).toBe(0);
    await person.presses('Show all devices');
    await link('lamp-1').waitFor();
  });

  it('it is narrowed by what holds of a device, in words that can be taken away', async () => {
    await person.presses('Filter');
    await person.page.getByLabel('Attribute', { exact: true }).fill('device_type');
    await person.page.getByLabel('Question', { exact: true }).first().click();
    await picks('is not');
    await person.page.getByLabel('Value', { exact: true }).fill('pump');
    await person.presses('Show these');
    await link('lamp-1').waitFor();
    await link('pump-1').waitFor({ state: 'detached' });
    await shot('devices');
    await person.presses('Remove device_type is not pump');
    await link('pump-1').waitFor();
  });

  it('who is connected is asked by one question for all of them, and told as it changes', async () => {
    const asked: string[] = [];
    person.page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const headers = { authorization: `Bearer ${tokens[0]}` };
    const device = await Peer.connect(`${server.url}/api/devices/v1/deviceconnect/connect`, { headers });
    await person.page.reload();
    const online = person.page.locator('[data-presence=connected]');
    await online.waitFor();
    expect(asked.filter((path) => path.endsWith('/presence/search')).length).toBeGreaterThan(0);
    expect(asked.filter((path) => path.includes('/deviceconnect/devices/'))).toEqual([]);
    await person.sees('Live');
    device.socket.terminate();
    await online.waitFor({ state: 'detached' });
  });

  it('a group that is deleted is gone; its devices, and what was shown in it, are not', async () => {
    await link('Groups').click();
    await person.presses('Delete hall');
    // What is said goes away by itself after four seconds, which on a busy machine may be over when the press is done with.
    await Promise.all([person.sees('Group hall was deleted'), person.presses('Delete', dialog())]);
    await link('pumps').waitFor();
    await link('hall').waitFor({ state: 'detached' });
    expect(person.faults).toEqual([]);
  });
});
