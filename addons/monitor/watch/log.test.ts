import { appendFile, copyFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { MonitorStage } from './stage.testing.ts';

const numbered = (from: number, count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${from + index}\n`).join('');

/** A device with a log of its own. */
class Rig implements AsyncDisposable {
  readonly stage: MonitorStage;
  readonly file: string;

  constructor(stage: MonitorStage) {
    this.stage = stage;
    this.file = stage.at('logs', 'app.log');
  }

  readonly check = (pattern = 'panic', more = ''): Promise<void> =>
    this.stage.check('log_app', `SERVICE_NAME="app"\nLOG_PATTERN="${pattern}"\nLOG_FILE="${this.file}"\n${more}`);

  readonly begin = async (): Promise<void> => {
    this.stage.run();
    await this.stage.monitor!.ready;
  };

  readonly matched = () =>
    this.stage.server.alerts.map(({ level, subject }) => [level, subject.details?.line_matching?.data]);

  [Symbol.asyncDispose](): Promise<void> {
    return this.stage[Symbol.asyncDispose]();
  }
}

/** Tests wait most of the time: each has a device of its own, so that they do so together. */
const on = (test: (rig: Rig) => Promise<void>) => async (): Promise<void> => {
  await using rig = new Rig(await MonitorStage.start());
  await test(rig);
};

describe('a log file', () => {
  it.concurrent(
    'MON-6 a match is one CRITICAL with the lines around it and their numbers; the next match while it is bad is nothing',
    on(async ({ stage, file, check, begin, matched }) => {
      await writeFile(file, numbered(1, 100) + 'panic of old\n');
      await check();
      await begin();
      await appendFile(file, `${numbered(102, 40)}kernel: panic!\n${numbered(143, 40)}panic again\n`);
      await stage.server.count(1);
      const { name, subject } = stage.server.alerts[0]!;
      expect([name, subject.name, subject.type, subject.status]).toEqual([
        'Log file contains panic',
        'app',
        'log',
        'LOGCONTAINS',
      ]);
      expect(subject.details!.line_matching).toEqual({ line_number: 142, data: 'kernel: panic!' });
      expect(subject.details!.lines_before).toHaveLength(30);
      expect(subject.details!.lines_before![0]).toEqual({ line_number: 112, data: 'line 112' });
      expect(subject.details!.lines_after).toHaveLength(30);
      expect(subject.details!.lines_after![29]).toEqual({ line_number: 172, data: 'line 172' });
      await stage.library();
      await stage.byHand(`monitor_send_alert OK "Log file contains panic" "" app "" log`);
      await stage.server.count(2);
      await appendFile(file, 'third panic\n');
      await stage.server.count(3);
      expect(matched()).toEqual([
        ['CRITICAL', 'kernel: panic!'],
        ['OK', undefined],
        ['CRITICAL', 'third panic'],
      ]);
    }),
  );

  it.concurrent(
    'MON-7 without another match for the time that is set it is well again',
    on(async ({ stage, file, check, begin }) => {
      await writeFile(file, '');
      await check('panic', 'LOG_PATTERN_EXPIRATION=1\n');
      await begin();
      await appendFile(file, 'panic\n');
      await stage.server.count(2);
      expect(stage.server.said).toEqual(['CRITICAL Log file contains panic', 'OK Log file contains panic']);
    }),
  );

  it.concurrent(
    'what Monitor itself has logged of an alert is no match, though the pattern is in it',
    on(async ({ stage, file, check, begin, matched }) => {
      await writeFile(file, '');
      await check();
      await begin();
      const own = `{"program":"connect","addon":"monitor","check":"log_app","name":"Log file contains panic","msg":"alert"}`;
      await appendFile(file, `${own}\nkernel: panic\n`);
      await stage.server.count(1);
      expect(matched()).toEqual([['CRITICAL', 'kernel: panic']]);
      expect(stage.server.alerts[0]!.subject.details!.lines_before).toEqual([{ line_number: 1, data: own }]);
    }),
  );

  it.concurrent(
    'MON-8 after a restart what was read is not read again, what came meanwhile is, and lines before it are known',
    on(async ({ stage, file, check, begin, matched }) => {
      await writeFile(file, '');
      await check('panic \\d', 'LOG_PATTERN_EXPIRATION=1\n');
      await begin();
      await appendFile(file, 'panic 1\n');
      await stage.server.count(2);
      await stage.stop();
      await appendFile(file, 'quiet\npanic 2\n');
      await begin();
      await stage.server.count(3);
      expect(matched()).toEqual([
        ['CRITICAL', 'panic 1'],
        ['OK', undefined],
        ['CRITICAL', 'panic 2'],
      ]);
      expect(stage.server.alerts[2]!.subject.details!.lines_before).toEqual([
        { line_number: 1, data: 'panic 1' },
        { line_number: 2, data: 'quiet' },
      ]);
    }),
  );

  it.concurrent.for([
    [
      'renamed and made anew',
      async (file: string) => {
        await rename(file, `${file}.1`);
        await writeFile(file, 'after panic\n');
      },
    ],
    [
      'renamed, still written to, and made anew',
      async (file: string) => {
        await rename(file, `${file}.1`);
        await appendFile(`${file}.1`, 'after panic\n');
        await writeFile(file, '');
      },
    ],
    [
      'copied and truncated',
      async (file: string) => {
        await copyFile(file, `${file}.1`);
        await truncate(file);
        await appendFile(file, 'after panic\n');
      },
    ],
    [
      'deleted, and made anew later',
      async (file: string) => {
        await rm(file);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await writeFile(file, 'after panic\n');
      },
    ],
  ] as const)('MON-9 %s: following goes on', async ([, rotate]) => {
    await on(async ({ stage, file, check, begin, matched }) => {
      await writeFile(file, numbered(1, 50));
      await check();
      await begin();
      await rotate(file);
      await stage.server.count(1);
      expect(matched()).toEqual([['CRITICAL', 'after panic']]);
    })();
  });

  it.concurrent(
    'MON-9 one that was rotated while nobody watched is read to its end, and then the new one',
    on(async ({ stage, file, check, begin, matched }) => {
      await writeFile(file, '');
      await check('panic \\d', 'LOG_PATTERN_EXPIRATION=1\n');
      await begin();
      await appendFile(file, 'panic 1\n');
      await stage.server.count(2);
      await stage.stop();
      await appendFile(file, 'panic 2\n');
      await rename(file, `${file}.1`);
      await writeFile(file, 'new\n');
      await begin();
      await stage.server.count(4);
      await appendFile(file, 'panic 3\n');
      await stage.server.count(5);
      expect(matched().filter(([, line]) => line)).toEqual([
        ['CRITICAL', 'panic 1'],
        ['CRITICAL', 'panic 2'],
        ['CRITICAL', 'panic 3'],
      ]);
    }),
  );

  it.concurrent(
    'one that is not there yet is read from its beginning when it comes',
    on(async ({ stage, file, check, begin, matched }) => {
      await check();
      await begin();
      await writeFile(file, 'early panic\n');
      await stage.server.count(1);
      expect(matched()).toEqual([['CRITICAL', 'early panic']]);
    }),
  );

  it.concurrent(
    'MON-25 bytes that are no text, NUL, quotes and lines of megabytes arrive as text or are replaced',
    on(async ({ stage, file, check, begin }) => {
      await writeFile(file, '');
      await check('panic');
      await begin();
      const odd = Buffer.concat([
        Buffer.from('say "a\\b" ü€😀 '),
        Buffer.from([0, 0xff, 0xfe, 0x07]),
        Buffer.from(' panic\n'),
      ]);
      await appendFile(file, Buffer.concat([Buffer.alloc(5_000_000, 'x'), Buffer.from('\n'), odd]));
      const [alert] = await stage.server.count(1);
      expect(alert!.subject.details!.line_matching).toEqual({
        line_number: 2,
        data: 'say "a\\b" ü€😀 \u{fffd}\u{fffd}\u{fffd}\u{7} panic',
      });
      expect(alert!.subject.details!.lines_before![0]!.data.length).toBeLessThan(5000);
    }),
  );
});

describe('MON-10 the output of a command', () => {
  it.concurrent(
    'is followed, the command is started again when it ends, and what it prints again is not new',
    on(async ({ stage, file, begin, matched }) => {
      await stage.check(
        'log_cmd',
        `SERVICE_NAME="cmd"\nLOG_PATTERN="panic \\d"\nLOG_FILE="@cat ${file}; sleep 0.2"\nLOG_PATTERN_EXPIRATION=1\n`,
      );
      await writeFile(file, 'one\npanic 1\n');
      await begin();
      await stage.server.count(2);
      await appendFile(file, 'panic 2\n');
      await stage.server.count(3);
      expect(matched()).toEqual([
        ['CRITICAL', 'panic 1'],
        ['OK', undefined],
        ['CRITICAL', 'panic 2'],
      ]);
      expect(stage.server.alerts[0]!.subject.details!.description).toBe(`@cat ${file}; sleep 0.2 contains panic \\d`);
    }),
  );

  it.concurrent(
    'MON-23 texts of a derived check are those of its alert',
    on(async ({ stage, begin }) => {
      const text = `LOG_PATTERN=".*container kill.*name=web.*"\nLOG_FILE="@echo '2026 container kill 12 (image=x, name=web)'; sleep 1000"\n`;
      await stage.check(
        'dockerevents_web',
        `${text}LOG_PATTERN_EXPIRATION=1\nLOG_ALERT_DESCRIPTION="Docker container web kill"\nLOG_ALERT_DETAILS="%line_matching"\nLOG_ALERT_STATUS=DOCKEREVENTS_CONTAINER_EVENT\nLOG_ALERT_TYPE=docker_event\n`,
      );
      await begin();
      await stage.server.count(2);
      expect(stage.server.said).toEqual(['CRITICAL Docker container web kill', 'OK Docker container web kill']);
      expect(stage.server.alerts[0]!.subject).toMatchObject({
        type: 'docker_event',
        status: 'DOCKEREVENTS_CONTAINER_EVENT',
        details: { description: '2026 container kill 12 (image=x, name=web)' },
      });
    }),
  );

  it.concurrent(
    'a command that cannot be run is UNKNOWN after a second try',
    on(async ({ stage, begin }) => {
      await stage.check('log_none', 'LOG_PATTERN="x"\nLOG_FILE="@/nosuch/program"\n');
      await begin();
      const [alert] = await stage.server.count(1);
      expect(alert).toMatchObject({
        level: 'UNKNOWN',
        subject: { details: { description: "'/nosuch/program' ended with exit code 127" } },
      });
    }),
  );
});
