import type { Generated } from 'kysely';

// Times are RFC 3339 UTC text with milliseconds: they sort as they read, on both databases. Structures are JSON text.
// Booleans are 0 and 1.

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

export interface Users {
  id: string;
  email: string;
  password: string;
  roles: string;
  created_ts: string;
  updated_ts: string;
  login_ts: string | null;
}

export interface UserTokens {
  id: string;
  user_id: string;
  /** `session` or `access`. */
  kind: string;
  name: string | null;
  created_ts: string;
  expires_ts: string | null;
  last_used_ts: string | null;
  /** From where and with what it was made. */
  address: string | null;
  user_agent: string | null;
}

/** Roles of one's own; the built-in ones are in the code. */
export interface Roles {
  name: string;
  description: string;
  /** JSON list of `Grant`. */
  grants: string;
  created_ts: string;
  updated_ts: string;
}

export interface SecondFactors {
  user_id: string;
  /** Base32, sealed (`seal.ts`); as it is where an older version made it and no server was started since. */
  secret: string;
  /** Null until a code of it was shown. */
  enabled_ts: string | null;
  /** Step of the last code that was taken: none is taken twice, nor an older one. */
  last_step: number;
}

/** Those not yet used. */
export interface RecoveryCodes {
  user_id: string;
  hash: string;
}

export interface Artifacts {
  id: string;
  name: string;
  description: string;
  /** Canonical text of all depends: unique together with the name. */
  depends_key: string;
  /** The update module that takes it; null: an empty payload. */
  update_type: string | null;
  /** The artifact as the API shows it, without id, description, size, modified. */
  document: string;
  /** Bytes. PostgreSQL gives a bigint as text. */
  size: number | string;
  modified: string;
}

export interface ArtifactTypes {
  artifact_id: string;
  device_type: string;
}

export interface Releases {
  name: string;
  modified: string;
  notes: string;
  /** JSON list, sorted; `release_tags` has the same a row a tag, to be found by. */
  tags: string;
}

export interface ReleaseTags {
  tag: string;
  release_name: string;
}

export interface Deployments {
  id: string;
  name: string;
  artifact_name: string;
  /** JSON list of ids: all artifacts of that name; grows until the deployment is finished. */
  artifacts: string;
  type: string;
  status: string;
  /** 1 until it is finished or aborted. */
  active: number;
  created: string;
  finished: string | null;
  force_installation: number;
  max_devices: number;
  device_count: number;
  /** Bytes. PostgreSQL gives a bigint as text. */
  total_size: number | string;
  groups: string;
  filter: string | null;
  configuration: string | null;
  /** JSON list of the keys in `configuration` of which nothing is shown; null: none. */
  secret_settings: string | null;
  /** Hash of what was asked for: no two active deployments share it. */
  constructor_hash: string;
}

export interface DeploymentCounters {
  deployment_id: string;
  status: string;
  count: number;
}

/**
 * One row a device of a deployment's frozen list. Until the device first asks (`asked` null) it is a mere target and the
 * API does not show it (`server-api.md` §3.2).
 */
export interface DeviceDeployments {
  deployment_id: string;
  device_id: string;
  status: string;
  /** 1 while the device has something to do in it. The poll's index holds these rows only. */
  active: number;
  /** The deployment's. */
  created: string;
  asked: string | null;
  started: string | null;
  finished: string | null;
  deleted: string | null;
  substate: string | null;
  artifact_id: string | null;
  /** What the device said of itself when it asked first, JSON. */
  request: string | null;
  log: number;
}

export interface DeploymentLogs {
  deployment_id: string;
  device_id: string;
  messages: string;
}

export interface Audit {
  id: Generated<number>;
  time: string;
  actor_type: string;
  actor_id: string;
  actor_name: string | null;
  action: string;
  object_type: string;
  object_id: string;
  object_name: string | null;
  result: string;
  request_id: string | null;
  address: string | null;
  details: string | null;
  user_agent: string | null;
  /** JSON, as `details`. */
  before: string | null;
  after: string | null;
}

/** One row: retention may take entries before this time. */
export interface AuditFloor {
  id: number;
  until: string;
}

/** Sessions that the audit log has open: what a crash leaves here is closed at the next start. */
export interface OpenSessions {
  sid: string;
  /** The entry of its opening, JSON. */
  entry: string;
}

/** What terminals showed: a row a file in the data folder. Names are written down: who it was stays readable. */
export interface Recordings {
  id: string;
  device_id: string;
  user_id: string;
  user_name: string;
  started_ts: string;
  /** Null: it goes on, or the server was killed in it. */
  ended_ts: string | null;
  /** Bytes of the file. PostgreSQL gives a bigint as text. */
  size: number | string;
}

/** Free settings that clients keep here: of everybody (owner `global`), or of one user. JSON text. */
export interface Settings {
  owner: string;
  document: string;
}

/** Keys and secrets of the server itself. */
export interface Secrets {
  name: string;
  value: string;
}

// --- 0004-contract

/** An upload straight to a signed link. Until it is complete its blob is nobody's artifact. */
export interface DirectUploads {
  id: string;
  expires: string;
  /** The row that it will be in `artifacts`, JSON; null: nothing has come yet. */
  artifact: string | null;
  /** Bytes. PostgreSQL gives a bigint as text. */
  size: number | string;
}

/** Somebody else's service that is told of events. */
export interface Integrations {
  id: string;
  slot: number;
  provider: string;
  /** JSON, secrets and all. */
  credentials: string;
  description: string | null;
  created_ts: string;
}

export interface IntegrationEvents {
  id: string;
  time: string;
  type: string;
  /** JSON. */
  data: string;
  /** 1 until delivery has been tried. */
  waiting: number;
  /** How delivery went, JSON list. */
  statuses: string;
}

/** Devices that were accepted at least once, as integrations know them. */
export interface ProvisionedDevices {
  device_id: string;
}

export interface Database {
  devices: Devices;
  auth_sets: AuthSets;
  attributes: Attributes;
  groups: Groups;
  presence: Presence;
  users: Users;
  user_tokens: UserTokens;
  roles: Roles;
  second_factors: SecondFactors;
  recovery_codes: RecoveryCodes;
  artifacts: Artifacts;
  artifact_types: ArtifactTypes;
  releases: Releases;
  release_tags: ReleaseTags;
  deployments: Deployments;
  deployment_counters: DeploymentCounters;
  device_deployments: DeviceDeployments;
  deployment_logs: DeploymentLogs;
  audit: Audit;
  audit_floor: AuditFloor;
  open_sessions: OpenSessions;
  recordings: Recordings;
  settings: Settings;
  secrets: Secrets;
  direct_uploads: DirectUploads;
  integrations: Integrations;
  integration_events: IntegrationEvents;
  provisioned_devices: ProvisionedDevices;
}
