import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { person, serve } from './bench.testing.ts';

const artifacts = '/api/management/v1/deployments/artifacts';
const releases = '/api/management/v2/deployments/deployments/releases';
const artifact = (id: string, size: number, ...types: string[]) => ({
  id,
  name: 'release-1',
  description: '',
  device_types_compatible: types,
  info: { format: 'mender', version: 3 },
  signed: false,
  updates: [{ type_info: { type: 'single-file' }, files: [{ name: 'f', size: 3, checksum: '', date: '' }] }],
  artifact_provides: { artifact_name: 'release-1' },
  artifact_depends: {},
  clears_artifact_provides: [],
  size,
  modified: '2026-08-22T10:00:00Z',
});
const release = (...list: ReturnType<typeof artifact>[]) => ({
  json: {
    name: 'release-1',
    modified: '2026-08-22T10:00:00Z',
    artifacts: list,
    artifacts_count: list.length,
    tags: [],
  },
});

test('an artifact arrives byte for byte, its size and description before it, its length announced', async () => {
  await using server = await serve({
    [`POST ${artifacts}`]: { status: 201, headers: { location: `${artifacts}/a-1` } },
  });
  await using ada = await person();
  const content = randomBytes(3_000_000);
  const file = join(ada.configFolder, 'one "quoted".mender');
  await writeFile(file, content);
  const args = ['releases', 'upload', file, '--description', 'first'];
  const { code, err } = await ada.call(args, { server: server.url, token: 't' });
  expect({ code, err }).toMatchObject({
    code: 0,
    err: expect.stringMatching(/uploaded \(3\.0 MB in .*\): artifact a-1\n$/),
  });
  const [asked] = server.asked;
  expect(Number(asked!.headers['content-length'])).toBe(asked!.body.length);
  const parts = asked!.body.split(`--${/boundary=(.*)/.exec(asked!.headers['content-type']!)![1]}`);
  expect(parts.slice(1, 4).map((part) => /name="(\w+)"/.exec(part)![1])).toEqual(['size', 'description', 'artifact']);
  expect(parts[1]).toContain('\r\n\r\n3000000\r\n');
  const sent = Buffer.from(parts[3]!.slice(parts[3]!.indexOf('\r\n\r\n') + 4, -2), 'latin1');
  expect(sent.equals(content)).toBe(true);
});

