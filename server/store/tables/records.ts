import type { Generated } from 'kysely';

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

/** What happened. */
export interface RecordTables {
  audit: Audit;
  audit_floor: AuditFloor;
  open_sessions: OpenSessions;
  recordings: Recordings;
}
