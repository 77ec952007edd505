import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { MonitorStage } from './stage.testing.ts';

const full = 'DISK_PATH="/"\nDISK_PERCENT=0\nDISK_EVERY=5\n';
const fine = 'DISK_PATH="/"\nDISK_PERCENT=100\nDISK_EVERY=5\n';
const diskFull = "Disk storage has grown to fill more than 0% of the disk '/'";

/** A device and what is done to it. */
class Rig implements AsyncDisposable {
  readonly stage: MonitorStage;

  constructor(stage: MonitorStage) {
    this.stage = stage;
  }

  /** What the script of the check says, from now on. */
  readonly verdict = async (code: number, text = 'because'): Promise<void> => {
    await writeFile(this.stage.at('verdict'), `echo ${text}; exit ${code}`);
  };

  readonly scripted = async (key = 'script_own'): Promise<void> => {
    await writeFile(this.stage.at('scripts', 'own'), `#!/bin/sh\n. ${this.stage.at('verdict')}\n`);
    await chmod(this.stage.at('scripts', 'own'), 0o755);
    await this.stage.check(key, 'SCRIPT_SCRIPT=own\nSCRIPT_EVERY=5\n');
  };

  /** Looks now, in place of in some seconds. */
  readonly look = async (): Promise<void> => {
    // The first may have begun before.
    for (const running of this.stage.monitor!.running) for (const _ of [1, 2]) await running.look();
  };

  /** What the server was told last of each check: name, version, why it is refused. */
  readonly names = (): unknown[] =>
    (this.stage.server.configs.at(-1) ?? []).map(({ name, version, refused }) => [name, version, refused]);

  [Symbol.asyncDispose](): Promise<void> {
    return this.stage[Symbol.asyncDispose]();
  }
}

/** Tests wait most of the time: each has a device of its own, so that they do so together. */
const on = (test: (rig: Rig) => Promise<void>) => async (): Promise<void> => {
  await using rig = new Rig(await MonitorStage.start());
  await test(rig);
};

describe('an alert', () => {
  it.concurrent(
    'MON-13 has a time, an id and the name of its check, and comes once; a check that is taken away ends it',
    on(async ({ stage, look }) => {
      await stage.check('disk_root', full);
      stage.run();
      const [alert] = await stage.server.count(1);
      expect(alert).toMatchObject({
        level: 'CRITICAL',
        check: 'disk_root',
        name: diskFull,
        subject: { name: '/', type: 'disk', status: 'DISKUSAGE_USAGE_WARNING' },
      });
      expect(alert!.id).toMatch(/^[0-9a-f-]{36}$/);
      expect(Math.abs(Date.parse(alert!.timestamp) - Date.now())).toBeLessThan(60_000);
      await look();
      await stage.disable('disk_root');
      await stage.server.count(2);
      expect(stage.server.said).toEqual([`CRITICAL ${diskFull}`, `OK ${diskFull}`]);
    }),
  );

  it.concurrent(
    'MON-8 MON-16 a restart repeats nothing, and what has become well meanwhile is said',
    on(async ({ stage, verdict, scripted, look }) => {
      await verdict(2);
      await scripted();
      stage.run();
      await stage.server.count(1);
      await stage.stop();
      stage.run();
      await look();
      await stage.stop();
      await verdict(0);
      stage.run();
      await stage.server.count(2);
      expect(stage.server.said).toEqual([
        'CRITICAL Script own says that something is wrong',
        'OK Script own says that something is wrong',
      ]);
      expect(stage.server.alerts[0]!.subject.details).toEqual({ description: 'because' });
    }),
  );

  it.concurrent(
    'MON-16 nothing is said of a device that is well, nor while it stops',
    on(async ({ stage, verdict, scripted, look }) => {
      await verdict(0);
      await scripted();
      await stage.check('disk_root', fine);
      const monitor = stage.run();
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      await look();
      const [running] = monitor.running;
      await stage.stop();
      await verdict(2);
      await running!.look();
      stage.run();
      await stage.stop();
      expect(stage.server.said).toEqual([]);
    }),
  );

  it.concurrent(
    'has the level of the settings, where its check does not say its own',
    on(async ({ stage }) => {
      await stage.settings('DEFAULT_ALERT_LEVEL=WARNING\nALERT_LOG_MAX_AGE=600\nDEFAULT_LOG_ALERT_LEVEL=UNKNOWN\n');
      await stage.check('disk_root', full);
      await stage.check('disk_own', `${full}DISK_LEVEL=CRITICAL\n`);
      stage.run();
      await stage.server.count(2);
      expect(Object.fromEntries(stage.server.alerts.map(({ check, level }) => [check, level]))).toEqual({
        disk_root: 'WARNING',
        disk_own: 'CRITICAL',
      });
      expect(stage.lines.filter((line) => line.includes('setting ignored'))).toEqual([
        expect.stringContaining(
          '"key":"DEFAULT_LOG_ALERT_LEVEL","value":"UNKNOWN","why":"WARNING or CRITICAL is wanted"',
        ),
      ]);
    }),
  );

  it.concurrent(
    'what cannot be told is UNKNOWN, once, after a second look',
    on(async ({ stage, look }) => {
      await stage.check('script_gone', 'SCRIPT_SCRIPT=gone\nSCRIPT_EVERY=5\n');
      stage.run();
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      await look();
      await look();
      await look();
      await stage.server.count(1);
      expect(stage.server.alerts).toMatchObject([
        {
          level: 'UNKNOWN',
          subject: { details: { description: `there is no script ${stage.at('scripts', 'gone')} that can be run` } },
        },
      ]);
    }),
  );
});

