// What operations need that no schema says: a body that means something, a link that is signed, a person of one's own.
import { generateKeyPairSync, sign } from 'node:crypto';
import { artifactBytes, bytesSource } from '#artifact';
import type { World } from './world.ts';

export const grants = [{ permission: 'devices:read' }];
export const silence = { check: 'disk', minutes: 60, reason: 'maintenance' };
export const terms = [{ scope: 'inventory', attribute: 'a', type: '$exists', value: true }];
export const password = 'a password for tests';
export const webhook = {
  provider: 'webhook',
  credentials: { type: 'http', http: { url: 'http://127.0.0.1:9/hook' } },
};
export const lastOf = (headers: Headers): string => headers.get('location')?.split('/').at(-1) ?? '';

export interface Special {
  readonly path?: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly token?: string;
  readonly anonymous?: boolean;
  readonly body?: unknown;
  readonly form?: FormData;
}

export const pem = (): { pubkey: string; sign(text: string): string } => {
  const key = generateKeyPairSync('ed25519');
  return {
    pubkey: key.publicKey.export({ type: 'spki', format: 'pem' }),
    sign: (text) => sign(null, Buffer.from(text), key.privateKey).toString('base64'),
  };
};

const pathOf = (uri: string): Special => {
  const { pathname, search } = new URL(uri);
  return { path: pathname + search, anonymous: true };
};

const provides = { device_type: 'qemu', artifact_name: 'none' };

const ownGroups = '/api/management/v1/patchbay/groups';
const devices = '/api/management/v1/deviceconnect/devices';

/** Checks are given to a place, and given again. */
function checks(place: string, named: (world: World) => Promise<string>): typeof specials {
  return {
    [`PUT /v1/patchbay/monitor/checks/${place}`]: (_, given) => ({ body: given ?? { checks: [] } }),
    [`POST /v1/patchbay/monitor/checks/${place}/revert`]: async (world, given) => ({
      body: given ?? { version: await world.make.checksVersion(await named(world)) },
    }),
  };
}

/** Settings of a place are changed, and taken back to what they were. */
function settings(place: string, named: (world: World) => Promise<string>): typeof specials {
  return {
    [`PATCH /v1/patchbay/configuration/${place}`]: (_, given) => ({ body: given ?? { set: { a: 'b' } } }),
    [`POST /v1/patchbay/configuration/${place}/revert`]: async (world, given) => ({
      body: given ?? { revision: await world.make.revision(await named(world)) },
    }),
  };
}

