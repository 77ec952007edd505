import type { InventoryDevice } from '#proto/http/devices';
import { inventoryV1 } from '#proto/http/paths';
import { objectOf } from './answer.ts';
import { failed, usage } from './failure.ts';
import { fleet, fleetDevice, namesOf, type FleetDevice } from './fleet.ts';
import { Refusal, type Http } from './http.ts';
import { plain } from './io.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const candidatesShown = 10;

/** The one device that is meant: its id, its name (host name or a value of its identity) or a prefix that only it has. */
export async function findDevice(http: Http, wanted: string): Promise<FleetDevice> {
  if (!wanted) throw usage('a device needs a name');
  if (uuid.test(wanted)) {
    const device = await byId(http, wanted);
    if (device) return device;
  }
  // A full text search finds exact names and is quick. It does not do for a prefix: what it leaves out would make the
  // prefix look unique.
  const exact: FleetDevice[] = [];
  for await (const device of fleet(http, { text: wanted })) if (isExactly(device, wanted)) exact.push(device);
  if (exact[0]) return only(exact, wanted);
  const found: FleetDevice[] = [];
  const exactAfterAll: FleetDevice[] = [];
  for await (const device of fleet(http, {})) {
    if (isExactly(device, wanted)) exactAfterAll.push(device);
    else if (begins(device, wanted)) found.push(device);
  }
  return only(exactAfterAll[0] ? exactAfterAll : found, wanted);
}

/** Each once, in the order given. */
export async function findDevices(http: Http, wanted: readonly string[]): Promise<FleetDevice[]> {
  const found = new Map<string, FleetDevice>();
  for (const one of wanted) {
    const device = await findDevice(http, one);
    found.set(device.id, device);
  }
  return [...found.values()];
}

async function byId(http: Http, id: string): Promise<FleetDevice | undefined> {
  try {
    const answer = await http.json('GET', `${inventoryV1}/devices/${encodeURIComponent(id)}`);
    return fleetDevice(objectOf<InventoryDevice>(answer, { id: 'string', attributes: 'array' }, 'the device'));
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return undefined;
    throw error;
  }
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

const isExactly = (device: FleetDevice, wanted: string) =>
  same(device.id, wanted) || namesOf(device).some((name) => same(name, wanted));

const begins = (device: FleetDevice, wanted: string) =>
  [device.id, ...namesOf(device)].some((name) => name.toLowerCase().startsWith(wanted.toLowerCase()));

function only(found: readonly FleetDevice[], wanted: string): FleetDevice {
  const [first, second] = found;
  if (!first) throw failed(`no device is called '${wanted}': 'patchbay devices' lists them`);
  if (!second) return first;
  const shown = found.slice(0, candidatesShown).map(({ id, name }) => `${plain(name)} (${id})`);
  const more = found.length > candidatesShown ? ` and ${found.length - candidatesShown} more` : '';
  throw failed(`'${wanted}' may be any of ${shown.join(', ')}${more}: write more of it, or the id`);
}
