import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentsV1, deploymentsV2 } from '#proto/http/paths';
import { artifactFor, checkCounters, type Harness, locationId, openHarness } from './harness.testing.ts';

let server: Harness;
beforeEach(async () => {
  server = await openHarness();
  await server.upload(await artifactFor('r1'));
});
afterEach(async () => {
  await checkCounters(server);
  await server.close();
});

const path = `${deploymentsV1}/deployments`;
const make = (body: unknown, to = path) => server.call('POST', to, body);
const asked = (more: object = {}) => ({ name: 'first', artifact_name: 'r1', devices: ['d1', 'd2'], ...more });

describe('a new deployment (server-api.md §2.2, §3.1)', () => {
  it('names what is wrong with it, and what is too long (§5)', async () => {
    const cases: [unknown, number, RegExp][] = [
      [asked({ name: '' }), 400, /name/],
      [asked({ name: 'x'.repeat(257) }), 400, /name/],
      [asked({ artifact_name: '' }), 400, /artifact_name/],
      [asked({ artifact_name: 'x'.repeat(4097) }), 400, /artifact_name/],
      [{ name: 'x', artifact_name: 'r1' }, 400, /either devices or all_devices/],
      [asked({ devices: [] }), 400, /either devices or all_devices/],
      [asked({ all_devices: true }), 400, /not both/],
      [asked({ devices: [1] }), 400, /devices/],
      [asked({ devices: ['a b'] }), 400, /devices/],
      [asked({ devices: 'd1' }), 400, /devices/],
      [asked({ force_installation: 'yes' }), 400, /force_installation/],
      [{ name: 'x', artifact_name: 'r1', all_devices: true }, 400, /no devices/],
      [asked({ artifact_name: 'r9' }), 422, /^No artifact for the deployment$/],
      [[], 400, /object/],
    ];
    for (const [body, status, error] of cases) {
      const answer = await make(body);
      expect([body, answer.status, answer.json.error]).toEqual([body, status, expect.stringMatching(error)]);
    }
    expect((await server.call('GET', path)).json).toEqual([]);
    expect(await server.db.selectFrom('device_deployments').selectAll().execute()).toEqual([]);
  });

  it('ignores keys that it does not know, and a device named twice', async () => {
    const made = await make(asked({ retries: 3, phases: [], devices: ['d1', 'd1', 'd2'] }));
    expect(made.status).toBe(201);
    const { json } = await server.call('GET', `${path}/${locationId(made)}`);
    expect(json).toEqual({
      id: locationId(made),
      name: 'first',
      artifact_name: 'r1',
      created: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
      status: 'pending',
      type: 'software',
      device_count: 0,
      max_devices: 2,
      artifacts: [expect.any(String)],
      statistics: {
        total_size: 0,
        status: {
          success: 0,
          pending: 2,
          failure: 0,
          rebooting: 0,
          installing: 0,
          downloading: 0,
          noartifact: 0,
          'already-installed': 0,
          aborted: 0,
          pause_before_installing: 0,
          pause_before_rebooting: 0,
          pause_before_committing: 0,
          decommissioned: 0,
        },
      },
    });
    expect(server.audited.map(({ action, note }) => [action, note])).toEqual([
      ['artifact_upload', expect.anything()],
      [
        'deployment_create',
        {
          object: { type: 'deployment', id: json.id, name: 'first' },
          details: { artifact_name: 'r1', all: false, count: 2 },
        },
      ],
    ]);
  });

  it('is refused while an identical one is active, also when both come at once', async () => {
    const answers = await Promise.all([make(asked()), make(asked({ devices: ['d2', 'd1'] }))]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409]);
    const id = locationId(answers.find(({ status }) => status === 201)!);
    expect(answers.find(({ status }) => status === 409)?.json.error).toBe(`an identical deployment is active: ${id}`);
    expect((await make(asked({ name: 'second' }))).status).toBe(201);
    await server.call('PUT', `${path}/${id}/status`, { status: 'aborted' });
    expect((await make(asked())).status).toBe(201);
  });

  it('is for all accepted devices, or those of a group, as they are now', async () => {
    server.devices.accepted = ['a1', 'a2', 'a3'];
    server.devices.groups = { lab: ['a2'] };
    const all = locationId(await make({ name: 'all', artifact_name: 'r1', all_devices: true }));
    const group = locationId(await make({ name: 'lab', artifact_name: 'r1' }, `${path}/group/lab`));
    server.devices.accepted.push('a4');
    expect((await server.call('GET', `${path}/${all}/device_list`)).json).toEqual(['a1', 'a2', 'a3']);
    expect((await server.call('GET', `${path}/${group}/device_list`)).json).toEqual(['a2']);
    expect((await server.call('GET', `${path}/${group}`)).json.groups).toEqual(['lab']);
    await server.db
      .insertInto('attributes')
      .values({ device_id: 'a3', scope: 'system', name: 'group', seq: 0, kind: 's', text: 'attic', ts: '' })
      .execute();
    const one = locationId(await make({ name: 'one', artifact_name: 'r1', devices: ['a3'] }));
    expect((await server.call('GET', `${path}/${one}`)).json.groups).toEqual(['attic']);
    expect((await make({ name: 'none', artifact_name: 'r1' }, `${path}/group/none`)).status).toBe(400);
    expect((await make(asked(), `${path}/group/lab`)).status).toBe(400);
    expect((await make({ name: 'x', artifact_name: 'r9' }, `${path}/group/lab`)).status).toBe(422);
  });

  it('for 20 000 devices is made in one go', async () => {
    const devices = Array.from({ length: 20_000 }, (_, at) => `device-${at}`);
    const made = await make(asked({ devices }));
    expect(made.status).toBe(201);
    expect((await server.call('GET', `${path}/${locationId(made)}/statistics`)).json.pending).toBe(20_000);
  });

  it('keeps its artifact from being described or removed', async () => {
    const { json } = await server.call('GET', `${deploymentsV1}/artifacts`);
    const artifact = `${deploymentsV1}/artifacts/${json[0].id}`;
    const id = locationId(await make(asked()));
    const refused = await server.call('DELETE', artifact);
    expect([refused.status, refused.json.error]).toEqual([409, 'Artifact is used in active deployment']);
    expect((await server.call('PUT', artifact, { description: 'x' })).status).toBe(422);
    await server.call('PUT', `${path}/${id}/status`, { status: 'aborted' });
    expect((await server.call('PUT', artifact, { description: 'x' })).status).toBe(422);
    expect((await server.call('DELETE', artifact)).status).toBe(204);
    expect((await server.call('GET', `${path}/${id}`)).status).toBe(200);
  });
});

