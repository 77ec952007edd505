// What the server half answers under `base`, as its schemas say: for those who ask, and for the routes themselves.
import { type Static, Type } from 'typebox';
import { OneOf } from '#proto/http/conventions';
import { LogLine, levels } from './alert.ts';
import { Check, ReportedCheck } from './check.ts';

export const base = '/api/management/v1/patchbay/monitor';

const Text = Type.String();
const Level = OneOf(levels);
const Maybe = Type.Optional(Text);

/** A check that is not OK now: a line of the on-call list. */
export const Standing = Type.Object({
  device_id: Text,
  /** Names the check on the device, for acknowledging and silencing. */
  check: Text,
  name: Text,
  level: Level,
  /** `open`: nobody has seen to it, and it is not silenced. One that is both is `silenced`. */
  state: OneOf(['open', 'acknowledged', 'silenced']),
  /** Since when it is not OK, by the device's clock; `received` by the server's. */
  since: Text,
  received: Text,
  /** Of the latest alert, by the device's clock. */
  timestamp: Text,
  alert_id: Text,
  subject: Type.Object({ name: Text, type: Text, status: Text, description: Maybe }),
  acknowledged: Type.Optional(Type.Object({ by: Text, ts: Text, note: Text })),
  silence: Type.Optional(Type.Object({ id: Text, ends: Text, reason: Text })),
});
export type Standing = Static<typeof Standing>;

/** Of all that is not OK, within the caller's reach. */
export const Counts = Type.Object({
  open: Type.Integer(),
  acknowledged: Type.Integer(),
  silenced: Type.Integer(),
  /** Devices with anything that is not OK. */
  devices: Type.Integer(),
  levels: Type.Record(Text, Type.Integer()),
});
export type Counts = Static<typeof Counts>;

/** An alert of the history, as it came (add-ons.md §6.6). */
export const Kept = Type.Object({
  id: Text,
  device_id: Text,
  check: Maybe,
  name: Text,
  level: Level,
  timestamp: Text,
  subject: Type.Object({
    name: Text,
    type: Text,
    status: Text,
    details: Type.Optional(
      Type.Object({
        description: Maybe,
        lines_before: Type.Optional(Type.Array(LogLine)),
        line_matching: Type.Optional(LogLine),
        lines_after: Type.Optional(Type.Array(LogLine)),
      }),
    ),
  }),
});
export type Kept = Static<typeof Kept>;

/** One of the history of all devices, with when it came, by the server's clock. */
export const Passed = Type.Object({ ...Kept.properties, received: Text });
export type Passed = Static<typeof Passed>;

export const Silence = Type.Object({
  id: Text,
  device: Maybe,
  group: Maybe,
  check: Maybe,
  starts: Text,
  ends: Text,
  reason: Text,
  created_by: Text,
  created_ts: Text,
  /** It was ended early, by this person. */
  ended_by: Maybe,
  active: Type.Boolean(),
});
export type Silence = Static<typeof Silence>;

export const channelKinds = ['email', 'webhook', 'slack', 'teams'] as const;
export type ChannelKind = (typeof channelKinds)[number];

/** Where notifications go, and which. Secrets are left out; of chat addresses, which are secrets, all but the origin. */
export const Channel = Type.Object({
  id: Text,
  name: Text,
  kind: OneOf(channelKinds),
  enabled: Type.Boolean(),
  to: Type.Optional(Type.Array(Text)),
  url: Maybe,
  has_secret: Type.Optional(Type.Boolean()),
  /** Why its address cannot be read: nothing is sent there until that is mended. */
  problem: Maybe,
  groups: Type.Array(Text),
  levels: Type.Array(Level),
  checks: Type.Array(Text),
  recoveries: Type.Boolean(),
  created_ts: Text,
  updated_ts: Text,
});
export type Channel = Static<typeof Channel>;

export const deliveryStates = ['waiting', 'sent', 'failed', 'dropped'] as const;

export const Delivery = Type.Object({
  id: Text,
  /** `users`: e-mail to those who may read the devices; else the id of a channel. */
  channel: Text,
  channel_name: Text,
  kind: Text,
  state: OneOf(deliveryStates),
  subject: Text,
  devices: Type.Integer(),
  alerts: Type.Integer(),
  created_ts: Text,
  tries: Type.Integer(),
  /** When it is tried next, while it waits. */
  due_ts: Maybe,
  sent_ts: Maybe,
  error: Maybe,
});
export type Delivery = Static<typeof Delivery>;

export const MonitorSettings = Type.Object({
  /** E-mails to all users who may read the device. */
  email: Type.Boolean(),
  /** The server can send e-mails at all (`--smtp-url`); read only. */
  mail_configured: Type.Boolean(),
  history_days: Type.Integer(),
  /** A device without its socket for so long is offline, s; 0: never. */
  offline_seconds: Type.Integer(),
  /** Nobody is called offline so long after a start of the server, s. */
  offline_grace_seconds: Type.Integer(),
  /** Alerts of one name within so many seconds are one message. */
  group_seconds: Type.Integer(),
});
export type MonitorSettings = Static<typeof MonitorSettings>;

const Origin = Type.Object({
  kind: OneOf(['fleet', 'group', 'device']),
  name: Text,
});

/** What is given in one place: checks, and names (`TYPE_NAME`) of checks of weaker places that are not made here. */
export const CheckLayer = Type.Object({
  checks: Type.Array(Check),
  without: Type.Array(Text),
  version: Type.Integer(),
  /** Of groups: the higher one wins. */
  priority: Type.Optional(Type.Integer()),
  updated_ts: Maybe,
  updated_by: Maybe,
});
export type CheckLayer = Static<typeof CheckLayer>;

export const CheckVersion = Type.Object({
  version: Type.Integer(),
  ts: Text,
  by: Text,
  reverts: Type.Optional(Type.Integer()),
  checks: Type.Array(Check),
  without: Type.Array(Text),
  /** `TYPE_NAME` of checks that this version added, changed or took away; absent: the one before is forgotten. */
  added: Type.Optional(Type.Array(Text)),
  changed: Type.Optional(Type.Array(Text)),
  removed: Type.Optional(Type.Array(Text)),
});
export type CheckVersion = Static<typeof CheckVersion>;

/** The checks of a device: what it is asked for, why, and what it says of it. */
export const DeviceChecks = Type.Object({
  id: Text,
  /** Of all that it is asked for, as in its ETag. */
  version: Text,
  /** The version that it was given last, and when it last asked. */
  given_version: Maybe,
  asked_ts: Maybe,
  reported_ts: Maybe,
  checks: Type.Array(
    Type.Object({
      id: Text,
      check: Check,
      origin: Origin,
      overrides: Type.Array(Origin),
      /** What the device says of it: `unknown` until it has said anything. */
      applied: OneOf(['applied', 'refused', 'unknown']),
      refused: Maybe,
    }),
  ),
  /** Whatever the device says it watches, its own checks too. */
  reported: Type.Array(ReportedCheck),
});
export type DeviceChecks = Static<typeof DeviceChecks>;

export const CheckPlace = Type.Object({
  kind: OneOf(['fleet', 'group']),
  name: Text,
  checks: Type.Integer(),
  version: Type.Integer(),
  priority: Type.Integer(),
});
export type CheckPlace = Static<typeof CheckPlace>;
