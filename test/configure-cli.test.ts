// `patchbay config …` of an operator at a real server.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { person } from '../cli/bench.testing.ts';
import { stage, type Stage } from '../server/stage.ts';

let server: Stage;
let token = '';
let someone: Awaited<ReturnType<typeof person>>;
let device: { id: string; token: string };
beforeAll(async () => {
  server = await stage();
  token = await server.login();
  someone = await person();
  device = await server.addDevice({ mac: 'pump-7' });
  const body = [device.id, (await server.addDevice({ mac: 'pump-8' })).id];
  await server.call('PATCH', '/api/management/v1/patchbay/groups/hall/devices', { token, body });
});
afterAll(async () => {
  await someone[Symbol.asyncDispose]();
  await server.close();
});

const patchbay = async (...args: string[]) => {
  const { code, out, err } = await someone.call(args, { server: server.url, token });
  // oxlint-disable-next-line no-control-regex
  return { code, out: out.replaceAll(/\u001b\[[0-9;]*m/g, ''), err };
};
const config = (...args: string[]) => patchbay('config', ...args);
const report = (body: object) =>
  server.call('PUT', '/api/devices/v1/deviceconfig/configuration', { token: device.token, body });

it('settings are given to the fleet, a group and a device, and it is shown where each comes from', async () => {
  expect(await config('set', '--fleet', 'ntp_servers=ntp.example', 'timezone=UTC')).toEqual({
    code: 0,
    out: '',
    err: 'stored; send it with: patchbay config deploy --fleet\n',
  });
  expect((await config('set', '--group', 'hall', 'timezone=Europe/Berlin', '--priority', '3')).code).toBe(0);
  expect((await config('set', 'pump-7', 'hostname=pump=7', 'empty=')).code).toBe(0);
  await report({ timezone: 'UTC', hostname: 'pump=7', local: 'by\u001b[2Jhand' });
  expect(await config('get', 'pump-7')).toEqual({
    code: 0,
    out: [
      'KEY          VALUE          REPORTED       FROM',
      'empty                       -              device',
      'hostname     pump=7         =              device',
      'ntp_servers  ntp.example    -              fleet',
      'timezone     Europe/Berlin  UTC            group hall',
      'local        -              by\\x1b[2Jhand  -',
      '',
    ].join('\n'),
    err: 'pump-7: changed, and not sent yet\n',
  });
  expect(await config('get', 'pump-7', 'timezone')).toEqual({ code: 0, out: 'Europe/Berlin\n', err: '' });
  expect((await config('get', '--group', 'hall')).out).toBe('KEY       VALUE\ntimezone  Europe/Berlin\n');
  const json = await patchbay('--json', 'config', 'get', 'pump-7');
  expect(JSON.parse(json.out)).toMatchObject({
    id: device.id,
    state: 'changed',
    own: { values: { hostname: 'pump=7' } },
  });
  const some = await patchbay('--json', 'config', 'get', 'pump-7', 'timezone', 'hostname');
  expect(JSON.parse(some.out)).toEqual({ hostname: 'pump=7', timezone: 'Europe/Berlin' });
});

it('what devices have otherwise is shown, each with since when', async () => {
  const { code, out } = await config('diff', 'pump-7');
  expect(code).toBe(0);
  expect(out).toMatch(/^pump-7: changed, and not sent yet\n/);
  expect(out).toMatch(/- timezone=UTC\n\+ timezone=Europe\/Berlin {2}\(since \d{4}-.*Z\)\n/);
  expect(out).toMatch(/- local=by\\x1b\[2Jhand\n {2}it is not to have local/);
  const group = (await config('diff', '--group', 'hall')).out;
  expect(group).toContain('pump-7: ');
  expect(group).toContain('pump-8: ');
  expect(JSON.parse((await patchbay('--json', 'config', 'diff', '--fleet')).out)).toHaveLength(2);
});

it('changes are taken back in one step, and the history says who made them', async () => {
  await config('set', '--group', 'hall', 'timezone=Europe/Paris');
  await config('unset', '--group', 'hall', 'timezone');
  expect((await config('revert', '--group', 'hall')).code).toBe(0);
  expect((await config('get', '--group', 'hall', 'timezone')).out).toBe('Europe/Paris\n');
  const { out } = await config('history', '--group', 'hall', '--limit', '3');
  expect(out.replaceAll(/\d{4}-\S+Z/g, 'TIME')).toBe(
    [
      '4  TIME  admin@example.com, back to 2',
      '   + timezone=Europe/Paris',
      '3  TIME  admin@example.com',
      '   - timezone=Europe/Paris',
      '2  TIME  admin@example.com',
      '   - timezone=Europe/Berlin',
      '   + timezone=Europe/Paris',
      '',
    ].join('\n'),
  );
  expect((await config('revert', '--group', 'hall', '1')).code).toBe(0);
  expect((await config('get', '--group', 'hall', 'timezone')).out).toBe('Europe/Berlin\n');
  expect(await config('revert', '--group', 'hall', '99')).toMatchObject({
    code: 1,
    err: 'error: there is no revision 99\n',
  });
});

it('they are sent at once if asked for, and nobody is sent what he has', async () => {
  expect(await config('set', '--group', 'hall', 'locale=de_DE.UTF-8', '--deploy')).toMatchObject({
    code: 0,
    err: 'sent to 2 devices\n',
  });
  expect((await config('deploy', '--group', 'hall')).err).toBe('sent to 0 devices, 2 have it or are about to\n');
  expect((await config('deploy', 'pump-7')).err).toBe('sent to 1 device\n');
  const many = Array.from({ length: 98 }, (_, i) => `k${i}=v`);
  await config('set', 'pump-8', ...many);
  const { code, err } = await config('deploy', '--group', 'hall');
  expect(code).toBe(1);
  expect(err).toContain('has 101 settings, at most 100');
  await config('unset', 'pump-8', 'k0');
});

it('what settings there may be comes from a file, and what is none is refused in words', async () => {
  const file = join(someone.configFolder, 'schema.json');
  await writeFile(file, JSON.stringify({ properties: { port: { type: 'integer' }, psk: { writeOnly: true } } }));
  expect(await config('schema', file)).toEqual({ code: 0, out: '', err: '' });
  expect(JSON.parse((await config('schema')).out)).toEqual({
    properties: { port: { type: 'integer' }, psk: { writeOnly: true } },
  });
  expect(await config('set', '--fleet', 'port=many')).toMatchObject({
    code: 1,
    err: 'error: port: the value must be integer\n',
  });
  await config('set', '--fleet', 'psk=hunter22');
  expect((await config('get', '--fleet')).out).toMatch(/psk {10}\*{8}\n/);
  expect((await config('history', '--fleet')).out).not.toContain('hunter22');
  await writeFile(file, 'no json');
  expect(await config('schema', file)).toMatchObject({ code: 1, err: `error: ${file}: no JSON\n` });
});

it('settings come from a file too: what was written down of one place is given to another', async () => {
  const file = join(someone.configFolder, 'hall.json');
  await config('set', '--group', 'hall', 'ssid=yard');
  const { out } = await patchbay('--json', 'config', 'get', '--group', 'hall');
  await writeFile(file, out);
  const { values } = JSON.parse(out) as { values: object };
  expect(await config('set', 'pump-7', '--file', file, 'ssid=own')).toMatchObject({ code: 0 });
  for (const [key, value] of Object.entries({ ...values, ssid: 'own' }))
    expect((await config('get', 'pump-7', key)).out).toBe(`${value}\n`);
  await writeFile(file, '{"port": 8080}');
  expect(await config('set', '--fleet', '--file', file)).toMatchObject({
    code: 1,
    err: `error: ${file}: port: values are texts: write "8080"\n`,
  });
  await writeFile(file, '["port"]');
  expect((await config('set', '--fleet', '--file', file)).err).toContain('an object is wanted');
  expect((await config('set', '--fleet', '--file', `${file}.none`)).err).toMatch(/hall\.json\.none cannot be read/);
});

it('wrong usage is exit code 2, and what is not there 1', async () => {
  const cases: [string[], number, RegExp][] = [
    [['get'], 2, /name a device, or give --group or --fleet/],
    [['get', '--fleet', '--group', 'hall'], 2, /one of them/],
    [['set', 'pump-7'], 2, /name what to set/],
    [['set', 'pump-7', 'novalue'], 2, /novalue: KEY=VALUE is wanted/],
    [['set', '--group', 'hall', '--priority', 'high'], 2, /high: a whole number is wanted/],
    [['unset', 'pump-7'], 2, /name the keys/],
    [['unset', 'pump-7', 'nothing'], 1, /nothing is not set here/],
    [['get', 'pump-7', 'nothing'], 1, /pump-7: nothing is not set/],
    [['get', '--group', 'nobody'], 1, /no group nobody/],
    [['get', 'pump-9'], 1, /pump-9/],
    [['revert', 'pump-7', 'x'], 2, /x: a whole number/],
    [['set', '--fleet', '--priority', '2'], 1, /only groups have a priority/],
  ];
  for (const [args, code, words] of cases)
    expect([args, await config(...args)]).toEqual([args, { code, out: '', err: expect.stringMatching(words) }]);
});
