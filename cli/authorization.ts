import type { AuthSet, AuthSetStatus, Device } from '#proto/http/devices';
import { devauth } from '#proto/http/paths';
import { objectOf } from './answer.ts';
import { failed } from './failure.ts';
import type { Http } from './http.ts';

/** What the server knows of a device's identity and keys. */
export async function readDevice(http: Http, id: string): Promise<Device> {
  const answer = await http.json('GET', `${devauth}/devices/${encodeURIComponent(id)}`, { what: `device ${id}` });
  return objectOf<Device>(
    answer,
    { id: 'string', status: 'string', auth_sets: 'array', identity_data: 'object' },
    'the device',
  );
}

/** Accepts the key that the device asked with: the pending one, or, when it is named or the only one, a rejected one. */
export async function acceptDevice(http: Http, id: string, authSet?: string): Promise<void> {
  const device = await readDevice(http, id);
  await setStatus(http, id, authSet ?? choose(device).id, 'accepted');
}

function choose({ id, auth_sets }: Device): AuthSet {
  const pending = auth_sets.filter(({ status }) => status === 'pending');
  const accepted = auth_sets.filter(({ status }) => status === 'accepted');
  // Accepting twice is no error, as it is none for the server.
  const candidates = pending.length ? pending : accepted.length ? accepted : auth_sets;
  const [first, second] = candidates;
  if (!first) throw failed(`device ${id} has no key to accept: it has to call first`);
  if (!second) return first;
  const sets = candidates.map((set) => `${set.id} (${set.ts})`).join(', ');
  throw failed(`device ${id} asked with several keys: choose one by --auth-set: ${sets}`);
}

/** Rejects every key of the device that is accepted or pending. */
export async function rejectDevice(http: Http, id: string): Promise<void> {
  const { auth_sets } = await readDevice(http, id);
  for (const set of auth_sets) {
    if (set.status === 'accepted' || set.status === 'pending') await setStatus(http, id, set.id, 'rejected');
  }
}

/** Forgets the keys that are not accepted. */
export async function dismissDevice(http: Http, id: string): Promise<void> {
  const { auth_sets, status } = await readDevice(http, id);
  const open = auth_sets.filter((set) => set.status !== 'accepted');
  if (!open.length && status === 'accepted') {
    throw failed(`device ${id} is accepted: 'patchbay devices reject' or 'decommission' it`);
  }
  for (const set of open) {
    await http.request('DELETE', `${devauth}/devices/${id}/auth/${set.id}`, { what: `device ${id}` });
  }
}

async function setStatus(http: Http, id: string, set: string, status: AuthSetStatus['status']): Promise<void> {
  const json: AuthSetStatus = { status };
  const path = `${devauth}/devices/${encodeURIComponent(id)}/auth/${encodeURIComponent(set)}/status`;
  await http.request('PUT', path, { json, what: `device ${id}` });
}
