/** Starts servers where epoll may not work, and prints what became of that as one line of JSON. */
import cluster from 'node:cluster';
import Module, { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { pino } from 'pino';

export interface Outcome {
  /** The answer to a request, the error's name, and what was logged from level info on. */
  readonly auto: Started;
  readonly epoll: Started;
  /** Was koffi loaded, after 'net' and after all? */
  readonly koffiAfterNet: boolean;
  readonly koffi: boolean;
}

export interface Started {
  readonly answer?: string;
  readonly error?: string;
  readonly message?: string;
  readonly lines: string[];
}

const require = createRequire(import.meta.url);
const scene = process.argv[2] ?? '';

type Load = (request: string, ...rest: unknown[]) => unknown;
const loader = Module as unknown as { _load: Load };
const load = loader._load;

/** `require('koffi')` gives what `fn` gives. */
function instead(fn: () => unknown): void {
  loader._load = (request, ...rest) => (request === 'koffi' ? fn() : load.call(Module, request, ...rest));
}

const SCENES: Record<string, () => void> = {
  here: () => {},
  'no koffi': () =>
    instead(() => {
      const error = new Error("Cannot find module 'koffi'\nRequire stack:\n- /somewhere/libc.js");
      throw Object.assign(error, { code: 'MODULE_NOT_FOUND' });
    }),
  'no function': () =>
    instead(() => ({
      load: () => ({
        func: (prototype: string) => {
          throw new Error(`Cannot find function for '${prototype}'`);
        },
      }),
    })),
  'no libuv': () => {
    const koffi = load.call(Module, require.resolve('koffi')) as { load(path: null): { func(p: string): unknown } };
    instead(() => ({
      ...koffi,
      load: (path: null) => {
        const lib = koffi.load(path);
        const func = (prototype: string) => lib.func(prototype.replace(' uv_poll_init(', ' uv_poll_gone('));
        return { func };
      },
    }));
  },
  Bun: () => Object.defineProperty(process, 'versions', { value: { ...process.versions, bun: '1.4.5' } }),
  Deno: () => Object.defineProperty(process, 'versions', { value: { ...process.versions, deno: '2.9.6' } }),
  'another platform': () => Object.defineProperty(process, 'platform', { value: 'freebsd' }),
  'another architecture': () => Object.defineProperty(process, 'arch', { value: 'arm64' }),
};

async function main(): Promise<Outcome> {
  const { startWith } = await import('../../src/httpd/start.js');
  const { HTTP_GET } = await import('../../src/httpd/methods.js');
  const { EspError } = await import('../../src/err.js');
  const start = async (port: 'auto' | 'epoll' | 'net'): Promise<Started> => {
    const lines: string[] = [];
    const stream = { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) };
    const logger = pino({ level: 'info', base: null }, stream);
    try {
      const server = await startWith({ serverPort: 0, host: '127.0.0.1', port, logger }, {});
      server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('served') });
      const response = await fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: 'close' } });
      const answer = await response.text();
      await server.stop();
      return { answer, lines };
    } catch (error) {
      const { name, message } = error as Error;
      return { error: error instanceof EspError ? name : `no EspError: ${name}`, message, lines };
    }
  };
  const hasKoffi = () => Object.keys(require.cache).some(name => /[\\/]koffi[\\/]/.test(name));
  await start('net');
  const koffiAfterNet = hasKoffi();
  const auto = await start('auto');
  const epoll = await start('epoll');
  return { auto, epoll, koffiAfterNet, koffi: hasKoffi() };
}

if (scene === 'a worker thread' && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: [scene] });
} else if (scene === 'a worker of a cluster' && cluster.isPrimary) {
  cluster.setupPrimary({ exec: fileURLToPath(import.meta.url), args: [scene] });
  cluster.fork();
} else {
  SCENES[scene]?.();
  console.log(JSON.stringify(await main()));
  cluster.worker?.disconnect();
}
