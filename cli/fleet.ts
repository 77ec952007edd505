import type { Attribute, FilterTerm, InventoryDevice, InventoryScope, InventorySearch } from '#proto/http/devices';
import { inventoryV2 } from '#proto/http/paths';
import { listOf } from './answer.ts';
import { usage } from './failure.ts';
import type { Http } from './http.ts';
import { perPage, type Range } from './paging.ts';

/** A device as people know it, out of its inventory. */
export interface FleetDevice {
  readonly id: string;
  /** Host name, else a value of its identity, else its id. */
  readonly name: string;
  readonly status: string;
  readonly device_type: string;
  readonly artifact_name: string;
  /** RFC 3339; empty: never. */
  readonly last_seen: string;
  readonly attributes: Readonly<Record<string, Readonly<Record<string, Attribute['value']>>>>;
}

export type Question = Pick<InventorySearch, 'filters' | 'text' | 'device_ids' | 'sort'>;

/** Devices that match, page after page; `holds` is asked of each. */
export async function* fleet(
  http: Http,
  question: Question,
  { limit = Infinity, holds = () => true }: Range & { holds?: (device: FleetDevice) => boolean } = {},
): AsyncGenerator<FleetDevice> {
  let left = limit;
  for (let page = 1; ; page++) {
    const response = await http.request('POST', `${inventoryV2}/filters/search`, {
      json: { page, per_page: perPage, ...question },
      what: 'devices',
    });
    const found = listOf<InventoryDevice>(await response.json(), { id: 'string', attributes: 'array' }, 'devices');
    for (const device of found.map(fleetDevice).filter(holds)) {
      if (left-- <= 0) return;
      yield device;
    }
    const total = Number(response.headers.get('x-total-count') ?? NaN);
    if (left <= 0 || found.length < perPage || page * perPage >= total) return;
  }
}

/** What people call these devices; the id of one that is not found. */
export async function deviceNames(http: Http, ids: Iterable<string>): Promise<(id: string) => string> {
  const wanted = [...new Set(ids)];
  const names = new Map<string, string>();
  for (let at = 0; at < wanted.length; at += perPage)
    for await (const { id, name } of fleet(http, { device_ids: wanted.slice(at, at + perPage) })) names.set(id, name);
  return (id) => names.get(id) ?? id;
}

export function fleetDevice({ id, attributes, updated_ts }: InventoryDevice): FleetDevice {
  const scopes: Record<string, Record<string, Attribute['value']>> = {};
  for (const { scope, name, value } of attributes) (scopes[scope] ??= {})[name] = value;
  const text = (scope: InventoryScope, name: string) => {
    const value = scopes[scope]?.[name];
    return value === undefined ? '' : String(value);
  };
  return {
    id,
    name: text('inventory', 'hostname') || identityValues(scopes['identity'])[0] || id,
    status: text('identity', 'status'),
    device_type: text('inventory', 'device_type'),
    artifact_name: text('inventory', 'artifact_name'),
    last_seen: text('system', 'check_in_time') || updated_ts || '',
    attributes: scopes,
  };
}

/** What else a device answers to, besides its id: its host name and what it identifies itself by. */
export function namesOf({ attributes }: FleetDevice): string[] {
  const host = attributes['inventory']?.['hostname'];
  return [...(typeof host === 'string' && host ? [host] : []), ...identityValues(attributes['identity'])];
}

const identityValues = (identity: Readonly<Record<string, Attribute['value']>> | undefined): string[] =>
  Object.entries(identity ?? {})
    .filter(([name, value]) => name !== 'status' && value !== '')
    .map(([, value]) => String(value));

const scopes = ['identity', 'inventory', 'system', 'monitor', 'tags'];
const asked = { '=': '$eq', '!=': '$ne', '~': '$regex' } as const;
const compared = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
} as const satisfies Record<string, (a: number, b: number) => boolean>;

/** What a device must have: `term` is for the server, `holds` for us, if the server cannot tell. */
export interface Filter {
  readonly term: FilterTerm;
  readonly holds?: (device: FleetDevice) => boolean;
}

/** `[SCOPE/]NAME OP VALUE`, or `[SCOPE/]NAME` alone: it has one. Throws `usage`. */
export function parseFilter(text: string): Filter {
  const parts = /^(?:([a-z]+)\/)?([^=!<>~]+)(?:(!=|>=|<=|=|>|<|~)(.*))?$/s.exec(text);
  const [, scope = 'inventory', name = '', operator, value = ''] = parts ?? [];
  const attribute = name.trim();
  if (!parts || !attribute || !scopes.includes(scope)) throw notUnderstood(text);
  const place = { scope: scope as InventoryScope, attribute };
  const number = value.trim() === '' ? NaN : Number(value);
  if (!operator) return { term: { ...place, type: '$exists', value: true } };
  if (operator in compared) {
    if (!Number.isFinite(number)) throw notUnderstood(text);
    const compare = compared[operator as keyof typeof compared];
    // Scripts report numbers as text, and for a server a number never compares with text.
    const holds = ({ attributes }: FleetDevice) => compare(Number(attributes[scope]?.[attribute] ?? NaN), number);
    return { term: { ...place, type: '$exists', value: true }, holds };
  }
  const type = asked[operator as keyof typeof asked];
  if (type === '$regex' || !Number.isFinite(number)) return { term: { ...place, type, value } };
  return { term: { ...place, type: type === '$eq' ? '$in' : '$nin', value: [value, number] } };
}

const notUnderstood = (text: string) =>
  usage(
    `--filter '${text}' is not understood: write [SCOPE/]NAME=VALUE or != ~, or > >= < <= and a number, ` +
      `SCOPE one of ${scopes.join(', ')}`,
  );
