// A server with one of each thing that paths and bodies name, made when it is first needed and again when it was used up.
import { randomUUID } from 'node:crypto';
import { TOTP } from 'otpauth';
import { networksOf } from '../../server/http/proxies.ts';
import { stage, type Answer, type Stage } from '../../server/stage.ts';
import type { Operation } from './document.ts';
import { Line } from './line.ts';
import {
  artifact,
  artifactForm,
  grants,
  lastOf,
  password,
  pem,
  silence,
  type Special,
  specials,
  terms,
  webhook,
} from './specials.ts';

export interface Request {
  readonly path: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly form?: FormData;
}

const management = '/api/management';
const artifactsPath = `${management}/v1/deployments/artifacts`;
const own = '/api/devices/v1/deployments/device/deployments';

/** What stands at a parameter, by the path up to it. The first that matches counts. */
const places: readonly (readonly [RegExp, Kind])[] = [
  [/device\/deployments\/\{\w+\}$/, 'task'],
  [/directupload\/\{\w+\}$/, 'upload'],
  [/artifacts?\/\{\w+\}$/, 'artifact'],
  [/releases\/\{\w+\}$/, 'release'],
  [/auth\/\{\w+\}$|devauth\/tokens\/\{\w+\}$/, 'authSet'],
  [/deployments\/limits\/\{\w+\}$/, 'storage'],
  [/devauth\/limits\/\{\w+\}$/, 'maxDevices'],
  [/deployments\/deployments\/\{\w+\}$|configuration\/\{\w+\}$/, 'deployment'],
  [/deployments\/\{\w+\}\/devices\/\{\w+\}$/, 'deployedDevice'],
  [/patchbay\/groups\/\{\w+\}$/, 'ownGroup'],
  [/filters\/\{\w+\}$/, 'filter'],
  [/groups?\/\{\w+\}$/, 'group'],
  [/users\/\{\w+\}\/logins\/\{\w+\}$/, 'loginOfUser'],
  [/users\/\{\w+\}$/, 'user'],
  [/logins\/\{\w+\}$/, 'login'],
  [/roles\/\{\w+\}$/, 'role'],
  [/patchbay\/sessions\/\{\w+\}$/, 'session'],
  [/recordings\/\{\w+\}$/, 'recording'],
  [/monitor\/channels\/\{\w+\}$/, 'channel'],
  [/monitor\/silences\/\{\w+\}$/, 'silence'],
  [/settings\/tokens\/\{\w+\}$/, 'accessToken'],
  [/integrations\/\{\w+\}$|state\/\{\w+\}$/, 'integration'],
  [/devices?\/\{\w+\}$/, 'device'],
];
type Kind =
  | 'task'
  | 'upload'
  | 'artifact'
  | 'release'
  | 'authSet'
  | 'storage'
  | 'maxDevices'
  | 'deployment'
  | 'deployedDevice'
  | 'group'
  | 'ownGroup'
  | 'filter'
  | 'user'
  | 'loginOfUser'
  | 'login'
  | 'role'
  | 'session'
  | 'recording'
  | 'channel'
  | 'silence'
  | 'accessToken'
  | 'integration'
  | 'device';

/** What holds several kinds: a device with its deployment, a device that is connected. */
type Whole = 'pair' | 'line';

/** Kinds that are parts of others. */
const heldBy: Partial<Record<Kind, Kind | Whole>> = {
  task: 'pair',
  deployment: 'pair',
  deployedDevice: 'pair',
  authSet: 'device',
  loginOfUser: 'user',
};
const kindAt = (seen: string): Kind | undefined => places.find(([place]) => place.test(seen))?.[1];

export class World {
  readonly server: Stage;
  readonly token: string;
  #made = new Map<Kind | Whole, unknown>();
  readonly #lines: Line[] = [];
  #count = 0;

  private constructor(server: Stage, token: string) {
    this.server = server;
    this.token = token;
  }

