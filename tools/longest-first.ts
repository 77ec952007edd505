// The order of the test files: those that take long begin first, so that no worker sits idle beside one of them at the end.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = join(import.meta.dirname, '..');

/** Seconds that files took on a machine of two cores. Only their order counts; a file that is not here comes after them. */
const seconds: Readonly<Record<string, number>> = {
  'test/qemu.slow.ts': 425,
  'client/update/power-cut.slow.ts': 410,
  'server/deployments/kill.slow.ts': 275,
  'test/bad-link.slow.ts': 210,
  'test/all-on-postgres.slow.ts': 210,
  'test/root-file-system.slow.ts': 195,
  'test/soak.slow.ts': 180,
  'test/fuzz/artifact.slow.ts': 100,
  'server/inventory/fleet.slow.ts': 95,
  'test/nginx-idle.slow.ts': 67,
  'test/monitor-storm.slow.ts': 53,
  'test/monitor-systemd.slow.ts': 42,
  'test/fuzz/server.slow.ts': 40,
  'test/backup.slow.ts': 39,
  'test/built.slow.ts': 33,
  'test/conformance.slow.ts': 31,
  'test/systemd.slow.ts': 27,
  'test/mender-connect.test.ts': 70,
  'test/files-and-ports.test.ts': 50,
  'test/run.test.ts': 50,
  'test/web.test.ts': 48,
  'test/demo.test.ts': 44,
  'client/update/course.test.ts': 42,
  'test/sessions.test.ts': 41,
  'test/busy-device.test.ts': 33,
  'test/root-file-system.test.ts': 32,
  'test/conformance.test.ts': 31,
  'test/files-in-browser.test.ts': 30,
  'test/people.test.ts': 27,
  'test/monitor.test.ts': 27,
  'test/monitor-web.test.ts': 25,
  'test/monitor-notifications.test.ts': 25,
  'test/groups-in-browser.test.ts': 24,
  'test/mender-client.test.ts': 19,
  'test/server-program.test.ts': 18,
  'server/users/second-factor.test.ts': 17,
  'client/bus/update.test.ts': 16,
  'test/cp-resumes.test.ts': 15,
  'server/backup/backup.test.ts': 13,
  'test/configure-programs.test.ts': 13,
  'test/addon-tutorial.test.ts': 13,
  'test/configure-web.test.ts': 13,
  'test/device-pages.test.ts': 12,
  'test/terminal-path.test.ts': 10,
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = Object.keys(seconds).filter((file) => !existsSync(join(root, file)));
    if (gone.length > 0) throw new Error(`tools/longest-first.ts names what is not there: ${gone.join(', ')}`);
    const usual = await super.sort(files);
    const time = ({ moduleId }: TestSpecification): number => seconds[relative(root, moduleId)] ?? 0;
    // Files that share a process stay together: between them another one would end it.
    const shared = ({ project }: TestSpecification): number => (project.config.isolate ? 0 : 1);
    return usual.toSorted((a, b) => shared(a) - shared(b) || time(b) - time(a));
  }
}
