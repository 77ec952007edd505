import type { Alert, Level } from '../alert.ts';

/** One change that people are told of. */
export interface Item {
  readonly device_id: string;
  /** The first of the device's groups. */
  readonly group?: string;
  readonly check: string;
  readonly name: string;
  readonly level: Level;
  /** Of the state that it was in before. */
  readonly before: Level;
  /** By the device's clock, UTC. */
  readonly timestamp: string;
  readonly subject: Alert['subject'];
}

/** What one message says: one alert, or many of one name, or whatever there is when there is too much. */
export interface Notice {
  /** Of all of them; of a mixture the worst. */
  readonly level: Level;
  /** The alerts' name; empty of a mixture. */
  readonly name: string;
  readonly alerts: number;
  readonly devices: number;
  /** The first of them. */
  readonly items: readonly Item[];
}

/** Alerts that one message lists; the others are counted. */
export const listed = 50;
/** Of the texts of an alert that is one of several. */
const shortText = 500;

const severity: Readonly<Record<Level, number>> = { OK: 0, UNKNOWN: 1, WARNING: 2, CRITICAL: 3, CRITICAL_FLAPPING: 4 };

/** A change as the outbox has it; its text is looked up only if it is listed. */
export interface Change {
  readonly seq: number;
  readonly device_id: string;
  readonly group?: string;
  readonly key: string;
  readonly name: string;
  readonly level: Level;
  readonly before: Level;
  readonly ts: string;
}

/** What one message says of some changes. `contents`: the alerts, JSON, of those that it lists. */
export function noticeOf(changes: readonly Change[], contents: ReadonlyMap<number, string>): Notice {
  const names = new Set(changes.map(({ name }) => name));
  const level = changes.reduce<Level>(
    (worst, one) => (severity[one.level] > severity[worst] ? one.level : worst),
    'OK',
  );
  const only = changes.length === 1;
  return {
    level,
    name: names.size === 1 ? (changes[0]?.name ?? '') : '',
    alerts: changes.length,
    devices: new Set(changes.map(({ device_id }) => device_id)).size,
    items: changes.slice(0, listed).map((change) => {
      const item = itemOf(change, contents.get(change.seq));
      return only ? item : shortened(item);
    }),
  };
}

function itemOf({ device_id, group, key, name, level, before, ts }: Change, content: string | undefined): Item {
  const { subject } = content === undefined ? { subject: noSubject } : (JSON.parse(content) as Alert);
  const where = group === undefined ? {} : { group };
  return { device_id, ...where, check: key, name, level, before, timestamp: ts, subject };
}
const noSubject: Alert['subject'] = { name: '', type: '', status: '' };

function shortened(item: Item): Item {
  const { name, type, status, details } = item.subject;
  const description = details?.description;
  return {
    ...item,
    subject: {
      name,
      type,
      status,
      ...(description === undefined ? {} : { details: { description: cut(description, shortText) } }),
    },
  };
}

export const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;

const oneLine = (text: string): string => cut(text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim(), 400);

/** The groups that all of them are in; undefined: not one. */
function commonGroup({ items, alerts }: Notice): string | undefined {
  if (alerts > items.length) return undefined;
  const [first] = items;
  return first?.group !== undefined && items.every(({ group }) => group === first.group) ? first.group : undefined;
}

/** The subject of an e-mail; of one alert as the original has it (MON-19). */
export function subjectOf(notice: Notice): string {
  const { level, name, alerts, devices, items } = notice;
  const group = commonGroup(notice);
  const where = group === undefined ? '' : ` in group: ${oneLine(group)}`;
  const on = devices === 1 ? (items[0]?.device_id ?? '') : `${devices} devices`;
  if (name === '') return `${level}: ${alerts} Monitor Alerts on ${on}${where}`;
  return `${level}: Monitor Alert for ${oneLine(name)} on ${on}${where}`;
}

/** `Thu, 01 Dec 2022 14:01:01 UTC`, as the original writes it. */
export const timeText = (timestamp: string): string => new Date(timestamp).toUTCString().replace(/GMT$/, 'UTC');

/** Where the page of a device is. */
export const linkTo = (publicUrl: string | undefined, deviceId: string): string | undefined =>
  publicUrl === undefined ? undefined : `${publicUrl}/devices/${encodeURIComponent(deviceId)}`;

/** How many are not listed. */
export const restOf = ({ alerts, items }: Notice): number => alerts - items.length;
