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

/** Devices that match, page after page. */
export async function* fleet(http: Http, question: Question, { limit = Infinity }: Range = {}) {
  let left = limit;
  for (let page = 1; left > 0; page++) {
    const response = await http.request('POST', `${inventoryV2}/filters/search`, {
      json: { page, per_page: perPage, ...question },
      what: 'devices',
    });
    const found = listOf<InventoryDevice>(await response.json(), { id: 'string', attributes: 'array' }, 'devices');
    yield* found.slice(0, left).map(fleetDevice);
    left -= found.length;
    const total = Number(response.headers.get('x-total-count') ?? NaN);
    if (found.length < perPage || page * perPage >= total) return;
  }
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

const operators = {
  '!=': '$ne',
  '>=': '$gte',
  '<=': '$lte',
  '=': '$eq',
  '>': '$gt',
  '<': '$lt',
  '~': '$regex',
} as const;
const scopes = ['identity', 'inventory', 'system', 'monitor', 'tags'];

/** `[SCOPE/]NAME OP VALUE`, or `[SCOPE/]NAME` alone: it has one. Throws `usage`. */
export function filterTerm(text: string): FilterTerm {
  const parts = /^(?:([a-z]+)\/)?([^=!<>~]+)(?:(!=|>=|<=|=|>|<|~)(.*))?$/s.exec(text);
  const [, scope = 'inventory', name = '', operator, value = ''] = parts ?? [];
  const attribute = name.trim();
  if (!parts || !attribute || !scopes.includes(scope)) {
    throw usage(
      `--filter '${text}' is not understood: write [SCOPE/]NAME=VALUE (or != > >= < <= ~), SCOPE one of ${scopes.join(', ')}`,
    );
  }
  const term = { scope: scope as InventoryScope, attribute };
  if (!operator) return { ...term, type: '$exists', value: true };
  const type = operators[operator as keyof typeof operators];
  const number = value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : undefined;
  if (type === '$regex' || number === undefined) return { ...term, type, value };
  // A device may have reported 4 or "4", and one never equals the other.
  if (type === '$eq') return { ...term, type: '$in', value: [value, number] };
  if (type === '$ne') return { ...term, type: '$nin', value: [value, number] };
  return { ...term, type, value: number };
}
