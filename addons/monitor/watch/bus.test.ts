import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { describe, expect, it } from 'vitest';
import { MonitorStage } from './stage.testing.ts';
import { SmallSystemd } from './systemd.testing.ts';

/** A bus daemon of the test's own. */
async function startBus(folder: string) {
  const address = `unix:path=${join(folder, 'bus')}`;
  await rm(join(folder, 'bus'), { force: true });
  await writeFile(
    join(folder, 'bus.conf'),
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
      "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
    <busconfig><listen>${address}</listen><auth>EXTERNAL</auth>
      <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
    </busconfig>`,
  );
  const daemon = spawn('dbus-daemon', [`--config-file=${join(folder, 'bus.conf')}`, '--nofork', '--print-address'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(daemon.stdout, 'data');
  return {
    address,
    async [Symbol.asyncDispose]() {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return;
      const gone = once(daemon, 'exit');
      daemon.kill('SIGKILL');
      await gone;
    },
  };
}

/** A device with a bus of its own. */
class Rig implements AsyncDisposable {
  readonly stage: MonitorStage;
  readonly folder: string;
  bus: Awaited<ReturnType<typeof startBus>>;

  private constructor(stage: MonitorStage, folder: string, bus: Awaited<ReturnType<typeof startBus>>) {
    this.stage = stage;
    this.folder = folder;
    this.bus = bus;
  }

  static async start(): Promise<Rig> {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-monitor-bus-'));
    return new Rig(await MonitorStage.start(), folder, await startBus(folder));
  }

  readonly begin = async (): Promise<void> => {
    this.stage.run({}, { busAddress: this.bus.address });
    await this.stage.monitor!.ready;
  };

  readonly systemdCheck = (): Promise<void> =>
    this.stage.check('service_cron', 'SERVICE_NAME="cron"\nSERVICE_TYPE="systemd"\n');

  readonly listening = (systemd: SmallSystemd, count = 1): Promise<void> =>
    this.stage.server.until('it listens', () => systemd.manager.subscribed >= count);

  /** The bus goes, and another comes at the same place. */
  readonly anotherBus = async (): Promise<void> => {
    await this.bus[Symbol.asyncDispose]();
    this.bus = await startBus(this.folder);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Tests wait most of the time: each has a device of its own, so that they do so together. */
const on = (test: (rig: Rig) => Promise<void>) => async (): Promise<void> => {
  await using rig = await Rig.start();
  await test(rig);
};
const down = 'CRITICAL Service cron not running';
const up = 'OK Service cron not running';

describe('a unit of systemd', () => {
  it.concurrent(
    'MON-4 is said to be down when it stops and up, with the same name, when it starts; a restart is neither',
    on(async ({ stage, bus, begin, systemdCheck, listening }) => {
      using systemd = await SmallSystemd.start(bus.address, 'cron.service');
      await systemdCheck();
      await begin();
      await listening(systemd);
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      for (const [active, sub] of [
        ['deactivating', 'stop-sigterm'],
        ['inactive', 'dead'],
        ['activating', 'start'],
        ['active', 'running'],
      ] as const)
        systemd.set('cron.service', active, sub);
      systemd.set('cron.service', 'failed', 'failed');
      await stage.server.count(1);
      systemd.set('cron.service', 'active', 'running');
      await stage.server.count(2);
      expect(stage.server.said).toEqual([down, up]);
      expect(stage.server.alerts[0]).toMatchObject({
        check: 'service_cron',
        subject: {
          name: 'cron',
          type: 'systemd',
          status: 'not-running',
          details: { description: 'cron.service is failed (failed)' },
        },
      });
    }),
  );

  it.concurrent(
    'one that is down and about to be started has not gone down once more',
    on(async ({ stage, bus, begin, systemdCheck, listening }) => {
      await stage.settings('FLAPPING_INTERVAL=60\nFLAPPING_COUNT_THRESHOLD=3\n');
      using systemd = await SmallSystemd.start(bus.address, 'cron.service');
      await systemdCheck();
      await begin();
      await listening(systemd);
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      systemd.set('cron.service', 'inactive', 'dead');
      await stage.server.count(1);
      // As systemd does: the job that starts it is a change, told with all that has not changed.
      for (const [active, sub] of [
        ['inactive', 'dead'],
        ['activating', 'start'],
        ['active', 'running'],
      ] as const)
        systemd.set('cron.service', active, sub);
      await stage.server.count(2);
      expect(stage.server.said).toEqual([down, up]);
    }),
  );

  it.concurrent(
    'MON-12 one that is restarted again and again goes up and down',
    on(async ({ stage, bus, begin, systemdCheck, listening }) => {
      await stage.settings('FLAPPING_INTERVAL=2\nFLAPPING_COUNT_THRESHOLD=4\n');
      using systemd = await SmallSystemd.start(bus.address, 'cron.service');
      await systemdCheck();
      await begin();
      await listening(systemd);
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      for (let turn = 0; turn < 4; turn += 1) {
        systemd.set('cron.service', 'activating', 'auto-restart');
        systemd.set('cron.service', 'active', 'running');
      }
      await stage.server.count(3);
      expect(stage.server.said).toEqual([
        'CRITICAL Service cron going up and down',
        'OK Service cron going up and down',
        up,
      ]);
    }),
  );

  it.concurrent(
    'MON-16 what stops because the system goes down is no alert',
    on(async ({ stage, bus, begin, systemdCheck, listening }) => {
      using systemd = await SmallSystemd.start(bus.address, 'cron.service', 'other.service');
      await systemdCheck();
      await stage.check('service_other', 'SERVICE_NAME=other\n');
      await begin();
      await listening(systemd, 2);
      systemd.manager.SystemState = 'stopping';
      systemd.set('cron.service', 'inactive', 'dead');
      await new Promise((resolve) => setTimeout(resolve, 1500));
      systemd.manager.SystemState = 'running';
      systemd.set('other.service', 'inactive', 'dead');
      await stage.server.count(1);
      expect(stage.server.said).toEqual(['CRITICAL Service other not running']);
    }),
  );

  it.concurrent(
    'the bus and systemd may go and come again: how it is then is what is said',
    on(async ({ stage, bus, begin, systemdCheck, listening, anotherBus }) => {
      const first = await SmallSystemd.start(bus.address, 'cron.service');
      await systemdCheck();
      await begin();
      await listening(first);
      first[Symbol.dispose]();
      await anotherBus();
      using second = await SmallSystemd.start(bus.address, 'cron.service');
      second.set('cron.service', 'inactive', 'dead');
      await stage.server.until(down, () => stage.server.said.includes(down), 40_000);
      second.set('cron.service', 'active', 'running');
      await stage.server.until(up, () => stage.server.said.at(-1) === up);
      expect(stage.server.said.filter((word) => !word.startsWith('UNKNOWN'))).toEqual([down, up]);
    }),
  );
});

describe('a service of an init script', () => {
  it.concurrent(
    'MON-5 is asked for its status, is down when that says so, and up again',
    on(async ({ stage, begin }) => {
      await mkdir(stage.at('init.d'));
      await mkdir(stage.at('run'));
      const daemon = spawn('sleep', ['1000']);
      const pid = stage.at('run', 'cron.pid');
      await writeFile(pid, `${daemon.pid}\n`);
      const asked = stage.at('asked');
      await writeFile(
        stage.at('init.d', 'cron'),
        `#!/bin/sh\necho x >>${asked}\n[ "$1" = status ] && kill -0 "$(cat ${pid})" 2>/dev/null && echo running || { echo stopped; exit 3; }\n`,
      );
      await chmod(stage.at('init.d', 'cron'), 0o755);
      await stage.check('service_cron', 'SERVICE_NAME="cron"\nSERVICE_TYPE="sysV"\n');
      await begin();
      const [running] = stage.monitor!.running;
      for (const _ of [1, 2, 3]) await running!.look();
      daemon.kill('SIGKILL');
      await once(daemon, 'exit');
      for (const _ of [1, 2]) await running!.look();
      await stage.server.count(1);
      const again = spawn('sleep', ['1000']);
      await writeFile(pid, `${again.pid}\n`);
      await running!.look();
      await stage.server.count(2);
      again.kill('SIGKILL');
      expect(stage.server.said).toEqual([down, up]);
      expect(stage.server.alerts[0]!.subject).toMatchObject({ type: 'sysV', details: { description: 'stopped' } });
    }),
  );
});