describe('the list of deployments', () => {
  it('is paged, sorted, and filtered', async () => {
    await server.upload(await artifactFor('other-2'));
    const ids: string[] = [];
    for (const name of ['alpha', 'beta', 'gamma'])
      ids.push(locationId(await make(asked({ name, artifact_name: name === 'gamma' ? 'other-2' : 'r1' }))));
    const [alpha = '', beta = '', gamma = ''] = ids;
    await server.call('PUT', `${path}/${beta}/status`, { status: 'aborted' });
    const list = async (query: string, to = path) => {
      const { status, json } = await server.call('GET', `${to}?${query}`);
      return status === 200 ? json.map(({ id }: { id: string }) => id) : status;
    };
    expect(await list('')).toEqual([gamma, beta, alpha]);
    expect(await list('sort=asc')).toEqual([alpha, beta, gamma]);
    expect(await list('status=finished')).toEqual([beta]);
    expect(await list('status=aborted')).toEqual([beta]);
    expect(await list('status=pending')).toEqual([gamma, alpha]);
    expect(await list('search=ALPH')).toEqual([alpha]);
    expect(await list('search=other')).toEqual([gamma]);
    expect(await list('search=%25')).toEqual([]);
    expect(await list('type=software')).toHaveLength(3);
    expect(await list('type=configuration')).toEqual([]);
    const now = Math.floor(Date.now() / 1000);
    expect(await list(`created_after=${now - 60}`)).toHaveLength(3);
    expect(await list(`created_before=${now - 60}`)).toEqual([]);
    for (const bad of [
      'status=x',
      'type=x',
      'sort=x',
      'created_after=x',
      'created_before=-1',
      'page=0',
      'page=x',
      'per_page=501',
      'per_page=-1',
      'status=a&status=b',
      'created_after=99999999999',
    ])
      expect([bad, await list(bad)]).toEqual([bad, bad.includes('99999999999') ? [] : 400]);
    const page = await server.call('GET', `${path}?per_page=1&page=2&sort=asc`);
    expect(page.json.map(({ id }: { id: string }) => id)).toEqual([beta]);
    expect(page.headers.get('x-total-count')).toBe('3');
    expect(page.headers.get('link')).toContain(`<${path}?page=3&per_page=1&sort=asc>; rel="next"`);

    const v2 = `${deploymentsV2}/deployments`;
    expect(await list('name=alpha&name=gamma', v2)).toEqual([gamma, alpha]);
    expect(await list(`id=${alpha}&id=${beta}`, v2)).toEqual([beta, alpha]);
    expect(await list('name=alph', v2)).toEqual([]);
    expect(await list('id_scope=identity', v2)).toBe(400);
    expect(await list('id_scope=x&id_attribute=sn', v2)).toBe(400);
    await server.db
      .insertInto('attributes')
      .values({
        device_id: 'd1',
        scope: 'identity',
        name: 'sn',
        seq: 0,
        kind: 's',
        text: 'SN-1',
        num: null,
        description: null,
        ts: '',
      })
      .execute();
    expect(await list('name=SN-1&id_attribute=sn', v2)).toEqual([gamma, beta, alpha]);
    expect(await list('name=SN-2&id_attribute=sn&id_scope=identity', v2)).toEqual([]);
    expect(await list('name=alpha&id_attribute=sn', v2)).toEqual([alpha]);
  });

  it('and one of it by id, with its numbers', async () => {
    const id = locationId(await make(asked()));
    for (const rest of ['', '/statistics', '/devices', '/devices/list', '/device_list']) {
      expect([rest, (await server.call('GET', `${path}/${id}${rest}`)).status]).toEqual([rest, 200]);
      expect([rest, (await server.call('GET', `${path}/${randomUUID()}${rest}`)).status]).toEqual([rest, 404]);
      expect([rest, (await server.call('GET', `${path}/nonsense${rest}`)).status]).toEqual([rest, 400]);
    }
    const list = async (ids: unknown) => server.call('POST', `${path}/statistics/list`, { deployment_ids: ids });
    expect((await list([id, randomUUID()])).json).toEqual([{ id, stats: expect.objectContaining({ pending: 2 }) }]);
    expect((await list([randomUUID()])).status).toBe(404);
    expect((await list([])).json).toEqual({});
    expect((await list(Array.from({ length: 101 }, () => id))).status).toBe(400);
    expect((await list(id)).status).toBe(400);
  });

  it('shows the devices of one by status, in pages', async () => {
    const devices = ['d1', 'd2', 'd3', 'd4'];
    const id = locationId(await make(asked({ devices })));
    const device = '/api/devices/v1/deployments/device/deployments';
    for (const one of devices.slice(0, 3))
      await server.call('GET', `${device}/next?artifact_name=x&device_type=qemu`, undefined, one);
    await server.call('PUT', `${device}/${id}/status`, { status: 'success' }, 'd1');
    await server.call('PUT', `${device}/${id}/status`, { status: 'pause_before_installing' }, 'd2');
    const list = async (query: string) => {
      const { status, json } = await server.call('GET', `${path}/${id}/devices/list?${query}`);
      return status === 200 ? json.map((one: { id: string }) => one.id) : status;
    };
    // By status, then by id.
    expect(await list('')).toEqual(['d2', 'd3', 'd1']);
    expect(await list('status=pause')).toEqual(['d2']);
    expect(await list('status=active')).toEqual(['d2', 'd3']);
    expect(await list('status=finished')).toEqual(['d1']);
    expect(await list('status=success')).toEqual(['d1']);
    expect(await list('status=constructor')).toBe(400);
    expect(await list('per_page=2&page=2')).toEqual(['d1']);
    const { headers } = await server.call('GET', `${path}/${id}/devices/list?per_page=2`);
    expect(headers.get('x-total-count')).toBe('3');
  });
});