describe('while the server is away', () => {
  it.concurrent(
    'MON-13 alerts wait on the disk over a restart, and come in order, with their times, once',
    on(async ({ stage, verdict, scripted, look }) => {
      await verdict(0);
      await scripted();
      stage.online = false;
      stage.run();
      await stage.monitor!.ready;
      for (const code of [2, 0, 2]) {
        await verdict(code);
        await look();
      }
      await stage.stop();
      const before = new Date().toISOString();
      stage.run();
      await stage.monitor!.ready;
      await verdict(0);
      await look();
      stage.link(true);
      const alerts = await stage.server.count(4);
      expect(alerts.map(({ level }) => level)).toEqual(['CRITICAL', 'OK', 'CRITICAL', 'OK']);
      expect(alerts.slice(0, 3).every(({ timestamp }) => timestamp < before)).toBe(true);
      expect(new Set(alerts.map(({ id }) => id)).size).toBe(4);
      expect(stage.server.batches).toHaveLength(1);
    }),
  );

  it.concurrent(
    'MON-15 it says 429 and 503 with a time, then all comes; 400 costs the batch and is in the log',
    on(async ({ stage }) => {
      const answers = [{ status: 429, headers: { 'retry-after': '1' } }, { status: 503 }];
      const tries: number[] = [];
      stage.server.answer = (path) => {
        if (!path.endsWith('/alert')) return undefined;
        tries.push(performance.now());
        return answers.shift();
      };
      await stage.check('disk_root', full);
      stage.run();
      await stage.server.count(1);
      expect(tries).toHaveLength(3);
      expect(tries[1]! - tries[0]!).toBeGreaterThanOrEqual(990);
      expect(stage.lines.join('\n')).toMatch(/alerts not sent, they are kept.*429/);
      stage.server.answer = (path) =>
        path.endsWith('/alert') ? { status: 400, body: { error: 'no such field' } } : undefined;
      await stage.disable('disk_root');
      await stage.server.until('the line', () => stage.lines.some((line) => line.includes('does not take them')));
      stage.server.answer = () => undefined;
      await stage.check('disk_root', full);
      await stage.server.count(2);
      expect(stage.server.said).toEqual([`CRITICAL ${diskFull}`, `CRITICAL ${diskFull}`]);
      expect(stage.lines.join('\n')).toMatch(/error alerts dropped.*"status":400,"count":1.*no such field/);
    }),
  );
});

