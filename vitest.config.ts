import { configDefaults, defineConfig } from 'vitest/config';

/** Tests in which a server listens: they run once on each select loop. */
const ON_EACH_PORT = ['test/http/**/*.test.ts', 'test/ws/**/*.test.ts', 'examples/**/*.test.ts'];

/** What brings clients, sockets or a select loop of its own, or is about them. */
const PLAIN_ONLY = [
  'test/*/foreign.test.ts',
  'test/http/form_foreign.test.ts',
  'test/*/injected_faults*.test.ts',
  'test/http/select_loop.test.ts',
  'test/http/abuse.test.ts',
];

/** The same over TLS. */
const OVER_TLS = ['test/http/**/*.test.ts', 'test/ws/**/*.test.ts'];

const common = {
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // processes, since the epoll port works on a main thread only
  pool: 'forks' as const,
  // a process for each file would take longer than most files; test/support/fresh_modules.ts keeps the files apart
  isolate: false,
  setupFiles: ['test/support/fresh_modules.ts'],
};

/** Quiet: tests that look at the log bring their own logger. */
const HTTPD_LOG = 'silent';

export default defineConfig({
  test: {
    // by default vitest leaves a core free, and some tests only wait
    maxWorkers: '100%',
    globalSetup: ['test/support/compile.ts'],
    projects: [
      {
        test: {
          ...common,
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ON_EACH_PORT],
          env: { HTTPD_LOG },
        },
      },
      { test: { ...common, name: 'epoll', include: ON_EACH_PORT, env: { HTTPD_LOG, SELECT_LOOP: 'epoll' } } },
      { test: { ...common, name: 'net', include: ON_EACH_PORT, env: { HTTPD_LOG, SELECT_LOOP: 'net' } } },
      {
        test: {
          ...common,
          name: 'tls',
          include: OVER_TLS,
          exclude: [...configDefaults.exclude, ...PLAIN_ONLY],
          env: { HTTPD_LOG, SELECT_LOOP: 'net', OVER_TLS: '1' },
        },
      },
    ],
  },
});
