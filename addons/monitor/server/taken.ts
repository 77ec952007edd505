import { createHash, randomUUID } from 'node:crypto';
import { CodedError } from '#base/errors';
import type { Alert } from '../alert.ts';
import type { EventRow, StateRow } from './tables.ts';

/** An alert as it is kept. */
export interface Taken {
  readonly id: string;
  readonly own: boolean;
  readonly key: string;
  readonly ts: string;
  readonly alert: Alert;
  readonly content: string;
}

export type Known = Omit<StateRow, 'device_id'>;

/** What an alert makes of a check's state, and what there is to tell of it. */
export function changeOf(
  known: Known | undefined,
  { id, key, ts, alert, content, seq }: Taken & { seq: number },
  received: string,
): { state: Known; event?: Omit<EventRow, 'device_id' | 'seq' | 'queued'> } {
  const { level } = alert;
  const name = stored(alert.name);
  const bad = level === 'OK' ? 0 : 1;
  const latest = { key, name, level, bad, ts, seq, alert_id: id, content };
  const same = known !== undefined && known.bad === bad;
  const state: Known = same
    ? { ...known, ...latest }
    : { ...latest, since: ts, received, acked_by: null, acked_ts: null, acked_note: null, told: 1 };
  const before = known?.level ?? 'OK';
  if (before === level) return { state };
  // Nobody was told that it was bad: nobody is told that it is well.
  if (bad === 0 && known?.told === 0) return { state };
  if (bad === 1) state.told = 1;
  return { state, event: { key, name, level, before, ts, content } };
}

/** Throws `bad_request` for a time that is none. */
export function takenOf(alert: Alert): Taken {
  const time = Date.parse(alert.timestamp.replace(/^(.{10})[t ]/, '$1T').replace(/z$/, 'Z'));
  if (!Number.isFinite(time))
    throw new CodedError('bad_request', `timestamp: ${alert.timestamp} is no time: RFC 3339 is wanted`);
  const { id, check, name, level, timestamp, subject } = alert;
  const { details } = subject;
  const kept = {
    ...(check === undefined ? {} : { check }),
    name,
    level,
    timestamp,
    subject: {
      name: subject.name,
      type: subject.type,
      status: subject.status,
      ...(details
        ? {
            details: {
              ...(details.description === undefined ? {} : { description: details.description }),
              ...(details.lines_before ? { lines_before: details.lines_before.map(lineOf) } : {}),
              ...(details.line_matching ? { line_matching: lineOf(details.line_matching) } : {}),
              ...(details.lines_after ? { lines_after: details.lines_after.map(lineOf) } : {}),
            },
          }
        : {}),
    },
  };
  return {
    id: id ?? randomUUID(),
    own: id !== undefined,
    key: keyOf(alert),
    ts: new Date(time).toISOString(),
    alert,
    content: JSON.stringify(kept),
  };
}

const lineOf = ({ line_number, data }: { line_number?: number; data: string }) => ({
  ...(line_number === undefined ? {} : { line_number }),
  data,
});

/** No database takes a NUL, nor half a character. */
const stored = (text: string): string => text.replaceAll('\0', '\ufffd').toWellFormed();

/** Of what an index may hold; what is longer is told apart by its hash. */
const keyLength = 200;

/**
 * The check that an alert is of. The original does not say it: there it is the alert's name, and what it says of a service
 * that goes up and down is said of the same check as that it does not run (add-ons.md §6.4).
 */
function keyOf({ check, name }: Pick<Alert, 'check' | 'name'>): string {
  const flapping = /^Service (.*) going up and down$/s.exec(name);
  const key = stored(check ?? (flapping ? `Service ${flapping[1]} not running` : name));
  if (key.length <= keyLength) return key;
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return `${key.slice(0, keyLength - 20).toWellFormed()}…${hash}`;
}
