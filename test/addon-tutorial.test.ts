import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pack } from '#proto';
import { Package, TestDevice } from './stage/device.ts';
import { RawServer, structure, type Peer } from './stage/peer.ts';

// The tutorial of addons/README.md, run as it stands there.

const page = readFileSync(join(import.meta.dirname, '..', 'addons', 'README.md'), 'utf8');
const blocks = new Map(
  [...page.matchAll(/^```(?:js|json) (\S+)\n(.*?)^```/gms)].map(([, name, text]) => [name!, text!]),
);
const block = (name: string): string => blocks.get(name) ?? expect.fail(`the tutorial shows no ${name}`);

const open = new AsyncDisposableStack();
let far: Peer;

beforeAll(async () => {
  const { name } = JSON.parse(block('package.json')) as { name: string };
  const made = open.use(await Package.write(name, { manifest: block('manifest.js'), device: block('device.js') }));
  const folder = join(dirname(made.config), 'thermal');
  mkdirSync(join(folder, 'zone0'), { recursive: true });
  writeFileSync(join(folder, 'zone0', 'temp'), '41500\n');
  writeFileSync(join(folder, 'temp'), 'not a sensor');
  const settings = JSON.parse(block('mender-connect.conf')) as Record<string, unknown> & { Addons: string[] };
  const server = open.use(await RawServer.start());
  open.use(
    await TestDevice.start('one', server.url, {
      settings: { ...settings, User: 'root', Sensors: { Folder: folder } },
      addons: settings.Addons,
      file: made.config,
    }),
  );
  far = await server.peer();
});
afterAll(() => open.disposeAsync());

const read = (sensor: string): void => far.send({ proto: 0x8042, typ: 'read', sid: 's' }, pack({ sensor }));

it('reads a sensor', async () => {
  read('zone0');
  expect(structure(await far.next({ typ: 'value' }))).toEqual({ sensor: 'zone0', milli: 41500 });
});

it('says that there is none', async () => {
  read('zone9');
  expect(structure(await far.next({ typ: 'failed' }))).toEqual({ why: 'there is no sensor zone9' });
});

it('never sees a name that leads out of its folder', async () => {
  read('../../etc');
  expect(structure(await far.next({ proto: 0xffff, typ: 'error' }))).toMatchObject({ msgtype: 'read', close: false });
});

it('is offered beside those that ship', async () => {
  far.send({ proto: 0xffff, typ: 'open', sid: 't' }, pack({ versions: [1] }));
  expect(structure(await far.next({ typ: 'accept' }))['protocols']).toEqual([1, 3, 4, 0x8042]);
});