describe('bad input of any kind', () => {
  it('never is a fault of the server', async () => {
    const id = locationId(await make(asked()));
    const words = [
      '',
      '%00',
      '%ff',
      '..%2f..%2f',
      "'",
      '"',
      '%',
      '[]',
      '__proto__',
      'x'.repeat(900),
      '%F0%9F%98%80',
      '-1',
      '1e9',
      'null',
    ];
    const paths = [
      ...[
        '',
        '/releases',
        '/releases/list',
        '/devices/W',
        '/W',
        '/W/statistics',
        '/W/devices',
        '/W/devices/list',
        '/W/devices/W/log',
      ].map((rest) => path + rest),
      `${deploymentsV1}/artifacts/list`,
      `${deploymentsV1}/artifacts/W`,
      `${deploymentsV1}/artifacts/W/download`,
      `${deploymentsV2}/deployments`,
      `${deploymentsV2}/artifacts`,
      `${deploymentsV2}/deployments/releases`,
      `${deploymentsV2}/deployments/releases/W`,
      '/api/management/v1alpha1/deployments/software',
      '/api/devices/v1/deployments/download/artifact/W',
    ];
    const keys = [
      'page',
      'per_page',
      'sort',
      'name',
      'status',
      'tag',
      'device_type',
      'search',
      'created_after',
      'id',
      'expire',
      'signature',
      'kind',
    ];
    for (const [at, to] of paths.entries())
      for (const [index, word] of words.entries()) {
        const url = `${to.replaceAll('W', word || 'x')}?${keys[(at + index) % keys.length]}=${word}&${keys[(at * 7 + index) % keys.length]}=${word}`;
        const { status, json } = await server.call('GET', url);
        expect([url, status]).toEqual([url, expect.not.toSatisfy((code: number) => code >= 500)]);
        if (status >= 400) expect(json.error).toMatch(/^[^\n]+$/);
      }
    const bodies: unknown[] = [
      null,
      0,
      '',
      'x',
      [],
      [[]],
      {},
      { name: {} },
      { name: 'x', artifact_name: 'r1', devices: [{}] },
      { status: 1 },
      { messages: 'x' },
      { device_provides: [] },
      { device_provides: { device_type: 'a', artifact_name: 'b', x: {} } },
      { deployment_ids: [null] },
      JSON.parse('{"__proto__": {"name": "x"}, "constructor": 1}'),
    ];
    const device = '/api/devices/v1/deployments/device/deployments';
    const writes: [string, string, string?][] = [
      ['POST', path],
      ['POST', `${path}/group/x`],
      ['PUT', `${path}/${id}/status`],
      ['POST', `${path}/statistics/list`],
      ['PUT', `${deploymentsV1}/artifacts/${randomUUID()}`],
      ['PATCH', `${deploymentsV2}/deployments/releases/r1`],
      ['PUT', `${deploymentsV2}/deployments/releases/r1/tags`],
      ['POST', `${device}/next`, 'd1'],
      ['POST', '/api/devices/v2/deployments/device/deployments/next', 'd1'],
      ['PUT', `${device}/${id}/status`, 'd1'],
      ['PUT', `${device}/${id}/log`, 'd1'],
    ];
    for (const [method, to, as] of writes)
      for (const body of bodies) {
        const { status } = await server.call(method, to, body, as);
        expect([method, to, body, status]).toEqual([
          method,
          to,
          body,
          expect.not.toSatisfy((code: number) => code >= 500),
        ]);
      }
  });
});
