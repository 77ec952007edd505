import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#base/errors';
import type { ServerHalf } from '#addon/server';
import { channelRoutes } from './channel-routes.ts';
import { Channels } from './channels.ts';
import { CheckLayers } from './check-layers.ts';
import { checkRoutes } from './check-routes.ts';
import { systemClock } from './clock.ts';
import { History } from './history.ts';
import type { Host } from './host.ts';
import { Intake } from './intake.ts';
import { Messages } from './messages.ts';
import { Notifier } from './notifier.ts';
import { Nudges } from './nudges.ts';
import { Offline } from './offline.ts';
import { onCallRoutes } from './oncall-routes.ts';
import type { Parts } from './parts.ts';
import { Planner } from './planner.ts';
import { deviceRoutes, referenceRoutes } from './reference-routes.ts';
import { Reports } from './reports.ts';
import { Settings } from './settings.ts';
import { Silences } from './silences.ts';
import { Standings } from './standing.ts';
import { migrations } from './migrations.ts';

/** How often what is too old is forgotten, ms. */
const pruneEvery = 3600_000;

/** Wires the server half. */
export function monitor(host: Host): ServerHalf {
  const clock = systemClock();
  const settings = new Settings(host);
  const silences = new Silences(host, clock);
  const channels = new Channels(host);
  const messages = new Messages(host, clock);
  const planner = new Planner({ host, clock, settings, silences, channels, messages });
  const notifier = new Notifier({ host, clock, settings, channels, messages, planner });
  const intake = new Intake(host, clock, () => notifier.wake());
  const standings = new Standings(host, silences, clock);
  const history = new History(host);
  const layers = new CheckLayers(host);
  const nudges = new Nudges(host);
  const reports = new Reports(host, clock);
  const offline = new Offline(host, clock, intake, settings);
  const parts: Parts = {
    host,
    clock,
    intake,
    standings,
    history,
    silences,
    layers,
    nudges,
    reports,
    channels,
    messages,
    notifier,
    settings,
  };

  async function prune(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { history_days } = await settings.get();
        const pruned = await history.prune(new Date(clock.now() - history_days * 24 * 3600_000).toISOString());
        if (pruned > 0) host.log.info('old alerts forgotten', { count: pruned });
        await messages.prune();
      } catch (error) {
        if (!signal.aborted) host.log.error('old alerts not forgotten', { error: messageOf(error) });
      }
      await sleep(pruneEvery, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  return {
    migrations,
    async decommissioned(deviceId) {
      offline.forget(deviceId);
      await standings.forget(deviceId);
      await reports.forget(deviceId);
      await silences.forget(deviceId);
      await layers.forget(deviceId);
    },
    presence: (deviceId, connected) => offline.presence(deviceId, connected),
    counters: {
      monitor_alerts: { help: 'Alerts that came, and those that had come before', values: intake.received },
      monitor_notifications: { help: 'Notifications, by how they went', values: notifier.counts },
    },
    async run(signal) {
      await channels.sealAll().catch((error: unknown) => {
        host.log.error('addresses of channels not sealed', { error: messageOf(error) });
      });
      await Promise.all([notifier.run(signal), offline.run(signal), nudges.run(signal), prune(signal)]);
    },
    routes: [
      ...deviceRoutes(parts),
      ...referenceRoutes(parts),
      ...onCallRoutes(parts),
      ...checkRoutes(parts),
      ...channelRoutes(parts),
    ],
  };
}
