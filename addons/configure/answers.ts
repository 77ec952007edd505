// What the server half answers, as its schemas say (`shown.ts`): for those who ask.
import type { Place } from './layers.ts';
import type { Values } from './values.ts';

/** Where the server half answers, beside the reference's routes. */
export const base = '/api/management/v1/patchbay/configuration';

/**
 * Where a device stands. `none`: it is to have nothing and was never sent any; `changed`: it was not sent what it is to
 * have; `pending`: it is on its way, or applied and not reported yet; `failed`: the last sending was; `drifted`: it applied
 * what it was sent and reports something else.
 */
export type State = 'none' | 'current' | 'changed' | 'pending' | 'failed' | 'drifted';
export const states: readonly State[] = ['none', 'current', 'changed', 'pending', 'failed', 'drifted'];

export interface Given {
  readonly values: Values;
  readonly revision: number;
  readonly priority?: number;
  readonly updated_ts?: string;
  readonly updated_by?: string;
}

export interface Whole {
  readonly id: string;
  readonly own: Given;
  readonly effective: readonly {
    readonly key: string;
    readonly value: string;
    readonly secret: boolean;
    readonly origin: Place;
    readonly overrides: readonly Place[];
  }[];
  readonly reported: Values;
  readonly state: State;
  readonly drift?: {
    readonly since: string;
    readonly keys: readonly {
      readonly key: string;
      readonly desired?: string;
      readonly reported?: string;
      readonly since: string;
    }[];
  };
  readonly reported_ts?: string;
  readonly sent_ts?: string;
  readonly deployment_id?: string;
}

/** A device that does not have what it is to have. */
export type Differing = Pick<Whole, 'state' | 'drift'> & { readonly device_id: string };

export interface Change {
  readonly set?: Values;
  readonly unset?: readonly string[];
  readonly priority?: number;
}

export interface Revision {
  readonly revision: number;
  readonly ts: string;
  readonly by: string;
  readonly reverts?: number;
  readonly values: Values;
  /** Absent: the one before is forgotten. */
  readonly changes?: readonly { readonly key: string; readonly before?: string; readonly after?: string }[];
}

export interface Sent {
  readonly sent: readonly { readonly device_id: string; readonly deployment_id?: string; readonly error?: string }[];
  readonly unchanged: number;
}

/** Where a setting comes from, in words. */
export const originOf = ({ kind, name }: Place): string =>
  kind === 'group' ? `group ${name}` : kind === 'device' ? 'device' : 'fleet';

/** Where a device stands, in words. */
export const stateWords: Readonly<Record<State, string>> = {
  none: 'nothing is given, for it or for what it belongs to',
  current: 'up to date',
  changed: 'changed, and not sent yet',
  pending: 'on its way',
  failed: 'was not applied: the device has what it had before',
  drifted: 'the device reports something else than it was sent',
};