describe('MON-11 signals of D-Bus', () => {
  it.concurrent(
    'by watch expression, by pattern, and by both; the alert ends when there was none for a while',
    on(async ({ stage, bus, begin }) => {
      const other = dbus.sessionBus({ busAddress: bus.address });
      other.on('error', () => undefined);
      class Face extends dbus.interface.Interface {
        Happened(what: string): string {
          return what;
        }
        Other(what: string): string {
          return what;
        }
      }
      Face.configureMembers({ signals: { Happened: { signature: 's' }, Other: { signature: 's' } } });
      const face = new Face('org.example.Test');
      other.export('/org/example', face);
      await other.requestName('org.example', 4);
      const watch = "type='signal',interface='org.example.Test',member='Happened'";
      await stage.check('dbus_watch', `DBUS_NAME=watch\nDBUS_WATCH_EXPRESSION="${watch}"\nDBUS_ALERT_EXPIRATION=1\n`);
      await stage.check('dbus_pattern', 'DBUS_NAME=pattern\nDBUS_PATTERN="tea.*ready"\n');
      await stage.check(
        'dbus_both',
        `DBUS_NAME=both\nDBUS_PATTERN="coffee"\nDBUS_WATCH_EXPRESSION="${watch}"\nDBUS_PATTERN_EXPIRATION=1\n`,
      );
      await stage.check('dbus_neither', 'DBUS_NAME=neither\n');
      await begin();
      await stage.server.until('the report', () =>
        stage.server.configs.some((config) =>
          config.some(({ refused }) => /needs DBUS_PATTERN or/.test(String(refused))),
        ),
      );
      // The rules are in force when a signal arrives at all.
      while (stage.server.alerts.length === 0) {
        face.Happened('nothing');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      face.Other('the tea is ready');
      await stage.server.count(3);
      expect(
        stage.server.alerts
          .slice(0, 3)
          .map(({ check, level, name }) => [check, level, name].join(' '))
          .sort((one, other) => (one < other ? -1 : 1)),
      ).toEqual([
        'dbus_pattern CRITICAL D-Bus signal arrived on bus system bus',
        `dbus_watch CRITICAL D-Bus signal arrived on bus ${watch}`,
        `dbus_watch OK D-Bus signal arrived on bus ${watch}`,
      ]);
      expect(stage.server.alerts.find(({ check }) => check === 'dbus_pattern')!.subject.details!.description).toContain(
        'member=Other\n   string "the tea is ready"',
      );
      other.disconnect();
      other._connection.stream.destroy();
    }),
  );
});
