import { defineConfig } from 'vitest/config';

const slow = process.env['PATCHBAY_SLOW'] === '1';

export default defineConfig({
  test: {
    include: slow ? ['**/*.slow.ts'] : ['**/*.test.ts', '**/*.test.tsx'],
    exclude: ['node_modules/**', 'dist/**', '.peers/**'],
    testTimeout: slow ? 600_000 : 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './tools/closing-line.ts'],
  },
});
