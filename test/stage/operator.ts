// An operator at the management API, spelt out in plain HTTP: the tests see what any client would.
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import type { Device } from '#proto/http/devices';
import type { SessionInfo } from '#proto/http/sessions';
import { eventually } from './program.ts';

export interface Part {
  readonly id: string;
  readonly status: string;
  readonly log: boolean;
}

export class Operator {
  readonly url: string;
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  static async login(url: string, user: string, password: string): Promise<Operator> {
    const answer = await fetch(`${url}/api/management/v1/useradm/auth/login`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
    });
    if (!answer.ok) throw new Error(`login: ${answer.status} ${await answer.text()}`);
    return new Operator(url, await answer.text());
  }

  async request(method: string, path: string, body?: unknown): Promise<Response> {
    const form = body instanceof FormData;
    const answer = await fetch(`${this.url}/api/management${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: form ? body : JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async get<T>(path: string): Promise<T> {
    return (await (await this.request('GET', path)).json()) as T;
  }

  /** The device with this identity, once it is in this status. */
  async device(mac: string, status: string, timeout = 90_000): Promise<Device> {
    return await eventually(
      `device ${mac} is ${status}`,
      async () => {
        const devices = await this.get<Device[]>(`/v2/devauth/devices?status=${status}&per_page=500`);
        return devices.find((device) => device.identity_data['mac'] === mac);
      },
      timeout,
    );
  }

  async accept(device: Device): Promise<void> {
    const set = device.auth_sets[0];
    await this.request('PUT', `/v2/devauth/devices/${device.id}/auth/${set?.id}/status`, { status: 'accepted' });
  }

  /** Pending → accepted, as an operator would. */
  async welcome(mac: string): Promise<Device> {
    await this.accept(await this.device(mac, 'pending'));
    return await this.device(mac, 'accepted');
  }

  async connected(id: string, timeout = 100_000): Promise<void> {
    await eventually(
      `device ${id} is connected`,
      async () => (await this.get<{ status: string }>(`/v1/deviceconnect/devices/${id}`)).status === 'connected',
      timeout,
    );
  }

  /** Sessions that are open on the server now. */
  async sessions(): Promise<SessionInfo[]> {
    return await this.get('/v1/patchbay/sessions');
  }

  async upload(path: string): Promise<void> {
    const form = new FormData();
    form.append('artifact', await openAsBlob(path), basename(path));
    await this.request('POST', '/v1/deployments/artifacts', form);
  }

  /** Creates a deployment to these devices; answers its id. */
  async deploy(release: string, ...devices: string[]): Promise<string> {
    const body = { name: `test ${release}`, artifact_name: release, devices };
    const answer = await this.request('POST', '/v1/deployments/deployments', body);
    const location = answer.headers.get('location') ?? '';
    return location.slice(location.lastIndexOf('/') + 1);
  }

  /** The device's part in a deployment once it has one of these statuses. */
  async part(deployment: string, device: string, ...statuses: string[]): Promise<Part> {
    return await eventually(
      `device ${device} is ${statuses.join(' or ')} in deployment ${deployment}`,
      async () => {
        const parts = await this.get<Part[]>(`/v1/deployments/deployments/${deployment}/devices`);
        return parts.find(({ id, status }) => id === device && statuses.includes(status));
      },
      60_000,
    );
  }

  async log(deployment: string, device: string): Promise<string> {
    return await (await this.request('GET', `/v1/deployments/deployments/${deployment}/devices/${device}/log`)).text();
  }
}
