import { configDefaults, defineConfig } from 'vitest/config';
import { EPOLL_HERE } from './test/support/epoll.js';

/** Tests in which a server listens: they run once on each select loop. */
const ON_EACH_PORT = ['test/http/**/*.test.ts', 'test/ws/**/*.test.ts', 'examples/**/*.test.ts'];

/** What takes long, and is about bytes that have come, by whatever loop. */
const ON_ONE_PORT = [
  'test/http/static_*.test.ts',
  'test/ws/attacks_bomb.test.ts',
  'test/ws/conformance/deflate*.test.ts',
  'test/ws/conformance/limits.test.ts',
  'test/ws/conformance/utf8.test.ts',
  'test/ws/message_limits.test.ts',
];

/** The same over TLS: what a connection does, and what is sent and received over it. */
const OVER_TLS = ['test/http/**/*.test.ts', 'test/ws/**/*.test.ts'];

/** What brings clients, sockets or a select loop of its own. */
const PLAIN_ONLY = [
  'test/*/foreign.test.ts',
  'test/*/injected_faults*.test.ts',
  'test/http/{abuse,form_foreign,select_loop}.test.ts',
];

/** What is the same over TLS, since its bytes have come by then: it runs there with `npm run test:tls` only. */
const SAME_OVER_TLS = [
  ...ON_ONE_PORT,
  'test/*/conformance/**',
  'test/http/{arguments,async_context,basic_auth,before,body_limits,cors,error_rules,errors,form}.test.ts',
  'test/http/{req,sess_ctx,slow_clients,uri_params}.test.ts',
  'test/ws/{attacks*,contexts,fragment_len,handshake*,limits_*,message_m*,message_packets}.test.ts',
  'test/ws/{message_stalled,lru,recv_buffers,recv_frames,send_by_fd,utf8,violations}.test.ts',
];

const common = {
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // processes, since the epoll port works on a main thread only
  pool: 'forks' as const,
  // a process for each file would take longer than most files; test/support/fresh_modules.ts keeps the files apart
  isolate: false,
  setupFiles: ['test/support/fresh_modules.ts'],
  expect: { poll: { interval: 1, timeout: 8_000 } },
};

const ALL_OVER_TLS = process.env.ALL_OVER_TLS === '1';

/** Quiet: tests that look at the log bring their own logger. All that any project sets, since projects share processes. */
const ENV = { HTTPD_LOG: 'silent', SELECT_LOOP: 'auto', OVER_TLS: '0' };

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
          env: ENV,
        },
      },
      { test: { ...common, name: 'epoll', include: ON_EACH_PORT, env: { ...ENV, SELECT_LOOP: 'epoll' } } },
      {
        test: {
          ...common,
          name: 'net',
          include: ON_EACH_PORT,
          exclude: [...configDefaults.exclude, ...(EPOLL_HERE ? ON_ONE_PORT : [])],
          env: { ...ENV, SELECT_LOOP: 'net' },
        },
      },
      {
        test: {
          ...common,
          name: 'tls',
          include: OVER_TLS,
          exclude: [...configDefaults.exclude, ...PLAIN_ONLY, ...(ALL_OVER_TLS ? [] : SAME_OVER_TLS)],
          env: { ...ENV, SELECT_LOOP: 'net', OVER_TLS: '1' },
        },
      },
    ],
  },
});
