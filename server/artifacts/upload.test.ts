import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentsV1, deploymentsV2 } from '#proto/http/paths';
import {
  answerOf,
  artifactFor,
  formOf,
  type Harness,
  locationId,
  openHarness,
} from '../deployments/harness.testing.ts';

const corpus = join(import.meta.dirname, '../../test/fixtures/artifacts');
const path = `${deploymentsV1}/artifacts`;

let server: Harness;
beforeEach(async () => {
  server = await openHarness({ artifactSize: 8 * 1024 * 1024 });
});
afterEach(() => server.close());

const stored = () => readdir(join(server.folder, 'artifacts'));
const rows = () => server.db.selectFrom('artifacts').selectAll().execute();

async function nothingStored(): Promise<void> {
  expect(await rows()).toEqual([]);
  expect(await stored()).toEqual([]);
}

/** A form with its boundary chosen, for bodies that no `FormData` makes. */
function rawForm(parts: readonly [name: string, body: Buffer | string][], type = 'multipart/form-data') {
  const boundary = 'b0undary';
  const body = Buffer.concat([
    ...parts.flatMap(([name, content]) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return { body, type: `${type}; boundary=${boundary}` };
}

const post = (body: Buffer, type: string, to = path) =>
  fetch(server.url + to, {
    method: 'POST',
    headers: { Authorization: 'Bearer user', 'Content-Type': type },
    body: new Uint8Array(body),
  }).then(answerOf);

describe('an upload (server-api.md §2.2.1)', () => {
  it('is stored byte for byte and shown as mender-cli decodes it', async () => {
    const artifact = await readFile(join(corpus, 'valid/module-provides-depends.mender'));
    const answer = await server.upload(artifact, { description: 'with depends', size: String(artifact.length) });
    expect([answer.status, answer.text]).toEqual([201, '']);
    const id = locationId(answer);
    expect(answer.headers.get('location')).toBe(`${path}/${id}`);
    expect((await readFile(join(server.folder, 'artifacts', id))).equals(artifact)).toBe(true);
    const { status, json } = await server.call('GET', `${path}/${id}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      id,
      description: 'with depends',
      info: { format: 'mender', version: 3 },
      signed: false,
      size: artifact.length,
    });
    expect(json.artifact_depends.device_type).toBeInstanceOf(Array);
    expect(json.artifact_provides.artifact_name).toBe(json.name);
    expect(json.updates[0].meta_data).toBeUndefined();
    expect(json.updates[0].files[0]).toEqual({
      name: expect.any(String),
      checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
      size: expect.any(Number),
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(json.modified).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(server.told).toEqual([['release', { name: json.name }]]);
    expect(server.audited.map(({ action, result, note }) => [action, result, note.object.id])).toEqual([
      ['artifact_upload', 'ok', id],
    ]);
  });

  it('is taken for every good artifact of the corpus and refused for every bad one, of which nothing is kept', async () => {
    for (const name of await readdir(join(corpus, 'malformed'))) {
      // Only with a key can these be told from good ones.
      if (/^signature-(by|other|p384|stale|stripped)/.test(name)) continue;
      const { status, json } = await server.upload(await readFile(join(corpus, 'malformed', name)));
      expect([name, status]).toEqual([name, 400]);
      expect(json.error).toMatch(/^the artifact cannot be taken: [^\n]+$/);
    }
    await nothingStored();
    let taken = 0;
    for (const name of await readdir(join(corpus, 'valid'))) {
      const { status, text } = await server.upload(await readFile(join(corpus, 'valid', name)));
      // Some of them have the same name and depends.
      if (status === 201) taken++;
      else expect([name, status, text]).toEqual([name, 409, expect.stringContaining('same name')]);
    }
    expect(taken).toBeGreaterThan(20);
    expect((await stored()).length).toBe(taken);
    for (const { id } of await rows()) expect((await server.call('GET', `${path}/${id}`)).status).toBe(200);
  });

  it('names what is wrong with a byte altered in the payload', async () => {
    const artifact = await artifactFor('r1', { filler: 5000 });
    const at = artifact.indexOf('.....');
    artifact[at + 100] = 0x21;
    const { status, json } = await server.upload(artifact);
    expect(status).toBe(400);
    expect(json.error).toMatch(/hello\.txt/);
    expect(json.request_id).toMatch(/./);
    await nothingStored();
  });

  it('is refused when it was cut short, with the form whole or cut too', async () => {
    const artifact = await artifactFor('r1', { filler: 50_000 });
    expect((await server.upload(artifact.subarray(0, 20_000))).status).toBe(400);
    const { body, type } = rawForm([['artifact', artifact]]);
    const cut = await post(body.subarray(0, 30_000), type);
    expect([cut.status, cut.json.error]).toEqual([400, expect.stringMatching(/^the form cannot be read: /)]);
    const unended = await post(body.subarray(0, body.length - 20), type);
    expect(unended.status).toBe(400);
    await nothingStored();
  });

  it('leaves nothing behind when the client goes away in the middle', async () => {
    const artifact = await artifactFor('r1', { filler: 4_000_000 });
    const { body, type } = rawForm([['artifact', artifact]]);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer user\r\nContent-Type: ${type}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, 1_000_000));
    await expect.poll(async () => (await stored()).length).toBe(1);
    socket.destroy();
    await once(socket, 'close');
    await expect.poll(stored).toEqual([]);
    await expect.poll(() => server.audited.map(({ result }) => result)).toEqual(['refused']);
    await nothingStored();
    // The server is alive.
    expect((await server.upload(artifact)).status).toBe(201);
  });

  it('is refused over the limit: by what the request says, and by what comes', async () => {
    const artifact = await artifactFor('r1', { filler: 9 * 1024 * 1024 });
    const said = await server.upload(artifact);
    expect([said.status, said.json.error]).toEqual([413, 'the file is larger than the limit of 8388608 bytes']);
    const { body, type } = rawForm([['artifact', artifact]]);
    const chunked = await fetch(server.url + path, {
      method: 'POST',
      headers: { Authorization: 'Bearer user', 'Content-Type': type },
      body: new ReadableStream({
        start(controller) {
          for (let at = 0; at < body.length; at += 65536)
            controller.enqueue(new Uint8Array(body.subarray(at, at + 65536)));
          controller.close();
        },
      }),
      duplex: 'half',
    }).then(answerOf);
    expect(chunked.status).toBe(413);
    await nothingStored();
  });

  it('must have the size that the form says', async () => {
    const artifact = await artifactFor('r1');
    for (const size of [artifact.length - 1, artifact.length + 1])
      expect((await server.upload(artifact, { size: String(size) })).status).toBe(400);
    for (const size of ['-1', 'x', '1.5', '99999999999999999999'])
      expect((await server.upload(artifact, { size })).json.error).toBe('size: must be a number of bytes');
    await nothingStored();
    expect((await server.upload(artifact, { size: String(artifact.length) })).status).toBe(201);
  });

  it('takes the id of the form, once', async () => {
    const id = randomUUID();
    expect(locationId(await server.upload(await artifactFor('r1'), { artifact_id: id }))).toBe(id);
    const again = await server.upload(await artifactFor('r2'), { artifact_id: id });
    expect([again.status, again.json.error]).toEqual([409, `the artifact id ${id} is taken`]);
    const bad = await server.upload(await artifactFor('r2'), { artifact_id: '../../etc/passwd' });
    expect([bad.status, bad.json.error]).toEqual([400, 'artifact_id: must be a UUID']);
    expect(await stored()).toEqual([id]);
  });

  it('is refused if its name and depends are there, also when two come at once', async () => {
    const artifact = await artifactFor('r1', { types: ['b', 'a'] });
    const same = await artifactFor('r1', { types: ['a', 'b'], filler: 3000 });
    const answers = await Promise.all([server.upload(artifact), server.upload(same)]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409]);
    const refused = answers.find(({ status }) => status === 409);
    expect(refused?.json).toMatchObject({
      error: 'an artifact with the same name and depends already exists',
      metadata: { conflict: { artifact_name: 'r1' } },
    });
    expect((await stored()).length).toBe(1);
    expect((await server.upload(await artifactFor('r1', { types: ['a'] }))).status).toBe(201);
  });

  it('reads field names in any case, skips unknown ones, and never looks behind the file', async () => {
    const artifact = await artifactFor('r1');
    const { body, type } = rawForm(
      [
        ['Description', 'über'],
        ['what', 'ever'],
        ['ARTIFACT', artifact],
        ['size', '1'],
        ['artifact_id', 'no uuid'],
      ],
      'multipart/mixed',
    );
    const answer = await post(body, type);
    expect([answer.status, answer.text]).toEqual([201, '']);
    expect((await rows())[0]?.description).toBe('über');
  });

  it('is no form, or a form without a file: said so', async () => {
    const cases: [Buffer, string, number, RegExp][] = [
      [Buffer.from('{}'), 'application/json', 415, /multipart\/form-data/],
      [Buffer.from('x'), 'multipart/form-data', 400, /Boundary/],
      [rawForm([['size', '1']]).body, rawForm([]).type, 400, /request does not contain the artifact file/],
      [rawForm([]).body, rawForm([]).type, 400, /./],
      [Buffer.alloc(0), rawForm([]).type, 400, /./],
      [Buffer.from('no form at all'), rawForm([]).type, 400, /./],
      [rawForm([['artifact', '']]).body, rawForm([]).type, 400, /cannot be taken/],
      [
        rawForm([
          ['description', 'x'.repeat(5000)],
          ['artifact', 'x'],
        ]).body,
        rawForm([]).type,
        400,
        /4096/,
      ],
      [
        rawForm([
          ['x', 'x'.repeat(2_000_000)],
          ['artifact', 'x'],
        ]).body,
        rawForm([]).type,
        413,
        /fields/,
      ],
    ];
    for (const [body, type, status, error] of cases) {
      const answer = await post(body, type);
      expect([status, answer.json?.error]).toEqual([answer.status, expect.stringMatching(error)]);
    }
    await nothingStored();
  });

  it('says so when the disk is full, and leaves nothing', async () => {
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const create = server.blobs.create.bind(server.blobs);
    server.blobs.create = async (id) => {
      const writer = await create(id);
      return {
        write: async (bytes) => writer.write(bytes),
        commit: async () => {
          throw full;
        },
        abort: async () => writer.abort(),
      };
    };
    const answer = await server.upload(await artifactFor('r1'));
    expect([answer.status, answer.json.error]).toEqual([503, 'the server has no room left for artifacts']);
    await nothingStored();
  });

  it('needs the permission', async () => {
    const reader = await fetch(server.url + path, {
      method: 'POST',
      headers: { Authorization: 'Bearer reader' },
      body: formOf(await artifactFor('r1')),
    });
    expect(reader.status).toBe(403);
    await nothingStored();
  });
});

describe('a generated artifact (server-api.md §2.2.2)', () => {
  const generate = (fields: Record<string, string>, file = 'contents') => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([file]), 'f');
    return server.call('POST', `${path}/generate`, form);
  };
  const fields = {
    name: 'motd-1',
    description: 'message of the day',
    device_types_compatible: 'qemu, beaglebone',
    type: 'single_file',
    args: JSON.stringify({ filename: 'motd', dest_dir: '/etc' }),
  };

  it('installs one file through the module single-file', async () => {
    const answer = await generate(fields);
    expect([answer.status, answer.text]).toEqual([201, '']);
    const { json } = await server.call('GET', `${path}/${locationId(answer)}`);
    expect(json).toMatchObject({
      name: 'motd-1',
      description: 'message of the day',
      device_types_compatible: ['qemu', 'beaglebone'],
      artifact_provides: { artifact_name: 'motd-1', 'rootfs-image.single-file.version': 'motd-1' },
      clears_artifact_provides: ['rootfs-image.single-file.*'],
    });
    expect(json.updates[0].type_info.type).toBe('single-file');
    expect(json.updates[0].files.map(({ name }: { name: string }) => name)).toEqual([
      'dest_dir',
      'filename',
      'permissions',
      'motd',
    ]);
    expect((await stored()).length).toBe(1);
    expect((await generate(fields)).status).toBe(422);
    expect((await stored()).length).toBe(1);
  });

  it('refuses what cannot be, keeping nothing', async () => {
    const args = (more: object) => JSON.stringify({ filename: 'motd', dest_dir: '/etc', ...more });
    const bad: Record<string, string>[] = [
      { ...fields, type: 'directory' },
      { ...fields, args: 'no json' },
      { ...fields, args: '[]' },
      { ...fields, args: args({ filename: '../x' }) },
      { ...fields, args: args({ filename: 'dest_dir' }) },
      { ...fields, args: args({ dest_dir: 'etc' }) },
      { ...fields, args: args({ dest_dir: '/etc\n/x' }) },
      { ...fields, name: '' },
      { ...fields, name: 'x'.repeat(257) },
      { ...fields, name: 'a\u0001b' },
      { ...fields, device_types_compatible: ' , ' },
      { ...fields, args: args({ software_name: 'a\nb' }) },
    ];
    for (const given of bad) {
      const { status, json } = await generate(given);
      expect([given, status, json?.error]).toEqual([given, 400, expect.stringMatching(/^[^\n]+$/)]);
    }
    await nothingStored();
  });
});

describe('artifacts and releases', () => {
  it('are listed, described and removed', async () => {
    const first = locationId(await server.upload(await artifactFor('app-1'), { description: 'Alpha' }));
    const second = locationId(await server.upload(await artifactFor('app-1', { types: ['pi'] })));
    const third = locationId(await server.upload(await artifactFor('App_2', { types: ['pi'] })));
    const list = async (query: string) => {
      const answer = await server.call('GET', `${path}/list?${query}`);
      return [
        answer.status,
        answer.json.map?.(({ id }: { id: string }) => id).sort(),
        answer.headers.get('x-total-count'),
      ];
    };
    const sorted = (...ids: string[]) => ids.sort();
    expect(await list('name=app-')).toEqual([200, sorted(first, second), '2']);
    expect(await list('name=APP_')).toEqual([200, [third], '1']);
    expect(await list('device_type=P')).toEqual([200, sorted(second, third), '2']);
    expect(await list('description=alph')).toEqual([200, [first], '1']);
    expect(await list('page=0&per_page=9999')).toEqual([200, sorted(first, second, third), '3']);
    expect((await list('sort=size'))[0]).toBe(400);
    const page = await server.call('GET', `${path}/list?sort=name:desc&per_page=1&page=2&name=p`);
    expect(page.headers.get('link')).toBe(
      ['first', 'prev', 'next', 'last']
        .map((rel, at) => `<${path}/list?name=p&page=${[1, 1, 3, 3][at]}&per_page=1&sort=name%3Adesc>; rel="${rel}"`)
        .join(', '),
    );
    expect((await server.call('GET', path)).json.length).toBe(3);

    expect((await server.call('PUT', `${path}/${first}`, { description: 'Beta' })).status).toBe(204);
    expect((await server.call('GET', `${path}/${first}`)).json.description).toBe('Beta');
    expect((await server.call('PUT', `${path}/${first}`, { description: 'x'.repeat(4097) })).status).toBe(400);
    expect((await server.call('GET', `${path}/nonsense`)).status).toBe(400);
    expect((await server.call('GET', `${path}/${randomUUID()}`)).status).toBe(404);
    expect((await server.call('DELETE', `${path}/${first}`)).status).toBe(204);
    expect((await server.call('DELETE', `${path}/${first}`)).status).toBe(404);
    expect((await stored()).sort()).toEqual(sorted(second, third));
    expect((await server.call('GET', `${deploymentsV1}/limits/storage`)).json.limit).toBe(0);
    expect((await server.call('GET', `${deploymentsV1}/limits/x`)).status).toBe(400);
    expect((await server.call('POST', `${path}/directupload/${first}/complete`)).status).toBe(404);
  });

  it('of v2 are found by whole names or a beginning (§2.3)', async () => {
    for (const name of ['a-1', 'a-2', 'b*']) expect((await server.upload(await artifactFor(name))).status).toBe(201);
    const names = async (query: string) => {
      const { status, json } = await server.call('GET', `${deploymentsV2}/artifacts?${query}`);
      return status === 200 ? json.map(({ name }: { name: string }) => name) : status;
    };
    expect(await names('name=a-1&name=b%5C*')).toEqual(['a-1', 'b*']);
    expect(await names('name=a*')).toEqual(['a-1', 'a-2']);
    expect(await names('name=A*')).toEqual([]);
    expect(await names('name=a*&name=b')).toBe(400);
    expect(await names(Array.from({ length: 101 }, (_, at) => `name=${at}`).join('&'))).toBe(400);
    expect(await names('device_type=qe*')).toEqual(['a-1', 'a-2', 'b*']);
    expect(await names('device_type=qe')).toEqual([]);
    const page = await server.call('GET', `${deploymentsV2}/artifacts?per_page=2`);
    expect(page.headers.get('x-total-count')).toBeNull();
    expect(page.headers.get('link')).toContain('rel="next"');
    expect(page.headers.get('link')).not.toContain('rel="last"');
  });

  it('have tags and notes, are found by them, and go with their artifacts', async () => {
    for (const name of ['one', 'two/x']) await server.upload(await artifactFor(name));
    await server.upload(await artifactFor('one', { types: ['pi'] }));
    const releases = `${deploymentsV2}/deployments/releases`;
    const two = `${releases}/${encodeURIComponent('two/x')}`;
    expect((await server.call('PUT', `${two}/tags`, ['B', 'a', 'b'])).status).toBe(204);
    expect((await server.call('PUT', `${releases}/one/tags`, ['c'])).status).toBe(204);
    expect((await server.call('PATCH', two, { notes: 'line 1\nline 2' })).status).toBe(204);
    expect((await server.call('GET', two)).json).toMatchObject({
      name: 'two/x',
      tags: ['a', 'b'],
      notes: 'line 1\nline 2',
      artifacts_count: 1,
    });
    const found = async (query: string) =>
      (await server.call('GET', `${releases}?${query}`)).json.map(({ name }: { name: string }) => name);
    expect(await found('tag=A&tag=zzz')).toEqual(['two/x']);
    expect(await found('sort=artifacts_count:desc')).toEqual(['one', 'two/x']);
    expect(await found('name=WO')).toEqual(['two/x']);
    expect(await found('update_type=single-file')).toEqual(['one', 'two/x']);
    expect(await found('update_type=rootfs-image')).toEqual([]);
    expect((await server.call('GET', `${deploymentsV2}/releases/all/tags`)).json).toEqual(['a', 'b', 'c']);
    expect((await server.call('GET', `${deploymentsV2}/releases/all/types`)).json).toEqual(['single-file']);
    const v1 = await server.call('GET', `${deploymentsV1}/deployments/releases?device_type=pi`);
    expect(v1.json).toMatchObject([{ Name: 'one', ArtifactsCount: 2, Artifacts: [{}, {}], tags: ['c'], notes: '' }]);
    expect(
      (await server.call('GET', `${deploymentsV1}/deployments/releases/list?per_page=1`)).headers.get('x-total-count'),
    ).toBe('2');

    const software = '/api/management/v1alpha1/deployments/software';
    expect((await server.call('GET', `${software}?name_prefix=tw`)).json).toEqual([
      expect.objectContaining({ name: 'two/x', kind: 'release', compatible_types: ['qemu'] }),
    ]);
    expect((await server.call('GET', `${software}?name_prefix=tw&name=x`)).status).toBe(400);
    expect((await server.call('GET', `${software}?kind=x`)).status).toBe(400);
    expect((await server.call('GET', `${software}?kind=manifest`)).json).toEqual([]);
    expect((await server.call('GET', `${software}/tags?kind=release`)).json).toEqual(['a', 'b', 'c']);
    expect((await server.call('GET', `${software}/tags?kind=manifest`)).json).toEqual([]);

    for (const tags of [['a b'], Array.from({ length: 21 }, (_, at) => `t${at}`), 'x', [1]])
      expect((await server.call('PUT', `${two}/tags`, tags)).status).toBe(400);
    expect((await server.call('PUT', `${releases}/none/tags`, ['a'])).status).toBe(404);
    expect((await server.call('PATCH', two, { notes: 'x\u0000y' })).status).toBe(400);
    expect((await server.call('PATCH', two, { notes: 'x'.repeat(1025) })).status).toBe(400);

    expect((await server.call('DELETE', releases)).status).toBe(400);
    const { status } = await server.call('POST', `${deploymentsV1}/deployments`, {
      name: 'd',
      artifact_name: 'one',
      devices: ['d1'],
    });
    expect(status).toBe(201);
    const refused = await server.call('DELETE', `${releases}?name=one&name=two%2Fx`);
    expect([refused.status, refused.json.error, refused.json.active_deployments.length]).toEqual([
      409,
      'release(s) used in active deployment',
      1,
    ]);
    expect((await server.call('DELETE', `${releases}?name=two%2Fx`)).status).toBe(204);
    expect((await server.call('GET', two)).status).toBe(404);
    expect((await stored()).length).toBe(2);
  });

  it('have at most 100 different tags together (§5)', async () => {
    const releases = `${deploymentsV2}/deployments/releases`;
    for (let at = 0; at < 6; at++) {
      await server.upload(await artifactFor(`r${at}`));
      const tags = Array.from({ length: 20 }, (_, one) => `t-${at}-${one}`);
      expect((await server.call('PUT', `${releases}/r${at}/tags`, tags)).status).toBe(at < 5 ? 204 : 409);
    }
    expect((await server.call('GET', `${releases}/r5`)).json.tags).toEqual([]);
  });
});