test('an upload that cannot be is one line', async () => {
  await using server = await serve({
    [`POST ${artifacts}`]: { status: 400, json: { error: 'the manifest lacks data/0000/x', request_id: 'r' } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const empty = join(ada.configFolder, 'empty');
  const bad = join(ada.configFolder, 'bad');
  await writeFile(empty, '');
  await writeFile(bad, 'x');
  const said = async (file: string) => (await ada.call(['releases', 'upload', file], env)).err;
  expect(await said('/nowhere/x.mender')).toBe('error: there is no file /nowhere/x.mender\n');
  expect(await said(ada.configFolder)).toBe(`error: ${ada.configFolder} is no file\n`);
  expect(await said(empty)).toBe(`error: ${empty} is empty: an artifact is not\n`);
  expect(await said(bad)).toBe('error: bad: the manifest lacks data/0000/x\n');
});

test('the same artifact a second time is told from a bad one', async () => {
  await using server = await serve({ [`POST ${artifacts}`]: { status: 409, json: { error: 'exists', metadata: {} } } });
  await using ada = await person();
  const file = join(ada.configFolder, 'a.mender');
  await writeFile(file, 'x');
  const { err } = await ada.call(['releases', 'upload', file], { server: server.url, token: 't' });
  expect(err).toBe(
    'error: a.mender: the server has an artifact of this name for these devices already (a.mender: exists)\n',
  );
});

test('a refusal that is lost with the connection is asked for again', async () => {
  await using server = await serve({
    [`POST ${artifacts}`]: ({ body }, response) => {
      if (body) response.destroy();
      return { status: 403, json: { error: 'the permission releases:manage is needed', request_id: 'r' } };
    },
  });
  await using ada = await person();
  const file = join(ada.configFolder, 'a.mender');
  await writeFile(file, 'x');
  const { err } = await ada.call(['releases', 'upload', file], { server: server.url, token: 't' });
  expect(err).toBe('error: a.mender: the permission releases:manage is needed\n');
});

test('a download appears whole or not at all, and replaces nothing unasked', async () => {
  await using server = await serve({
    [`GET ${releases}/release-1`]: release(artifact('a-1', 5, 'pi')),
    [`GET ${artifacts}/a-1/download`]: { json: { uri: '/blob/a-1?signature=x', expire: '', method: 'GET' } },
    'GET /blob/a-1': { text: 'hello' },
    [`GET ${releases}/short`]: release(artifact('a-2', 9, 'pi')),
    [`GET ${artifacts}/a-2/download`]: { json: { uri: '/blob/a-1', expire: '', method: 'GET' } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const file = join(ada.configFolder, 'got.mender');
  expect((await ada.call(['releases', 'download', 'release-1', '-o', file], env)).code).toBe(0);
  expect(await readFile(file, 'utf8')).toBe('hello');
  expect(await ada.call(['releases', 'download', 'release-1', '-o', file], env)).toMatchObject({
    code: 1,
    err: `error: ${file} is there already: give --output, or --force to replace it\n`,
  });
  const cut = await ada.call(['releases', 'download', 'short', '-o', file, '--force'], env);
  expect(cut.err).toBe('error: release-1 was not downloaded: it is 5 bytes long and not 9\n');
  expect(await readFile(file, 'utf8')).toBe('hello');
  expect(await readdir(ada.configFolder)).toEqual(['got.mender']);
});

test('the token does not go along to a download on another host', async () => {
  await using storage = await serve({ 'GET /blob': { text: 'hello' } });
  await using server = await serve({
    [`GET ${releases}/release-1`]: release(artifact('a-1', 5, 'pi')),
    [`GET ${artifacts}/a-1/download`]: { json: { uri: `${storage.url}/blob`, expire: '', method: 'GET' } },
  });
  await using ada = await person();
  const file = join(ada.configFolder, 'got');
  await ada.call(['releases', 'download', 'release-1', '-o', file], { server: server.url, token: 't' });
  expect(await readFile(file, 'utf8')).toBe('hello');
  expect(storage.asked[0]!.headers.authorization).toBeUndefined();
});

test('of several artifacts one is chosen by device type', async () => {
  await using server = await serve({
    [`GET ${releases}/release-1`]: release(artifact('a-1', 5, 'pi'), artifact('a-2', 5, 'beagle')),
    [`GET ${artifacts}/a-2/download`]: { json: { uri: '/blob', expire: '', method: 'GET' } },
    'GET /blob': { text: 'hello' },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const args = ['releases', 'download', 'release-1', '-o', join(ada.configFolder, 'x')];
  expect((await ada.call(args, env)).err).toBe(
    "error: release 'release-1' has several artifacts: name a --device-type or one of a-1 (pi), a-2 (beagle)\n",
  );
  expect((await ada.call([...args, '--device-type', 'beagle'], env)).code).toBe(0);
});

test('releases are listed, shown and, with --yes, deleted', async () => {
  const one = release(artifact('a-1', 1_500_000, 'pi', 'beagle'));
  await using server = await serve({
    [`GET ${releases}`]: { json: [one.json], headers: { link: '</x?page=1&per_page=500>; rel="first"' } },
    [`GET ${releases}/release-1`]: one,
    [`DELETE ${releases}`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['releases'], env)).out).toMatch(/release-1 +pi, beagle +single-file +1\.5 MB/);
  expect((await ada.call(['releases', 'show', 'release-1'], env)).out).toContain('provides  artifact_name=release-1');
  expect((await ada.call(['releases', 'delete', 'release-1'], env)).code).toBe(2);
  expect((await ada.call(['releases', 'delete', 'release-1', '--yes'], env)).err).toBe('release-1 deleted\n');
  expect(server.asked.at(-1)!.query.getAll('name')).toEqual(['release-1']);
  expect((await ada.call(['releases', 'delete', 'relase-1', '--yes'], env)).err).toContain(
    "release 'relase-1' is not there",
  );
});
