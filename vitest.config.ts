import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './tools/longest-first.ts';

const slow = process.env['PATCHBAY_SLOW'] === '1';

/** Rooms whose tests keep to their own room: they leave the process as they found it. */
const tidy = ['base', 'proto', 'artifact', 'addons', 'server', 'cli', 'web'].map(
  (room) => `${room}/**/*.test.{ts,tsx}`,
);
const exclude = ['node_modules/**', 'dist/**', '.peers/**'];

export default defineConfig({
  test: {
    testTimeout: slow ? 600_000 : 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // The programs that tests start begin in half the time when Node keeps what it compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'compiled') },
    pool: 'forks',
    // Of the slow proofs some wait for minutes, such as for a line to be silent: a third one has the processor meanwhile.
    maxWorkers: slow ? 3 : 2,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './tools/closing-line.ts'],
    projects: slow
      ? [{ extends: true, test: { name: 'slow', include: ['**/*.slow.ts'], exclude } }]
      : [
          // Loading a room takes longer than most of its tests: these share one process after the other.
          { extends: true, test: { name: 'rooms', include: tidy, exclude, isolate: false } },
          // A process for each file: they change their environment, or measure what the process holds.
          { extends: true, test: { name: 'whole', include: ['**/*.test.{ts,tsx}'], exclude: [...exclude, ...tidy] } },
        ],
  },
});
