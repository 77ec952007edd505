import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import type { AuditEntry } from '#proto/http/users';
import { buildPages, describeBrowser, Person } from './stage/person.ts';
import { Rig } from './stage/rig.ts';

// The tutorial of addons/README.md, run as it stands there: a package outside of the source tree, on the programs of a
// device, a server, a browser and an operator. Beside it are packages whose author made a mistake in every place.

const page = await readFile(join(import.meta.dirname, '..', 'addons', 'README.md'), 'utf8');
const blocks = new Map(
  [...page.matchAll(/^```(?:js|json) (\S+)\n(.*?)^```/gms)].map(([, name, text]) => [name!, text!]),
);
const block = (name: string): string => blocks.get(name) ?? expect.fail(`the tutorial shows no ${name}`);
const configuration = (name: string) => JSON.parse(block(name)) as Record<string, unknown>;
const sensors = (JSON.parse(block('package.json')) as { name: string }).name;

/** Throws as soon as it is loaded, wherever that is. */
const broken = '@acme/addon-broken';
/** Loads well everywhere, and throws where nobody can catch it: in a timer, in a promise that nobody waits for. */
const careless = '@acme/addon-careless';

async function install(folder: string): Promise<void> {
  const modules = ['manifest', 'device', 'server', 'web', 'cli'];
  const exports = Object.fromEntries(modules.map((part) => [`./${part}`, `./${part}.js`]));
  const manifest = (id: string, number: number): string =>
    `export default { api: 1, id: '${id}', halves: ['device', 'server', 'web', 'cli'], config: { type: 'object' },
      protocol: { number: ${number}, messages: { now: {} } }, commands: { ${id}: 'of ${id}' } };`;
  const faults = "setTimeout(() => { throw new Error('in a timer'); }); void Promise.reject(new Error('unheard'));";
  const files: Record<string, Record<string, string>> = {
    [sensors]: Object.fromEntries([...modules.map((part) => `${part}.js`), 'package.json'].map((n) => [n, block(n)])),
    [broken]: {
      'package.json': JSON.stringify({ name: broken, type: 'module', exports }),
      'manifest.js': "throw new Error('broken on purpose')",
    },
    [careless]: {
      'package.json': JSON.stringify({ name: careless, type: 'module', exports }),
      'manifest.js': manifest('careless', 0x8043),
      'device.js': `export default () => ({ async serve(session) { for await (const message of session) { ${faults} session.send(message); } } });`,
      'server.js': `export default () => ({ routes: [{ method: 'GET', path: '/api/management/v1/addons/careless/now',
        access: 'devices:read', summary: 'x', responses: {}, handler() { ${faults} return { status: 204 }; } }] });`,
      'web.js': "export default { title: 'Careless', mount() { throw new Error('no tab today'); } };",
      'cli.js': `export default { careless(command, host) { command.argument('<device>').action(async (id) => {
        const session = await host.openSession(id); session.send({ typ: 'now' });
        for await (const _ of session) break; throw new Error('no command today'); }); } };`,
    },
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, 'node_modules', name), { recursive: true });
    for (const [file, text] of Object.entries(content)) await writeFile(join(folder, 'node_modules', name, file), text);
  }
}

const also = (list: unknown): string[] => [...(list as string[]), broken, careless];