  static async open(): Promise<World> {
    // Nothing listens where the webhooks go, and nothing leaves the machine.
    const server = await stage({ webhookNetworks: networksOf('test', '127.0.0.1'), recordings });
    await server.addUser('first@example.com', []);
    return new World(server, await server.login());
  }

  /** What a write to this path may have used up is made anew for the next. */
  used(template: string): void {
    let seen = '';
    for (const part of template.split(/(\{\w+\})/)) {
      seen += part;
      const kind = part.startsWith('{') ? kindAt(seen) : undefined;
      if (kind) this.#made.delete(heldBy[kind] ?? kind);
    }
    // A group lasts as long as its one member.
    if (!this.#made.has('device') || template.includes('/group')) this.#made.delete('group');
  }

  /** A request that is right in all but what the schemas cannot say. */
  async request(operation: Operation, body: unknown): Promise<Request> {
    const special = await this.#special(operation.name, body);
    const headers: Record<string, string> = {};
    const query = new URLSearchParams(special.query ?? {});
    return {
      path: `${special.path ?? (await this.path(operation.path))}${query.size > 0 ? `?${query.toString()}` : ''}`,
      ...(special.anonymous ? {} : { token: special.token ?? (await this.#tokenFor(operation.path)) }),
      headers: { ...headers, ...special.headers },
      ...(special.form ? { form: special.form } : { body: 'body' in special ? special.body : body }),
    };
  }

  /** Whether the body of a request is not the schema's alone to say. */
  async sample(operation: Operation): Promise<unknown> {
    return (await this.#special(operation.name, undefined)).body;
  }

  send({ path, token, headers = {}, body, form }: Request, method: string): Promise<Answer> {
    if (form) return this.#sendForm(method, path, form, token);
    const as = token ? { token } : {};
    if (body instanceof Uint8Array) return this.server.call(method, path, { ...as, headers, raw: body });
    return this.server.call(method, path, { ...as, headers, ...(body === undefined ? {} : { body }) });
  }

  async path(template: string): Promise<string> {
    let path = '';
    let seen = '';
    for (const part of template.split(/(\{\w+\})/)) {
      seen += part;
      path += part.startsWith('{') ? encodeURIComponent(await this.#at(seen)) : part;
    }
    return path;
  }

  async #sendForm(method: string, path: string, form: FormData, token: string | undefined): Promise<Answer> {
    const headers = token ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch(this.server.url + path, { method, body: form, ...(headers ? { headers } : {}) });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: json ? (JSON.parse(text) as unknown) : undefined,
    };
  }

  async #at(seen: string): Promise<string> {
    const kind = kindAt(seen);
    return kind ? await this.#get(kind) : randomUUID();
  }

  async #tokenFor(path: string): Promise<string> {
    if (!path.startsWith('/api/devices/')) return this.token;
    return path.includes('{') ? (await this.#pair()).device.token : (await this.#device()).token;
  }

  #once<T>(kind: Kind | Whole, make: () => Promise<T>): Promise<T> {
    const made = (this.#made.get(kind) as Promise<T> | undefined) ?? make();
    this.#made.set(kind, made);
    return made;
  }

  async #get(kind: Kind): Promise<string> {
    switch (kind) {
      case 'device':
        return (await this.#device()).id;
      case 'authSet': {
        const { body } = await this.#ask('GET', `/v2/devauth/devices/${(await this.#device()).id}`);
        return (body as { auth_sets: { id: string }[] }).auth_sets[0]?.id ?? '';
      }
      case 'deployedDevice':
        return (await this.#pair()).device.id;
      case 'task':
      case 'deployment':
        return (await this.#pair()).deployment;
      case 'storage':
        return 'storage';
      case 'maxDevices':
        return 'max_devices';
      case 'loginOfUser': {
        const { body } = await this.#ask('GET', `/v1/useradm/users/${await this.#get('user')}`);
        return idOf(await this.server.login((body as { email: string }).email));
      }
      default:
        return await this.#once(kind, () => this.#make(kind));
    }
  }

  async #make(
    kind: Exclude<Kind, 'device' | 'authSet' | 'deployedDevice' | 'task' | 'deployment' | 'loginOfUser'>,
  ): Promise<string> {
    switch (kind) {
      case 'artifact':
        return (await this.#upload()).id;
      case 'release':
        return (await this.#upload()).name;
      case 'upload': {
        const { id, uri } = (await this.#ask('POST', '/v1/deployments/artifacts/directupload')).body as {
          id: string;
          uri: string;
        };
        await fetch(uri, { method: 'PUT', body: new Uint8Array(await artifact(this.#name('direct'))) });
        return id;
      }
      case 'group': {
        const name = this.#name('group');
        await this.#ask('PUT', `/v1/inventory/devices/${(await this.#device()).id}/group`, { group: name });
        return name;
      }
      case 'ownGroup':
        return lastOf((await this.#ask('POST', '/v1/patchbay/groups', this.make.ownGroup())).headers);
      case 'filter':
        return lastOf((await this.#ask('POST', '/v2/inventory/filters', this.make.filter())).headers);
      case 'user': {
        const { headers } = await this.#ask('POST', '/v1/useradm/users', { email: this.#email(), password });
        return lastOf(headers);
      }
      case 'login':
        return idOf(await this.server.login());
      case 'role': {
        const name = this.#name('role');
        await this.#ask('POST', '/v1/patchbay/roles', { name, grants });
        return name;
      }
      case 'channel':
        return lastOf((await this.#ask('POST', '/v1/patchbay/monitor/channels', this.make.channel())).headers);
      case 'silence':
        return lastOf((await this.#ask('POST', '/v1/patchbay/monitor/silences', silence)).headers);
      case 'session':
        return await (await this.#line()).terminal();
      case 'recording':
        return await (await this.#line()).recording();
      case 'accessToken': {
        const path = '/v1/useradm/settings/tokens';
        const known = async () => (await this.#ask('GET', path)).body as { id: string }[];
        if ((await known()).length === 0) await this.#ask('POST', path, { name: this.#name('token') });
        return (await known())[0]?.id ?? '';
      }
      case 'integration': {
        const { body } = await this.#ask('GET', '/v1/iot-manager/integrations');
        const [known] = body as { id: string }[];
        return known?.id ?? lastOf((await this.#ask('POST', '/v1/iot-manager/integrations', webhook)).headers);
      }
      default:
        throw new Error(`no ${kind} to be made`);
    }
  }

  #ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.server.call(method, management + path, { token: this.token, ...(body === undefined ? {} : { body }) });
  }

  #name(kind: string): string {
    return `${kind}-${++this.#count}`;
  }
  #email(): string {
    return `${this.#name('person')}@example.com`;
  }

  #device() {
    return this.#once('device', () => this.server.addDevice({ mac: this.#name('mac') }));
  }

  #line() {
    return this.#once('line', async () => {
      const line = await Line.open(this.server, this.token);
      this.#lines.push(line);
      return line;
    });
  }

  /** A deployment that a device is at, and that has a log. */
  #pair() {
    return this.#once('pair', async () => {
      const device = await this.server.addDevice({ mac: this.#name('mac') });
      const { name } = await this.#upload();
      const body = { name: this.#name('deployment'), artifact_name: name, devices: [device.id] };
      const deployment = lastOf((await this.#ask('POST', '/v1/deployments/deployments', body)).headers);
      const as = { token: device.token };
      await this.server.call('GET', `${own}/next?artifact_name=none&device_type=qemu`, as);
      const messages = [{ timestamp: '2026-01-02T03:04:05Z', level: 'info', message: 'x' }];
      await this.server.call('PUT', `${own}/${deployment}/log`, { ...as, body: { messages } });
      return { device, deployment };
    });
  }

  async #upload(): Promise<{ id: string; name: string }> {
    const name = this.#name('release');
    const answer = await this.#sendForm('POST', artifactsPath, await artifactForm(name), this.token);
    return { id: lastOf(answer.headers), name };
  }

  /** What an operation needs that no schema says. */
  async #special(name: string, given: unknown): Promise<Special> {
    const [method = '', path = ''] = name.split(' ');
    const at = path.replace(/^\/api\/(management|devices)/, '').replaceAll(/\{\w+\}/g, '{}');
    const make = specials[`${method} ${at}`];
    return make ? await make(this, given) : {};
  }

  // What the special cases below are made of.
  readonly make = {
    device: async () => await this.#device(),
    deviceId: async () => (await this.#device()).id,
    release: async () => (await this.#upload()).name,
    deployment: async () => (await this.#pair()).deployment,
    name: () => this.#name('thing'),
    email: () => this.#email(),
    filter: () => ({ name: this.#name('filter'), terms }),
    ownGroup: () => ({ name: this.#name('group'), terms }),
    staticGroup: async () => {
      const name = this.#name('group');
      await this.#ask('POST', '/v1/patchbay/groups', { name });
      return name;
    },
    connected: async () => (await this.#line()).device,
    channel: () => ({ name: this.#name('channel'), kind: 'webhook', url: 'http://127.0.0.1:9/alerts' }),
    /** Checks of a place as they were given just now, by the number of that. */
    checksVersion: async (place: string) => {
      const path = `/v1/patchbay/monitor/checks/${place}`;
      await this.#ask('PUT', path, { checks: [], without: [`log_${this.#name('check')}`] });
      return ((await this.#ask('GET', path)).body as { version: number }).version;
    },
    /** Settings of a place as they were given just now, by the number of that. */
    revision: async (place: string) => {
      const path = `/v1/patchbay/configuration/${place}`;
      const { body } = await this.#ask('PATCH', path, { set: { [this.#name('key')]: 'x' } });
      return (body as { revision: number }).revision;
    },
    group: () => this.#get('group'),
    /** Somebody who is setting up his second factor, or has it. */
    enrolled: async (whole: boolean) => {
      const token = await this.server.addUser(this.#email(), ['admin']);
      const users = `${management}/v1/useradm`;
      await this.server.call('POST', `${users}/users/me/2fa/enable`, { token });
      const { body } = await this.server.call('GET', `${users}/2faqr`, { token });
      const { secret } = body as { secret: string };
      const token2fa = new TOTP({ secret, algorithm: 'SHA1', digits: 6, period: 30 }).generate();
      if (whole) await this.server.call('PUT', `${users}/2faverify`, { token, body: { token2fa } });
      return { token, token2fa };
    },
    /** A person of his own, for what would end the login of all others. */
    person: async () => await this.server.addUser(this.#email(), ['admin']),
    link: async () =>
      (await this.#ask('GET', `/v1/deployments/artifacts/${await this.#get('artifact')}/download`)).body as {
        uri: string;
      },
    /** A key that is on the list already. */
    listed: async () => {
      const key = pem();
      const mac = this.#name('mac');
      await this.#ask('POST', '/v2/devauth/devices', { identity_data: { mac }, pubkey: key.pubkey });
      return { ...key, body: { id_data: JSON.stringify({ mac }), pubkey: key.pubkey } };
    },
    noIntegration: async () => {
      const { body } = await this.#ask('GET', '/v1/iot-manager/integrations');
      for (const { id } of body as { id: string }[]) await this.#ask('DELETE', `/v1/iot-manager/integrations/${id}`);
      this.#made.delete('integration');
    },
    uploadLink: async () => (await this.#ask('POST', '/v1/deployments/artifacts/directupload')).body as { uri: string },
    /** Where a device is told to fetch its configuration. */
    configuration: async () => {
      const { id, token } = await this.server.addDevice({ mac: this.#name('mac') });
      await this.#ask('POST', `/v1/deviceconfig/configurations/device/${id}/deploy`, {});
      const { body } = await this.server.call('GET', `${own}/next?artifact_name=none&device_type=qemu`, { token });
      return (body as { artifact: { source: { uri: string } } }).artifact.source.uri;
    },
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines) line.close();
    await this.server.close();
  }
}

/** Those of a usual server, and that terminals are recorded. */
const recordings = { terminals: true, limit: 1e6, total: 1e9, days: 30, minFree: 0 };
const idOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti;
