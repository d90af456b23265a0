import { configDefaults, defineConfig } from 'vitest/config';

/** Tests in which a server listens: they run once on each select loop. */
const ON_EACH_PORT = ['test/http/**/*.test.ts', 'test/ws/**/*.test.ts', 'examples/**/*.test.ts'];

const common = { extends: true as const };

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // processes, since the epoll port works on a main thread only
    pool: 'forks',
    // by default vitest leaves a core free, and some tests only wait
    maxWorkers: '100%',
    // quiet: tests that look at the log bring their own logger
    env: { HTTPD_LOG: 'silent' },
    projects: [
      {
        ...common,
        test: { name: 'rooms', include: ['test/**/*.test.ts'], exclude: [...configDefaults.exclude, ...ON_EACH_PORT] },
      },
      { ...common, test: { name: 'epoll', include: ON_EACH_PORT, env: { SELECT_LOOP: 'epoll' } } },
      { ...common, test: { name: 'net', include: ON_EACH_PORT, env: { SELECT_LOOP: 'net' } } },
    ],
  },
});
