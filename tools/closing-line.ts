// The suite's last line, in the one form that people and machines read alike: `12 passed, 0 failed, 1 skipped`.
import type { Reporter } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(...[modules, errors]: Parameters<NonNullable<Reporter['onTestRunEnd']>>): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      // A file that does not load or a suite that cannot be set up runs no test, but it has failed.
      for (const part of [module, ...module.children.allSuites()]) if (part.errors().length > 0) count.failed += 1;
    }
    process.stdout.write(
      `\n${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped\n`,
    );
  }
}
