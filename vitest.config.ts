import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // quiet: tests that look at the log bring their own logger
    env: { HTTPD_LOG: 'silent' },
  },
});