describe('MON-18 what the server is told', () => {
  it.concurrent(
    'lists every enabled check when it starts and when that changes, and why one is not made',
    on(async ({ stage }) => {
      await stage.check('disk_root', fine);
      await stage.check('log_bad', 'LOG_PATTERN="a(?=b)"\nLOG_FILE=/x\n');
      await stage.check('disk_run', 'rm -rf /\n');
      await stage.check('disk_high', `${fine}DISK_LEVEL=HIGH\n`);
      await stage.check('log_level', 'LOG_PATTERN=x\nLOG_FILE=/x\nLOG_ALERT_LEVEL=CRITICAL_FLAPPING\n');
      await stage.check('service_crond', 'SERVICE_NAME=crond\nSERVICE_TYPE=sysV\n');
      stage.run();
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      expect(stage.server.configs[0]).toEqual([
        {
          name: 'root.sh',
          type: 'disk',
          status: 'enabled',
          origin: 'local',
          disk: { path: '/', percent: 100, every: 5 },
        },
        {
          name: 'crond.sh',
          type: 'service',
          status: 'enabled',
          origin: 'local',
          service: { name: 'crond', type: 'sysV' },
        },
        {
          name: 'high.sh',
          type: 'disk',
          status: 'refused',
          origin: 'local',
          refused: "DISK_LEVEL: WARNING or CRITICAL is wanted, not 'HIGH'",
        },
        {
          name: 'run.sh',
          type: 'disk',
          status: 'refused',
          origin: 'local',
          refused: expect.stringMatching(/line 1: only variable assignments/),
        },
        {
          name: 'bad.sh',
          type: 'log',
          status: 'refused',
          origin: 'local',
          refused: expect.stringMatching(/looking ahead/),
        },
        {
          name: 'level.sh',
          type: 'log',
          status: 'refused',
          origin: 'local',
          refused: "LOG_ALERT_LEVEL: WARNING or CRITICAL is wanted, not 'CRITICAL_FLAPPING'",
        },
      ]);
      expect(stage.lines.filter((line) => line.includes('check not made'))).toHaveLength(4);
      await stage.disable('log_bad');
      await stage.server.until('a second', () => stage.server.configs.length > 1);
      expect(stage.server.configs[1]).toHaveLength(5);
    }),
  );
});

describe('checks of the server', () => {
  const disk = { type: 'disk', name: 'root', path: '/', percent: 0, every: 5 };

  it.concurrent(
    'are made, kept for a start without the server, and asked for again with what is known',
    on(async ({ stage, names }) => {
      stage.server.checks = { version: 'v1', checks: [disk] };
      stage.run();
      await stage.server.count(1);
      await stage.server.until('the report', () => names().length === 1);
      expect(names()).toEqual([['root.sh', 'v1', undefined]]);
      await stage.stop();
      stage.online = false;
      stage.run();
      await stage.monitor!.ready;
      expect(stage.monitor!.running.map(({ definition }) => definition.key)).toEqual(['disk_root']);
      stage.server.asked.length = 0;
      stage.link(true);
      await stage.server.until('asked', () => stage.server.asked.length > 0);
      expect(stage.server.asked[0]).toBe('"v1"');
      stage.server.checks = { version: 'v2', checks: [] };
      stage.link(true);
      await stage.server.count(2);
      expect(stage.server.said.at(-1)).toBe(`OK ${diskFull}`);
    }),
  );

  it.concurrent(
    'give way to one of the device with the same type and name, to its configuration, and to what it does not know',
    on(async ({ stage, names }) => {
      await stage.check('disk_root', fine);
      await writeFile(stage.at('scripts', 'allowed'), '#!/bin/sh\n');
      await chmod(stage.at('scripts', 'allowed'), 0o755);
      await mkdir(stage.at('secret'));
      stage.server.checks = {
        version: 'v1',
        checks: [
          disk,
          { type: 'quantum', name: 'x' },
          { type: 'disk', name: 'big', percent: 1000 },
          { type: 'load', name: 'l' },
          { type: 'script', name: 'ours', script: 'allowed' },
          { type: 'script', name: 'theirs', script: 'rm' },
          { type: 'log', name: 'fine', pattern: 'x', file: stage.at('logs', 'a.log') },
          { type: 'log', name: 'away', pattern: 'x', file: stage.at('logs', '..', 'secret', 'key') },
          'nonsense',
        ],
      };
      stage.run({ ServerCheckTypes: ['disk', 'script', 'log'] });
      await stage.server.until('the report', () => names().length === 10);
      const refused = Object.fromEntries(names().map((entry) => [(entry as string[])[0], (entry as string[])[2]]));
      expect(stage.monitor!.running.map(({ definition }) => [definition.key, definition.origin])).toEqual([
        ['disk_root', 'local'],
        ['script_ours', 'server'],
        ['log_fine', 'server'],
      ]);
      expect(refused).toMatchObject({
        'root.sh': 'the device has a check of its own with this type and name',
        'x.sh': 'this device knows no checks of type quantum',
        'big.sh': 'percent must be <= 100',
        'l.sh': 'the configuration of this device takes no load checks from the server',
        'theirs.sh': `there is no script ${stage.at('scripts', 'rm')} that can be run`,
        'away.sh': expect.stringMatching(/lets the server have logs read in/),
        '?.sh': 'this device knows no checks of type ?',
      });
    }),
  );

  it.concurrent(
    'are none where the configuration says so',
    on(async ({ stage }) => {
      stage.server.checks = { version: 'v1', checks: [disk] };
      stage.run({ ServerChecks: false });
      await stage.server.until('a report', () => stage.server.configs.length > 0);
      expect([stage.server.asked, stage.server.configs[0]]).toEqual([[], []]);
    }),
  );

  it.concurrent(
    'a list that is none changes nothing',
    on(async ({ stage }) => {
      stage.server.checks = { version: 'v1', checks: [{ ...disk, percent: 100 }] };
      stage.run();
      await stage.server.until('made', () => stage.monitor!.running.length === 1);
      stage.server.answer = (path) => (path.endsWith('/checks') ? { status: 200, body: { checks: 'all' } } : undefined);
      stage.server.asked.length = 0;
      stage.link(true);
      await stage.server.until('asked', () => stage.server.asked.length > 0);
      expect(stage.monitor!.running).toHaveLength(1);
    }),
  );
});

