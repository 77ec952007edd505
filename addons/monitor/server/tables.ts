// Times are RFC 3339 UTC text with milliseconds, booleans 0 and 1, structures JSON.

/** Each alert, for as long as the history goes back. */
interface AlertRow {
  device_id: string;
  /** The device's own, else made here. */
  id: string;
  /** Of the check that it is of: `keyOf`. */
  key: string;
  level: string;
  /** By the device's clock. */
  ts: string;
  received: string;
  /** Order of arrival; grows, microseconds since the epoch where it can. */
  seq: number;
  /** The alert as it came, JSON. */
  content: string;
}

/** The latest of each check of a device. */
export interface StateRow {
  device_id: string;
  key: string;
  /** Of the alert. */
  name: string;
  level: string;
  /** 1 unless it is OK. */
  bad: number;
  /** Since when it is bad, or well: the device's clock, and ours. */
  since: string;
  received: string;
  ts: string;
  seq: number;
  alert_id: string;
  content: string;
  acked_by: string | null;
  acked_ts: string | null;
  acked_note: string | null;
  /** 1: those who are to be told of its being bad have been, or are about to be. 0: a silence kept it from them. */
  told: number;
}

/** What a device says it watches, and which checks it was given. One row a device that ever said so. */
interface ReportRow {
  device_id: string;
  config: string | null;
  config_ts: string | null;
  /** When it last asked for its checks, to a minute, and the version that it was given. */
  asked_ts: string | null;
  asked_version: string | null;
}

export interface SilenceRow {
  id: string;
  device_id: string | null;
  in_group: string | null;
  check_key: string | null;
  starts: string;
  ends: string;
  reason: string;
  created_by: string;
  created_ts: string;
  ended_by: string | null;
}

/** Changes that nobody has been told of: the outbox. Written with the state, in one transaction. */
export interface EventRow {
  seq: number;
  device_id: string;
  key: string;
  name: string;
  level: string;
  /** Of the state before; an OK tells that this is over. */
  before: string;
  ts: string;
  queued: string;
  content: string;
}

export interface ChannelRow {
  id: string;
  name: string;
  kind: string;
  enabled: number;
  /** Where to, JSON, secret and all; sealed unless it is mailboxes. */
  target: string;
  /** JSON lists; empty: all. */
  in_groups: string;
  levels: string;
  checks: string;
  recoveries: number;
  created_ts: string;
  updated_ts: string;
}

/** What is to be sent, and what became of it: queue and delivery log in one. */
export interface MessageRow {
  id: string;
  /** `users`: e-mails to those who may read the devices; else the id of a channel. */
  channel: string;
  channel_name: string;
  kind: string;
  /** `waiting`, `sent`, `failed` (given up) or `dropped` (the queue was full). */
  state: string;
  created: string;
  seq: number;
  /** When it is tried next. */
  due: string;
  tries: number;
  sent_ts: string | null;
  error: string | null;
  subject: string;
  devices: number;
  alerts: number;
  /** What is sent, JSON. Null once it is over. */
  content: string | null;
}

interface CheckLayerRow {
  kind: 'fleet' | 'group' | 'device';
  name: string;
  /** JSON: `{checks, without}`. */
  content: string;
  version: number;
  priority: number;
  updated_ts: string;
  updated_by: string;
}

interface CheckHistoryRow {
  kind: CheckLayerRow['kind'];
  name: string;
  version: number;
  content: string;
  ts: string;
  by_whom: string;
  reverts: number | null;
}

interface SettingsRow {
  id: number;
  document: string;
}

export interface Tables {
  addon_monitor_alerts: AlertRow;
  addon_monitor_states: StateRow;
  addon_monitor_reports: ReportRow;
  addon_monitor_silences: SilenceRow;
  addon_monitor_events: EventRow;
  addon_monitor_channels: ChannelRow;
  addon_monitor_messages: MessageRow;
  addon_monitor_checks: CheckLayerRow;
  addon_monitor_check_history: CheckHistoryRow;
  addon_monitor_settings: SettingsRow;
}
