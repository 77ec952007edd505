import { Type, type Static } from 'typebox';
import { Id, OneOf, Text, Timestamp } from './conventions.ts';

export { devauth, deviceconnect, inventoryV1, inventoryV2 } from './paths.ts';

export const deviceStatuses = ['accepted', 'rejected', 'pending', 'preauthorized', 'noauth'] as const;
export const DeviceStatus = OneOf(deviceStatuses);
export type DeviceStatus = (typeof deviceStatuses)[number];

/** One identity with one key. */
export const AuthSet = Type.Object({
  id: Id,
  identity_data: Type.Record(Type.String(), Type.Unknown()),
  pubkey: Type.String(),
  ts: Timestamp,
  status: DeviceStatus,
});
export type AuthSet = Static<typeof AuthSet>;

export const Device = Type.Object({
  id: Id,
  identity_data: Type.Record(Type.String(), Type.Unknown()),
  status: DeviceStatus,
  decommissioning: Type.Boolean(),
  created_ts: Timestamp,
  updated_ts: Timestamp,
  auth_sets: Type.Array(AuthSet),
  check_in_time: Type.Optional(Timestamp),
});
export type Device = Static<typeof Device>;

export const AuthSetStatus = Type.Object({
  status: OneOf(['accepted', 'rejected', 'pending']),
});
export type AuthSetStatus = Static<typeof AuthSetStatus>;

export const DeviceCount = Type.Object({ count: Type.Integer() });

export const inventoryScopes = ['identity', 'inventory', 'system', 'monitor', 'tags'] as const;
export const InventoryScope = OneOf(inventoryScopes);
export type InventoryScope = (typeof inventoryScopes)[number];

export const AttributeValue = Type.Union([
  Type.String({ maxLength: 65536 }),
  Type.Number(),
  Type.Array(Type.String({ maxLength: 65536 }), { maxItems: 1000 }),
  Type.Array(Type.Number(), { maxItems: 1000 }),
]);
export type AttributeValue = string | number | string[] | number[];
/** What the server itself knows may also be true or false (scope `monitor`); devices report no such thing. */
export type KnownValue = AttributeValue | boolean;

export const Attribute = Type.Object({
  name: Type.String(),
  value: Type.Union([AttributeValue, Type.Boolean()]),
  scope: InventoryScope,
  description: Type.Optional(Type.String()),
  timestamp: Type.Optional(Timestamp),
});
export interface Attribute {
  name: string;
  value: KnownValue;
  scope: InventoryScope;
  description?: string;
  timestamp?: string;
}

export const InventoryDevice = Type.Object({
  id: Id,
  attributes: Type.Array(Attribute),
  updated_ts: Timestamp,
  groups: Type.Optional(Type.Array(Type.String())),
});
export interface InventoryDevice {
  id: string;
  attributes: Attribute[];
  updated_ts: string;
  /** Ours: all static groups of a device that is in one; its attribute `system/group` is the first. */
  groups?: string[];
}

const filterTypes = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$regex'] as const;
export const FilterTerm = Type.Object({
  scope: InventoryScope,
  attribute: Text(1024, 1),
  type: OneOf(filterTypes),
  value: Type.Unknown(),
});
export interface FilterTerm {
  scope: InventoryScope;
  attribute: string;
  type: (typeof filterTypes)[number];
  value: unknown;
}

/** Body of `POST /api/management/v2/inventory/filters/search`. */
export const InventorySearch = Type.Object({
  page: Type.Optional(Type.Integer({ minimum: 1 })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
  filters: Type.Optional(Type.Array(FilterTerm, { maxItems: 100 })),
  sort: Type.Optional(
    Type.Array(
      Type.Object({
        scope: InventoryScope,
        attribute: Text(1024, 1),
        order: OneOf(['asc', 'desc']),
      }),
      { maxItems: 10 },
    ),
  ),
  attributes: Type.Optional(
    Type.Array(Type.Object({ scope: InventoryScope, attribute: Text(1024, 1) }), { maxItems: 500 }),
  ),
  device_ids: Type.Optional(Type.Array(Id, { maxItems: 10000 })),
  text: Type.Optional(Text(1024)),
});
export type InventorySearch = Static<typeof InventorySearch>;

/** `/api/management/v1/deviceconnect/devices/{id}` (§2.6). */
export const ConnectState = Type.Object({
  device_id: Id,
  status: OneOf(['connected', 'disconnected', 'unknown']),
  created_ts: Timestamp,
  updated_ts: Timestamp,
});
export type ConnectState = Static<typeof ConnectState>;
