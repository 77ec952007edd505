import { expect, test } from 'vitest';
import { person, serve } from './bench.testing.ts';
import { grantsOf, grantText } from './users/grants.ts';

const roles = '/api/management/v1/patchbay/roles';

test('a grant is a permission and where it holds; * stands for any noun or verb', () => {
  expect(grantsOf('users:read')).toEqual([{ permission: 'users:read' }]);
  expect(grantsOf('sessions:terminal@north, south')).toEqual([
    { permission: 'sessions:terminal', groups: ['north', 'south'] },
  ]);
  expect(grantsOf('releases:*@cold').map(grantText)).toEqual(['releases:read@cold', 'releases:manage@cold']);
  // Confined to groups: not to tags, and not what cannot be confined, which would hold everywhere.
  const reading = grantsOf('*:read@north');
  expect(reading.map(({ permission }) => permission)).toEqual(
    expect.arrayContaining(['devices:read', 'inventory:read', 'deployments:read', 'sessions:read']),
  );
  for (const grant of [...reading, ...grantsOf('*@north')]) {
    expect(grant.groups).toEqual(['north']);
    expect(grant.permission).not.toMatch(/^(users|audit|settings|releases):/);
  }
});

test.each(['users:read@north', 'no:such', 'devices:read@', 'devices:read@a@b', 'devices', ''])(
  'a grant that cannot be is wrong usage: %s',
  async (grant) => {
    await using ada = await person();
    const answer = await ada.call(['roles', 'add', 'x', '--grant', grant], {
      server: 'http://127.0.0.1:1',
      token: 't',
    });
    expect(answer).toMatchObject({ code: 2, err: expect.stringContaining(`--grant ${grant}`) as string });
  },
);

test('roles are listed with where they hold, shown, made, changed and deleted', async () => {
  const role = {
    name: 'cellar',
    description: 'pumps',
    builtin: false,
    users: 2,
    grants: [{ permission: 'devices:read', groups: ['pumps'] }, { permission: 'users:read' }],
  };
  await using server = await serve({
    [`GET ${roles}`]: { json: [role] },
    [`GET ${roles}/cellar`]: { json: role },
    [`POST ${roles}`]: { status: 201 },
    [`PUT ${roles}/cellar`]: { status: 204 },
    [`DELETE ${roles}/cellar`]: { status: 409, json: { error: 'the role "cellar" is that of 2 users' } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['roles'], env)).out).toMatch(/cellar +2 +own +pumps, everywhere +pumps/);
  expect((await ada.call(['roles', 'show', 'cellar'], env)).out).toBe(
    'cellar: pumps; 2 users\n  devices:read@pumps\n  users:read\n',
  );
  await ada.call(['roles', 'add', 'new', '--grant', 'devices:read@a', '--description', 'd'], env);
  expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({
    name: 'new',
    description: 'd',
    grants: [{ permission: 'devices:read', groups: ['a'] }],
  });
  await ada.call(['roles', 'set', 'cellar', '--grant', 'devices:read'], env);
  expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({ grants: [{ permission: 'devices:read' }] });
  expect(await ada.call(['roles', 'delete', 'cellar', '--yes'], env)).toMatchObject({
    code: 1,
    err: expect.stringContaining('is that of 2 users') as string,
  });
});

test('the audit log is asked as it is filtered, and written to a file that is not there yet', async () => {
  const path = '/api/management/v1/patchbay/audit';
  await using server = await serve({ [`GET ${path}`]: { json: [] }, [`GET ${path}/export`]: { text: 'id,time\r\n' } });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const filters = ['--user', 'bob', '--action', 'login', '--action', '101', '--on', 'device:d1', '--result', 'refused'];
  await ada.call(['audit', ...filters, '--since', '2026-08-01'], env);
  const asked = Object.fromEntries(server.asked[0]!.query);
  expect(asked).toMatchObject({
    actor: 'bob',
    object_type: 'device',
    object_id: 'd1',
    result: 'refused',
    since: '2026-08-01',
  });
  expect(server.asked[0]!.query.getAll('action')).toEqual(['login', '101']);
  await ada.call(['audit', '--on', 'berlin'], env);
  expect(Object.fromEntries(server.asked[1]!.query)).toMatchObject({ object: 'berlin' });
  const file = `${ada.configFolder}/audit.csv`;
  expect((await ada.call(['audit', 'export', '-o', file], env)).err).toBe(`audit log written to ${file}\n`);
  expect((await ada.call(['audit', 'export', '-o', file], env)).err).toContain('EEXIST');
  expect((await ada.call(['audit', 'export'], env)).out).toBe('id,time\r\n');
});
