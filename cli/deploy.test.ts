import { expect, test } from 'vitest';
import { person, serve, type Reply } from './bench.testing.ts';

const path = '/api/management/v1/deployments/deployments';
const search = 'POST /api/management/v2/inventory/filters/search';
const id = '11111111-2222-4333-8444-555555555555';

const deployment = (status: string, counters: Record<string, number>, more = {}) => ({
  id,
  name: 'release-2',
  artifact_name: 'release-2',
  created: '2026-08-22T10:00:00Z',
  status,
  type: 'software',
  device_count: 2,
  max_devices: 2,
  statistics: { status: counters, total_size: 1 },
  ...more,
});
const inventory = (device: string, hostname: string) => ({
  id: device,
  updated_ts: '',
  attributes: [{ scope: 'inventory', name: 'hostname', value: hostname }],
});
const part = (device: string, status: string, more = {}) => ({ id: device, status, created: '', log: false, ...more });

/** A server on which a deployment moves on each time it is looked at. */
const serveDeployment = (course: object[], parts: object[], more: Parameters<typeof serve>[0] = {}) => {
  let looked = 0;
  return serve({
    [search]: { json: [inventory('d1', 'pump-1'), inventory('d2', 'pump-2')] },
    [`POST ${path}`]: { status: 201, headers: { location: `${path}/${id}` } },
    [`GET ${path}/${id}`]: (): Reply => ({ json: course[Math.min(looked++, course.length - 1)] }),
    [`GET ${path}/${id}/devices/list`]: { json: parts },
    ...more,
  });
};

test('deploy waits until every device has the release, and is done with 0', async () => {
  const course = [
    deployment('pending', { pending: 2 }),
    deployment('inprogress', { downloading: 1, success: 1 }),
    deployment('finished', { success: 1, 'already-installed': 1 }),
  ];
  await using server = await serveDeployment(course, [part('d1', 'success'), part('d2', 'already-installed')]);
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const args = ['deploy', 'release-2', '--device', 'pump-1', '--device', 'pump-2', '--device', 'd2', '--name', 'night'];
  const { code, out, err } = await ada.call(args, env);
  expect({ code, out, err }).toEqual({
    code: 0,
    out: 'release-2: 1 success, 1 already-installed\n',
    err: `deployment ${id} created\n`,
  });
  const made = server.asked.find((one) => one.path === path)!;
  expect(JSON.parse(made.body)).toEqual({ name: 'night', artifact_name: 'release-2', devices: ['d1', 'd2'] });
});

test('a device that failed is named with its reason and how to read its log; the exit code is 1', async () => {
  await using server = await serveDeployment(
    [deployment('finished', { success: 1, failure: 1 })],
    [part('d1', 'success'), part('d2', 'failure', { log: true, substate: 'ArtifactInstall\u001b[31m failed' })],
  );
  await using ada = await person();
  const { code, out } = await ada.call(['deploy', 'release-2', '--all', '--force'], { server: server.url, token: 't' });
  expect(code).toBe(1);
  expect(out).toBe(
    'release-2: 1 success, 1 failure\n' +
      `  pump-2: failure, ArtifactInstall�[31m failed; its log: patchbay deployments log ${id} d2\n`,
  );
  const made = server.asked.find((one) => one.path === path)!;
  expect(JSON.parse(made.body)).toMatchObject({ all_devices: true, force_installation: true });
});

test('the log of a device that failed a moment ago is waited for', async () => {
  let looked = 0;
  await using server = await serveDeployment([deployment('finished', { failure: 1 }, { max_devices: 1 })], [], {
    [`GET ${path}/${id}/devices/list`]: (): Reply => ({ json: [part('d2', 'failure', { log: looked++ > 0 })] }),
  });
  await using ada = await person();
  const { out } = await ada.call(['deploy', 'release-2', '--device', 'd2'], { server: server.url, token: 't' });
  expect(out).toContain(`its log: patchbay deployments log ${id} d2\n`);
});

