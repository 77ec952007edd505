import { Type, type Static } from 'typebox';
import { FilterTerm } from './devices.ts';
import { Id, Nullable, OneOf, Text, Timestamp } from './conventions.ts';

export { groupsPath, inventoryV2 } from './paths.ts';

export const GroupName = Type.String({ pattern: '^[A-Za-z0-9_-]{1,256}$' });
const Terms = Type.Array(FilterTerm, { minItems: 1, maxItems: 100 });

/** A group of devices: `static` by its list of members, `dynamic` by what holds of a device. */
export const Group = Type.Object({
  name: GroupName,
  kind: OneOf(['static', 'dynamic']),
  /** Of a dynamic group: also the id of its saved filter. */
  id: Type.Optional(Id),
  /** The group that it is shown in. */
  parent: Type.Optional(GroupName),
  description: Type.Optional(Type.String()),
  /** Of a dynamic group: all of them hold of its devices. */
  terms: Type.Optional(Type.Array(FilterTerm)),
  /** How many devices are in it; of a dynamic group only where it was asked for. */
  devices: Type.Optional(Type.Integer()),
  created_ts: Type.Optional(Timestamp),
  updated_ts: Type.Optional(Timestamp),
});
export interface Group {
  name: string;
  kind: 'static' | 'dynamic';
  id?: string;
  parent?: string;
  description?: string;
  terms?: FilterTerm[];
  devices?: number;
  created_ts?: string;
  updated_ts?: string;
}

/** With `terms` it is dynamic. */
export const NewGroup = Type.Object({
  name: GroupName,
  parent: Type.Optional(Nullable(GroupName)),
  description: Type.Optional(Text(1024)),
  terms: Type.Optional(Terms),
});
export type NewGroup = Static<typeof NewGroup>;

/** What is not given stays as it is; `parent: null` puts it at the top. */
export const GroupChange = Type.Object({
  parent: Type.Optional(Nullable(GroupName)),
  description: Type.Optional(Text(1024)),
  terms: Type.Optional(Terms),
});
export type GroupChange = Static<typeof GroupChange>;

/** A saved filter (`server-api.md` §4.2): a dynamic group under its other name. */
export const SavedFilter = Type.Object({ id: Id, name: GroupName, terms: Type.Array(FilterTerm) });
export interface SavedFilter {
  id: string;
  name: string;
  terms: FilterTerm[];
}
export const NewFilter = Type.Object({ name: GroupName, terms: Terms });