describeBrowser('an add-on of a third party', (executable) => {
  let rig: Rig;
  let device: Device;
  let person: Person;

  beforeAll(async () => {
    await buildPages();
    rig = await Rig.start('tutorial', {
      async prepare(folder) {
        await install(folder);
        const { addons } = configuration('server.json');
        await writeFile(join(folder, 'server.json'), JSON.stringify({ addons: also(addons).join(',') }));
        await mkdir(join(folder, 'config', 'patchbay'), { recursive: true });
        await install(join(folder, 'config', 'patchbay'));
        const mine = { addons: also(configuration('addons.json')['addons']) };
        await writeFile(join(folder, 'config', 'patchbay', 'addons.json'), JSON.stringify(mine));
      },
      server: (folder) => ['--config', join(folder, 'server.json')],
    });
    const settings = configuration('mender-connect.conf');
    const thermal = join(rig.folder, 'thermal');
    await mkdir(join(thermal, 'zone0'), { recursive: true });
    await writeFile(join(thermal, 'zone0', 'temp'), '41500\n');
    await writeFile(join(thermal, 'temp'), 'not a sensor');
    device = await rig.device('patchbay', {
      prepare: install,
      settings: { ...settings, User: 'root', Addons: also(settings['Addons']), Sensors: { Folder: thermal } },
    });
    person = await Person.at(rig.server.url, executable);
  }, 120_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
  });

  const read = (sensor: string) => `/v1/addons/sensors/devices/${device.id}/sensors/${sensor}`;

  it('its command reads a sensor, and says that there is none', async () => {
    expect((await rig.run(['--help'])).out.toString()).toMatch(/sensor {3,}read a sensor of a device/);
    expect(await rig.run(['sensor', device.id, 'zone0'])).toMatchObject({ code: 0, err: '' });
    const missing = await rig.run(['sensor', device.id, 'zone9']);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.err).toMatch(/: there is no sensor zone9\n$/);
  });

  it('a name that leads out of its folder never reaches the device half', async () => {
    const { code, err } = await rig.run(['sensor', device.id, '../../etc']);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/sensor/) as string });
  });

  it('its route answers by asking the device, for those who have its permission', async () => {
    expect(await rig.operator.get(read('zone0'))).toEqual({ sensor: 'zone0', milli: 41500 });
    await expect(rig.operator.get(read('zone9'))).rejects.toThrow('404 {"error":"there is no sensor zone9"}');
    const { email, password } = { email: 'support@example.com', password: 'a password for support' };
    await rig.operator.request('POST', '/v1/useradm/users', { email, password, roles: ['support'] });
    const login = { headers: { authorization: `Basic ${btoa(`${email}:${password}`)}` }, method: 'POST' };
    const token = await (await fetch(`${rig.server.url}/api/management/v1/useradm/auth/login`, login)).text();
    const refused = await fetch(`${rig.server.url}/api/management${read('zone0')}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('addon:sensors:read');
  });

  it('the audit log says which sensor was read', async () => {
    const entries = await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?action=session_use');
    expect(entries.map(({ object, details }) => [object.id, details])).toContainEqual([
      device.id,
      expect.objectContaining({ kind: 'sensors', typ: 'read', sensor: 'zone0' }),
    ]);
  });

  it('its tab is on the page of a device and reads a sensor there', async () => {
    await person.opens(`/devices/${device.id}`);
    await person.logsIn(rig.server.user, rig.server.password);
    const tab = (name: string) => person.page.getByRole('tab', { name });
    // Each with the picture that its manifest names, and one that names none with that of all such.
    for (const [name, icon] of Object.entries({
      Sensors: 'gauge',
      Careless: 'puzzle',
      Files: 'files',
      Terminal: 'terminal-2',
    }))
      expect(await tab(name).locator('svg').getAttribute('class')).toContain(`tabler-icon-${icon}`);
    await tab('Sensors').click();
    await person.presses('Read');
    await person.sees('zone0: 41.5 °C');
    expect(person.faults).toEqual([]);
  });

  it('its own page is in the navigation, lists devices by name, and leads to the tab', async () => {
    await person.page.getByRole('link', { name: 'All sensors' }).click();
    await person.page.getByRole('link', { name: /^Sensors of / }).click();
    await person.page.waitForURL(`**/devices/${device.id}?tab=sensors`);
    await person.presses('Read');
    await person.sees('zone0: 41.5 °C');
  });

  it('one whose tab fails shows that in its own tab, and the page goes on', async () => {
    await person.page.getByRole('tab', { name: 'Careless' }).click();
    await person.sees('Careless could not be loaded');
    await person.sees('no tab today');
    await person.page.getByRole('tab', { name: 'Sensors' }).click();
    await person.sees('zone0: 41.5 °C');
  });

  it('one that cannot be loaded costs a line of the log, on the server, on the device and for the operator', async () => {
    await rig.server.program.said(
      /"addon":"@acme\/addon-broken","error":"broken on purpose","msg":"add-on not loaded"/,
    );
    await rig.connect(device.id).said(/"addon":"@acme\/addon-broken","error":"broken on purpose","msg":"add-on not/);
    expect((await rig.run(['--help'])).out.toString()).toContain('@acme/addon-broken: broken on purpose');
    expect((await rig.run(['whoami'])).err).toBe('');
  });

  it('one that throws where nobody can catch it ends no program', async () => {
    const failed = await rig.run(['careless', device.id]);
    expect(failed).toMatchObject({ code: 1, err: 'error: no command today\n' });
    await rig.operator.request('GET', '/v1/addons/careless/now');
    for (const program of [rig.server.program, rig.connect(device.id)])
      for (const fault of ['in a timer', 'unheard'])
        await program.said(new RegExp(`"addon":"careless","error":"Error: ${fault}.*"msg":"add-on failed"`));
    expect(await rig.operator.get(read('zone0'))).toEqual({ sensor: 'zone0', milli: 41500 });
  });
});