test('a device that no artifact fits is said to be so, and an aborted deployment has not gone well', async () => {
  await using server = await serveDeployment(
    [deployment('finished', { noartifact: 1 }, { max_devices: 2 })],
    [part('d1', 'noartifact')],
  );
  await using ada = await person();
  const { code, out } = await ada.call(['deploy', 'release-2', '--all'], { server: server.url, token: 't' });
  expect({ code, out }).toEqual({
    code: 1,
    out: 'release-2: 1 noartifact\n  pump-1: no artifact of the release fits its device type\n',
  });
});

test('a server that restarts meanwhile does not fail the deployment', async () => {
  let looked = 0;
  await using server = await serveDeployment([], [part('d1', 'success')], {
    [`GET ${path}/${id}`]: (_, response): Reply => {
      looked++;
      if (looked === 1) response.destroy();
      if (looked === 2) return { status: 503, text: '<html>' };
      return { json: deployment('finished', { success: 2 }) };
    },
  });
  await using ada = await person();
  expect((await ada.call(['deploy', 'release-2', '--all'], { server: server.url, token: 't' })).code).toBe(0);
  expect(looked).toBe(3);
});

test('--no-wait and --timeout leave the deployment going', async () => {
  await using server = await serveDeployment([deployment('inprogress', { downloading: 2 })], []);
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const short = await ada.call(['deploy', 'release-2', '--all', '--no-wait', '--json'], env);
  expect(JSON.parse(short.out)).toEqual({ id, name: 'release-2', artifact_name: 'release-2' });
  const late = await ada.call(['deploy', 'release-2', '--all', '--timeout', '1'], env);
  expect(late).toMatchObject({
    code: 1,
    err: expect.stringContaining('error: not finished within 1 s (2 downloading): it goes on'),
  });
});

test('Ctrl-C stops the waiting, not the deployment', async () => {
  const stop = new AbortController();
  await using server = await serveDeployment([], [], {
    [`GET ${path}/${id}`]: (): Reply => {
      setImmediate(() => stop.abort());
      return { json: deployment('inprogress', { downloading: 2 }) };
    },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't', signal: stop.signal };
  const { code, err } = await ada.call(['deploy', 'release-2', '--all'], env);
  expect({ code, err }).toEqual({
    code: 1,
    err: `deployment ${id} created\nno longer waiting; the deployment goes on: 'patchbay deployments show ${id}'\n`,
  });
});

test('to nobody or to two kinds of whom is wrong usage; an unknown release is one line', async () => {
  await using server = await serveDeployment([], [], {
    [`POST ${path}`]: { status: 422, json: { error: 'No artifact for the deployment', request_id: 'r' } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['deploy', 'r'], env)).code).toBe(2);
  expect((await ada.call(['deploy', 'r', '--all', '--device', 'd1'], env)).code).toBe(2);
  expect((await ada.call(['deploy', 'r', '--all'], env)).err).toBe(
    "error: there is no release 'r': 'patchbay releases' lists them\n",
  );
});

test('deployments are listed, found by name or prefix, shown, and their logs read', async () => {
  const one = deployment('finished', { success: 1, failure: 1 });
  await using server = await serveDeployment([one], [part('d1', 'success'), part('d2', 'failure', { log: true })], {
    [`GET ${path}`]: { json: [one] },
    [`GET ${path}/${id}/devices/d2/log`]: { text: '2026-08-22 10:00:00 +0000 UTC error: no space' },
    [`PUT ${path}/${id}/status`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['deployments'], env)).out).toMatch(
    /release-2 +release-2 +finished +2\/2 +1 success, 1 failure/,
  );
  const shown = (await ada.call(['deployments', 'show', 'release-2'], env)).out;
  expect(shown).toMatch(/Status: +finished, 2 of 2 devices done/);
  expect(shown).toMatch(/pump-2 +failure +yes +d2/);
  expect((await ada.call(['deployments', 'log', '1111', 'pump-2'], env)).out).toBe(
    '2026-08-22 10:00:00 +0000 UTC error: no space\n',
  );
  expect((await ada.call(['deployments', 'abort', 'release-2'], env)).err).toBe(
    `deployment release-2 (${id}) aborted\n`,
  );
  expect((await ada.call(['deployments', 'show', '99'], env)).err).toContain("there is no deployment '99'");
});
