import type { Host } from './host.ts';
import type { Channels } from './channels.ts';
import type { CheckLayers } from './check-layers.ts';
import type { Clock } from './clock.ts';
import type { History } from './history.ts';
import type { Intake } from './intake.ts';
import type { Messages } from './messages.ts';
import type { Notifier } from './notifier.ts';
import type { Nudges } from './nudges.ts';
import type { Reports } from './reports.ts';
import type { Settings } from './settings.ts';
import type { Silences } from './silences.ts';
import type { Standings } from './standing.ts';

/** What the routes are made of. */
export interface Parts {
  readonly host: Host;
  readonly clock: Clock;
  readonly intake: Intake;
  readonly standings: Standings;
  readonly history: History;
  readonly silences: Silences;
  readonly layers: CheckLayers;
  readonly nudges: Nudges;
  readonly reports: Reports;
  readonly channels: Channels;
  readonly messages: Messages;
  readonly notifier: Notifier;
  readonly settings: Settings;
}
