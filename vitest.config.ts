import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const slow = process.env['PATCHBAY_SLOW'] === '1';

export default defineConfig({
  test: {
    include: slow ? ['**/*.slow.ts'] : ['**/*.test.ts', '**/*.test.tsx'],
    exclude: ['node_modules/**', 'dist/**', '.peers/**'],
    testTimeout: slow ? 600_000 : 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // The programs that tests start begin in half the time when Node keeps what it compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'compiled') },
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './tools/closing-line.ts'],
  },
});