describe('MON-22 subsystems of the owner', () => {
  it.concurrent(
    'one that uses the library as documented sends its alert, and a person ends it by hand',
    on(async ({ stage, look }) => {
      await rm(stage.at('usr'), { recursive: true, force: true });
      await stage.library();
      await writeFile(
        stage.at('etc', 'monitor.d', 'beverage.sh'),
        `#!/usr/bin/env bash
. common/common.sh
. lib/monitor-lib.sh
. lib/alert-lib.sh
. lib/subsystem-storage-lib.sh
if [[ -z "\${BEVERAGE_NAME}" ]]; then log_error "no name"; exit 0; fi
key=$(basename "\${env}" .sh)
if [[ $(subsystem_get "\${SUBSYSTEM_NAME}" "LAST_ALARM_$key") != CRITICAL ]]; then
  monitor_send_alert CRITICAL "No \${BEVERAGE_NAME} left" "say \\"please\\" \\\\ \\$1" "\${BEVERAGE_NAME}" EMPTY kitchen "empty.*" /var/log/k "before 1
before 2" "it's empty" "after"
  subsystem_set "\${SUBSYSTEM_NAME}" "LAST_ALARM_$key" CRITICAL
fi
`,
      );
      await stage.check('beverage_tea', 'BEVERAGE_NAME="green tea"\n');
      stage.run();
      const [alert] = await stage.server.count(1);
      expect(alert).toMatchObject({
        level: 'CRITICAL',
        check: 'beverage_tea',
        name: 'No green tea left',
        subject: {
          name: 'green tea',
          status: 'EMPTY',
          type: 'kitchen',
          details: {
            description: 'say "please" \\ $1; pattern: empty.*, log file: /var/log/k',
            lines_before: [{ data: 'before 1' }, { data: 'before 2' }],
            line_matching: { data: "it's empty" },
            lines_after: [{ data: 'after' }],
          },
        },
      });
      await look();
      await stage.byHand('monitor_send_alert OK "No green tea left" "" "green tea" FULL kitchen');
      await stage.server.count(2);
      expect(stage.server.said).toEqual(['CRITICAL No green tea left', 'OK No green tea left']);
    }),
  );

  it.concurrent(
    'one that hangs is killed with its children, and that is said',
    on(async ({ stage, look }) => {
      await stage.library();
      await writeFile(stage.at('etc', 'monitor.d', 'slow.sh'), 'sleep 1000 & echo waiting; wait\n');
      await stage.check('slow_one', 'CHECK_INTERVAL=5\n');
      stage.run({}, { customTimeout: 300 });
      await stage.monitor!.ready;
      await look();
      await look();
      const [alert] = await stage.server.count(1);
      expect(alert).toMatchObject({
        level: 'UNKNOWN',
        name: 'Check slow_one cannot be made',
        subject: {
          details: { description: expect.stringMatching(/did not end within .* was killed; it printed: waiting/) },
        },
      });
    }),
  );
});
