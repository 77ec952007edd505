import type { State } from './answers.ts';
import { type Effective, type Layer, latest, valuesOf } from './layers.ts';
import type { Device } from './store.ts';
import { equal, type Values, valueOf } from './values.ts';

/** What became of a deployment on its device. */
export interface Outcome {
  readonly state: 'active' | 'success' | 'failure';
}

export function stateOf(wanted: Values, device: Device, outcome: Outcome | undefined): State {
  const { sent, sent_ts, reported, reported_ts } = device;
  if (Object.keys(wanted).length === 0 && sent === undefined) return 'none';
  if (reported_ts !== undefined && equal(wanted, reported)) return 'current';
  if (outcome?.state === 'active') return 'pending';
  if (sent === undefined || !equal(wanted, sent)) return 'changed';
  if (outcome?.state === 'failure') return 'failed';
  return reported_ts === undefined || reported_ts < (sent_ts ?? '') ? 'pending' : 'drifted';
}

export interface Drift {
  /** When the oldest of the differences came up, RFC 3339. */
  readonly since: string;
  readonly keys: readonly {
    readonly key: string;
    /** Absent: it is not to have it. */
    readonly desired?: string;
    /** Absent: it has it not. */
    readonly reported?: string;
    readonly since: string;
  }[];
}

/** How what a device reports differs from what it is to have; undefined: not at all, or nobody ever said what it is to have. */
export function driftOf(
  settings: ReadonlyMap<string, Effective>,
  layers: readonly Layer[],
  { reported, reportedStamps, sent }: Device,
): Drift | undefined {
  if (settings.size === 0 && sent === undefined) return undefined;
  const wanted = valuesOf(settings);
  const keys = [...new Set([...settings.keys(), ...Object.keys(reported)])].sort((a, b) => (a < b ? -1 : 1));
  const differing = keys.flatMap((key) => {
    const desired = valueOf(wanted, key);
    const has = valueOf(reported, key);
    if (desired === has) return [];
    const asked = settings.get(key)?.since ?? latest(layers.map(({ stamps }) => valueOf(stamps, key)));
    return [
      {
        key,
        ...(desired === undefined ? {} : { desired }),
        ...(has === undefined ? {} : { reported: has }),
        since: latest([asked, valueOf(reportedStamps, key)]),
      },
    ];
  });
  if (differing.length === 0) return undefined;
  const since = differing.reduce((first, { since }) => (since < first ? since : first), differing[0]?.since ?? '');
  return { since, keys: differing };
}
