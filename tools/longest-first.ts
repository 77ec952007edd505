// The order of the test files: those that take long begin first, so that no worker sits idle beside one of them at the end.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = join(import.meta.dirname, '..');

/**
 * Seconds that files take on a machine of two cores. Only their order counts; a file that is not here comes after them. Those
 * that wait for most of their time stand among those that work.
 */
const seconds: Readonly<Record<string, number>> = {
  'test/qemu.slow.ts': 425,
  'client/update/power-cut.slow.ts': 250,
  'test/bad-link.slow.ts': 240,
  'server/deployments/kill.slow.ts': 230,
  'test/soak.slow.ts': 180,
  'test/root-file-system.slow.ts': 170,
  'test/all-on-postgres.slow.ts': 165,
  'test/fuzz/artifact.slow.ts': 100,
  'server/inventory/fleet.slow.ts': 95,
  'test/nginx-idle.slow.ts': 67,
  'test/monitor-storm.slow.ts': 53,
  'test/monitor-systemd.slow.ts': 42,
  'test/fuzz/server.slow.ts': 40,
  'test/backup.slow.ts': 36,
  'test/built.slow.ts': 33,
  'test/conformance.slow.ts': 31,
  'test/systemd.slow.ts': 27,
  'test/mender-connect.test.ts': 65,
  'test/files-and-ports.test.ts': 45,
  'test/run.test.ts': 44,
  'test/web.test.ts': 43,
  'client/update/course.test.ts': 42,
  'test/sessions.test.ts': 36,
  'test/busy-device.test.ts': 32,
  'test/root-file-system.test.ts': 31,
  'test/conformance.test.ts': 30,
  'test/demo.test.ts': 28,
  'test/people.test.ts': 26,
  'test/monitor.test.ts': 26,
  'test/monitor-web.test.ts': 25,
  'test/monitor-notifications.test.ts': 25,
  'test/files-in-browser.test.ts': 24,
  'test/groups-in-browser.test.ts': 23,
  'test/mender-client.test.ts': 19,
  'client/bus/update.test.ts': 15,
  'test/cp-resumes.test.ts': 15,
  'test/configure-programs.test.ts': 13,
  'test/addon-tutorial.test.ts': 13,
  'test/configure-web.test.ts': 13,
  'test/device-pages.test.ts': 12,
  'server/backup/backup.test.ts': 12,
  'test/server-program.test.ts': 11,
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