/** By method and path, below `/api/management` or `/api/devices`. A body is given only where it replaces the schema's own. */
export const specials: Readonly<Record<string, (world: World, given: unknown) => Special | Promise<Special>>> = {
  'POST /v1/authentication/auth_requests': async (world, given) => {
    const key = await world.make.listed();
    const body = given ?? key.body;
    return { body, anonymous: true, headers: { 'x-men-signature': key.sign(JSON.stringify(body)) } };
  },
  'GET /v1/deployments/device/deployments/next': () => ({ query: provides }),
  'POST /v1/deployments/device/deployments/next': (_, given) => ({ body: given ?? provides }),
  'POST /v2/deployments/device/deployments/next': (_, given) => ({ body: given ?? { device_provides: provides } }),
  'PUT /v1/deployments/device/deployments/{}/status': (_, given) => ({ body: given ?? { status: 'downloading' } }),
  'PUT /v1/deployments/device/deployments/{}/log': (_, given) => ({
    body: given ?? { messages: [{ timestamp: '2026-01-02T03:04:05Z', level: 'info', message: 'x' }] },
  }),
  'PUT /v1/inventory/device/attributes': (_, given) => ({ body: given ?? [{ name: 'a', value: 'b' }] }),
  'PATCH /v1/inventory/device/attributes': (_, given) => ({ body: given ?? [{ name: 'a', value: 'b' }] }),
  'GET /v1/deployments/download/artifact/{}': async (world) => pathOf((await world.make.link()).uri),
  'GET /v1/deployments/download/configuration/{}/{}/{}': async (world) => pathOf(await world.make.configuration()),
  'PUT /v1/deployments/artifacts/directupload/{}': async (world) => ({
    ...pathOf((await world.make.uploadLink()).uri),
    body: new Uint8Array(await artifact(world.make.name())),
  }),

  'POST /v2/devauth/devices': (world, given) => ({
    body: given ?? { identity_data: { mac: world.make.name() }, pubkey: pem().pubkey },
  }),
  'PUT /v2/devauth/devices/{}/auth/{}/status': (_, given) => ({ body: given ?? { status: 'rejected' } }),
  'POST /v2/devauth/devices/search': (_, given) => ({ body: given ?? { status: 'accepted' } }),
  'POST /v1/deployments/deployments': async (world, given) => ({
    body: given ?? {
      name: world.make.name(),
      artifact_name: await world.make.release(),
      devices: [await world.make.deviceId()],
    },
  }),
  'POST /v1/deployments/deployments/group/{}': async (world, given) => ({
    body: given ?? { name: world.make.name(), artifact_name: await world.make.release() },
  }),
  'POST /v1/deployments/deployments/statistics/list': async (world, given) => ({
    body: given ?? { deployment_ids: [await world.make.deployment()] },
  }),
  'PUT /v1/deployments/deployments/{}/status': (_, given) => ({ body: given ?? { status: 'aborted' } }),
  'POST /v1/deployments/artifacts': async (world) => ({ form: await artifactForm(world.make.name()) }),
  'POST /v1/deployments/artifacts/generate': (world) => ({ form: generateForm(world.make.name()) }),
  'POST /v1/deployments/artifacts/directupload/{}/complete': (_, given) => ({ body: given ?? {} }),
  'DELETE /v2/deployments/deployments/releases': async (world) => ({ query: { name: await world.make.release() } }),
  'PUT /v2/deployments/deployments/releases/{}/tags': (_, given) => ({ body: given ?? ['tag'] }),
  'PUT /v1/inventory/devices/{}/tags': (_, given) => ({ body: given ?? [{ name: 'a', value: 'b' }] }),
  'PATCH /v1/inventory/devices/{}/tags': (_, given) => ({ body: given ?? [{ name: 'a', value: 'b' }] }),
  'PUT /v1/inventory/devices/{}/group': (_, given) => ({ body: given ?? { group: 'group-0' } }),
  'PATCH /v1/inventory/groups/{}/devices': async (world, given) => ({ body: given ?? [await world.make.deviceId()] }),
  'DELETE /v1/inventory/groups/{}/devices': async (world, given) => ({ body: given ?? [await world.make.deviceId()] }),
  'POST /v2/inventory/filters': (world, given) => ({ body: given ?? world.make.filter() }),
  'POST /v1/patchbay/groups': (world, given) => ({ body: given ?? world.make.ownGroup() }),
  'PATCH /v1/patchbay/groups/{}': (_, given) => ({ body: given ?? { terms } }),
  'PATCH /v1/patchbay/groups/{}/devices': async (world, given) => ({
    path: `${ownGroups}/${await world.make.staticGroup()}/devices`,
    body: given ?? [await world.make.deviceId()],
  }),
  'DELETE /v1/patchbay/groups/{}/devices': async (world, given) => ({
    path: `${ownGroups}/${await world.make.staticGroup()}/devices`,
    body: given ?? [await world.make.deviceId()],
  }),
  'POST /v2/inventory/filters/search': (_, given) => ({ body: given ?? { page: 1, per_page: 5 } }),
  'POST /v2alpha1/inventory/identities/search': (_, given) => ({
    body: given ?? { scope: 'identity', name: 'mac', value_prefix: 'm' },
  }),
  'POST /v1/iot-manager/integrations': async (world, given) => {
    if (given === undefined) await world.make.noIntegration();
    return { body: given ?? webhook };
  },
  'PUT /v1/iot-manager/integrations/{}/credentials': (_, given) => ({ body: given ?? webhook.credentials }),
  'PUT /v1/deviceconfig/configurations/device/{}': (_, given) => ({ body: given ?? { a: 'b' } }),
  'POST /v1/deviceconfig/configurations/device/{}/deploy': (_, given) => ({ body: given ?? {} }),
  'PUT /v1/deviceconfig/configuration': (_, given) => ({ body: given ?? { a: 'b' } }),
  'POST /v1/useradm/auth/login': (_, given) => ({
    anonymous: true,
    body: given ?? {},
    headers: { authorization: `Basic ${Buffer.from(`admin@example.com:${password}`).toString('base64')}` },
  }),
  'POST /v1/useradm/auth/logout': async (world) => ({ token: await world.make.person() }),
  'POST /v1/useradm/users': (world, given) => ({ body: given ?? { email: world.make.email(), password } }),
  'PUT /v1/useradm/users/{}': (world, given) => ({ body: given ?? { email: world.make.email() } }),
  'PUT /v1/useradm/users/me': async (world, given) =>
    given === undefined
      ? { token: await world.make.person(), body: { password: 'another password', current_password: password } }
      : { body: given },
  'PUT /v2/useradm/users/me': async (world, given) =>
    given === undefined
      ? { token: await world.make.person(), body: { password: 'another password', current_password: password } }
      : { body: given },
  'POST /v1/patchbay/roles': (world, given) => ({ body: given ?? { name: world.make.name(), grants } }),
  'PUT /v1/patchbay/roles/{}': (_, given) => ({ body: given ?? { grants } }),
  'PATCH /v1/patchbay/sessions/{}': (_, given) => ({ body: given ?? { typing: true } }),
  'POST /v1/deviceconnect/devices/{}/check-update': async (world) => ({
    path: `${devices}/${await world.make.connected()}/check-update`,
  }),
  'POST /v1/deviceconnect/devices/{}/send-inventory': async (world) => ({
    path: `${devices}/${await world.make.connected()}/send-inventory`,
  }),
  'POST /v1/useradm/users/{}/2fa/enable': async (world) => ({
    path: '/api/management/v1/useradm/users/me/2fa/enable',
    token: await world.make.person(),
  }),
  'PUT /v1/useradm/2faverify': async (world, given) => {
    if (given !== undefined) return { body: given };
    const { token, token2fa } = await world.make.enrolled(false);
    return { token, body: { token2fa } };
  },
  'POST /v1/patchbay/second-factor/recovery-codes': async (world, given) => {
    if (given !== undefined) return { body: given };
    return { token: (await world.make.enrolled(true)).token, body: { current_password: password } };
  },
  ...checks('fleet', async () => 'fleet'),
  ...checks('groups/{}', async (world) => `groups/${await world.make.group()}`),
  ...checks('devices/{}', async (world) => `devices/${await world.make.deviceId()}`),
  'POST /v1/patchbay/monitor/channels': (world, given) => ({ body: given ?? world.make.channel() }),
  'PATCH /v1/patchbay/monitor/channels/{}': (world, given) => ({ body: given ?? { name: world.make.name() } }),
  'POST /v1/patchbay/monitor/silences': (_, given) => ({ body: given ?? silence }),
  'POST /v1/patchbay/monitor/devices/{}/acknowledge': (_, given) => ({ body: given ?? {} }),
  'POST /v1/patchbay/monitor/devices/{}/unacknowledge': (_, given) => ({ body: given ?? {} }),
  ...settings('fleet', async () => 'fleet'),
  ...settings('groups/{}', async (world) => `groups/${await world.make.group()}`),
  ...settings('devices/{}', async (world) => `devices/${await world.make.deviceId()}`),
  'POST /v1/useradm/settings/tokens': (world, given) => ({
    body: given ?? { name: world.make.name(), expires_in: 60 },
  }),
  'POST /v1/useradm/settings': (_, given) => ({ body: given ?? { a: 'b' } }),
  'POST /v1/useradm/settings/me': (_, given) => ({ body: given ?? { a: 'b' } }),
};

export function artifact(name: string): Promise<Buffer> {
  return artifactBytes({
    name,
    depends: { device_type: ['qemu'] },
    payload: { type: 'single-file', provides: {}, depends: {}, clears: [], files: [bytesSource('f', name)] },
    compression: 'none',
  });
}

export async function artifactForm(name: string): Promise<FormData> {
  const form = new FormData();
  form.set('artifact', new Blob([new Uint8Array(await artifact(name))]), 'x.mender');
  return form;
}

function generateForm(name: string): FormData {
  const form = new FormData();
  const args = JSON.stringify({ filename: 'f', dest_dir: '/d' });
  for (const [field, value] of Object.entries({ name, device_types_compatible: 'qemu', type: 'single_file', args }))
    form.set(field, value);
  form.set('file', new Blob(['x']), 'f');
  return form;
}
