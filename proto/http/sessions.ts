import { Type, type Static } from 'typebox';
import { Id, Timestamp } from './conventions.ts';

export { recordingsPath, sessionsPath } from './paths.ts';

const Guest = Type.Object({
  name: Type.String(),
  role: Type.Union([Type.Literal('owner'), Type.Literal('types'), Type.Literal('watches')]),
});

/** A person's session with a device that is open now. */
export const SessionInfo = Type.Object({
  id: Id,
  device_id: Id,
  user_id: Id,
  user_name: Type.String(),
  /** `terminal`, `file-transfer`, `port-forward`, `other`; null: nothing was asked for yet. */
  kind: Type.Union([Type.String(), Type.Null()]),
  opened_ts: Timestamp,
  /** When the person last sent something. */
  active_ts: Timestamp,
  idle_seconds: Type.Integer(),
  bytes_from_device: Type.Integer(),
  bytes_to_device: Type.Integer(),
  /** Whose link it waits for. */
  waits_for: Type.Union([Type.Literal('person'), Type.Literal('device'), Type.Null()]),
  /** It outlives a lost link. */
  resumes: Type.Boolean(),
  /** It is being recorded. */
  recorded: Type.Boolean(),
  /** Others at this terminal. */
  guests: Type.Array(Guest),
  /** They may type. */
  shared: Type.Boolean(),
});
export type SessionInfo = Static<typeof SessionInfo>;

/** Change of a terminal by its owner. */
export const SessionChange = Type.Object({ typing: Type.Boolean() });

/** What a terminal showed, kept on the server. */
export const RecordingInfo = Type.Object({
  /** That of the session. */
  id: Id,
  device_id: Id,
  user_id: Id,
  user_name: Type.String(),
  started_ts: Timestamp,
  ended_ts: Type.Union([Timestamp, Type.Null()]),
  bytes: Type.Integer(),
  /** `cut`: the server was killed, or is waiting for the session to go on. */
  state: Type.Union([Type.Literal('recording'), Type.Literal('complete'), Type.Literal('cut')]),
});
export type RecordingInfo = Static<typeof RecordingInfo>;
