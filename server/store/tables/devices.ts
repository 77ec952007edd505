export interface Devices {
  id: string;
  /** SHA-256 of the normalised identity, hex. */
  identity_hash: string;
  identity: string;
  /** Strongest of its authentication sets. */
  status: string;
  decommissioning: number;
  created_ts: string;
  updated_ts: string;
  check_in_time: string | null;
  /** Hash of the last inventory as the device sent it: the same again is not written. */
  inventory_hash: string | null;
}

export interface AuthSets {
  id: string;
  device_id: string;
  identity_hash: string;
  pubkey: string;
  status: string;
  ts: string;
  /** Seconds since the epoch: tokens issued before are void; null: no token is good. */
  token_from: number | null;
}

/** One row a value; the elements of an array are rows of their own (`seq`), so that filters find them by index. */
export interface Attributes {
  device_id: string;
  scope: string;
  name: string;
  /** 0 for a single value; 0… for elements; -1 for the only row of an empty array. */
  seq: number;
  /** s: text, n: number, b: boolean (0 or 1 in `num`), S and N: element of an array; h: one more value, which filters find and clients are not shown. */
  kind: string;
  text: string | null;
  num: number | null;
  description: string | null;
  ts: string;
}

/** A group that was made by name: nested, described, or dynamic. Static ones may also be there by their members alone. */
export interface Groups {
  name: string;
  /** UUID: of a dynamic group also that of its saved filter (`server-api.md` §4.2). */
  id: string;
  /** `static` or `dynamic`. */
  kind: string;
  /** The group that it is shown in. */
  parent: string | null;
  description: string;
  /** JSON list of filter terms; null: static. */
  terms: string | null;
  created_ts: string;
  updated_ts: string;
}

export interface Presence {
  device_id: string;
  status: string;
  /** Names the socket: the end of an old one must not hide a newer one. */
  connection: string | null;
  created_ts: string;
  updated_ts: string;
}

/** Devices and what is known of them. */
export interface DeviceTables {
  devices: Devices;
  auth_sets: AuthSets;
  attributes: Attributes;
  groups: Groups;
  presence: Presence;
}
