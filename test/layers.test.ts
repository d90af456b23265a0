import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

interface Import {
  readonly from: string;
  /** A file of ours, or the name of a module. */
  readonly to: string;
  /** Does it go away when the types do? */
  readonly typeOnly: boolean;
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map(name => normalize(name))
  .filter(name => name.endsWith('.ts'))
  .sort();
const TEXT = new Map(FILES.map(name => [name, readFileSync(join(SRC, name), 'utf8')]));

/** All `import … from` and `export … from` of a file. */
function importsOf(file: string): Import[] {
  const text = TEXT.get(file) ?? '';
  const found: Import[] = [];
  for (const [, what = '', spec = ''] of text.matchAll(
    /^(?:import|export)\s+((?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+(?:\s*,\s*\{[^}]*\})?))\s+from\s+'([^']+)'/gm,
  )) {
    const names = /\{([^}]*)\}/.exec(what)?.[1];
    const allTypes =
      what.startsWith('type ') ||
      (names !== undefined &&
        what.startsWith('{') &&
        names
          .split(',')
          .map(name => name.trim())
          .filter(name => name !== '')
          .every(name => name.startsWith('type ')));
    const to = spec.startsWith('.') ? relative(SRC, join(SRC, dirname(file), spec.replace(/\.js$/, '.ts'))) : spec;
    found.push({ from: file, to, typeOnly: allTypes });
  }
  return found;
}

const IMPORTS = FILES.flatMap(importsOf);
const RUNTIME = IMPORTS.filter(({ typeOnly }) => !typeOnly);
const ours = (to: string) => TEXT.has(to);

/** Files without a room: what everybody may know. */
const GROUND = [
  'err.ts',
  'log.ts',
  'config.ts',
  'thenable.ts',
  'latin1.ts',
  'is_utf8.ts',
  'origin.ts',
  'async_context.ts',
];

/**
 * The pure part of a room: bytes in, events and bytes out. They may import each other and nothing else.
 */
const PURE = [
  'httpd/llhttp.ts',
  'httpd/parse.ts',
  'httpd/request_rules.ts',
  'httpd/chunked.ts',
  'httpd/body_decoder.ts',
  'httpd/uri_params.ts',
  'httpd/plain_path.ts',
  'httpd/uri.ts',
  'httpd/headers.ts',
  'httpd/methods.ts',
  'httpd/http_err.ts',
  'httpd/lifecycle.ts',
  'httpd_ws/handshake.ts',
  'httpd_ws/frame.ts',
  'httpd_ws/frame_type.ts',
  'httpd_ws/mask.ts',
  'httpd_ws/utf8.ts',
  'httpd_ws/close.ts',
  'httpd_ws/extension.ts',
  'httpd_ws/keepalive.ts',
  'httpd_ws/options.ts',
  'ws_client/response_head.ts',
  'ws_client/backoff.ts',
];

/** Of rooms below the server: what a client is made of too. */
const SHARED = [
  ...PURE,
  'httpd_ws/deflate.ts',
  'httpd_ws/message.ts',
  'httpd_ws/recv.ts',
  'httpd_ws/zlib_stream.ts',
  'sess/byte_queue.ts',
  'sess/deadlines.ts',
  'sess/input.ts',
  'tls/pem.ts',
  'tls/trust.ts',
  'port/zone.ts',
];

/** What people import. */
const ENTRIES = ['index.ts', 'ws_client/index.ts', 'device/index.ts'];
const MAIN_IMPORTS = ["import('../node_version.cjs')", "import('./commands.js')"];

/** What a line of imports says, for a message. */
const shown = ({ from, to }: Import) => `${from} -> ${to}`;

describe('the import lines of src', () => {
  test('are all found: nothing is imported in a way that this test does not see', () => {
    expect(FILES.length).toBeGreaterThan(25);
    for (const [file, text] of TEXT) {
      const lines = text.match(/\bfrom '[^']+';/g)?.length ?? 0;
      expect(importsOf(file).length, file).toBe(lines);
      // what an application's module is called, and where tsx is, shows when a command runs
      if (file === 'cli/load_app.ts') expect(text.match(/\bimport\(/g)).toHaveLength(2);
      // the command begins without what an old Node.js does not understand
      else if (file === 'cli/main.ts') expect(text.match(/\bimport\('.*'\)/g)).toEqual(MAIN_IMPORTS);
      else expect(text.match(/\bimport\(/g), `${file} imports while it runs`).toBeNull();
      if (!ENTRIES.includes(file)) expect(text.match(/^import '/gm), `${file} imports for effects`).toBeNull();
    }
  });

  test.each(ENTRIES)('%s begins with the check of the version of Node.js', file => {
    expect(TEXT.get(file)?.match(/^(import|export) [^{]*/gm)?.[0]).toMatch(/^import '\.{1,2}\/node_version\.cjs';\n/);
    expect(TEXT.get(file)?.match(/^import '/gm)).toHaveLength(1);
  });

  test('name files that are there', () => {
    for (const { from, to } of IMPORTS) {
      if (to.endsWith('.ts') || to.startsWith('.')) expect(FILES, `${from} -> ${to}`).toContain(to);
    }
  });

  test('port imports nothing of ours', () => {
    const wrong = RUNTIME.filter(({ from, to }) => from.startsWith('port/') && ours(to) && !to.startsWith('port/'));
    expect(wrong.map(shown)).toEqual([]);
  });

  test("sess knows port's contract only, and that as a type", () => {
    const wrong = IMPORTS.filter(
      ({ from, to, typeOnly }) =>
        from.startsWith('sess/') &&
        ours(to) &&
        !to.startsWith('sess/') &&
        !GROUND.includes(to) &&
        !(to === 'port/port.ts' && typeOnly),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  test('only who starts a server, and who listens for it, imports a port; who lets in how long to wait, the client how zones are read', () => {
    const found = RUNTIME.filter(({ from, to }) => to.startsWith('port/') && !from.startsWith('port/'));
    // a device stands between a port and a server, and keeps the contract of both
    const others = found.filter(({ from, to }) => !(from.startsWith('device/') && to === 'port/port.ts'));
    expect(others.map(shown).sort()).toEqual([
      'httpd/admission.ts -> port/second_look.ts',
      'httpd/listeners.ts -> port/net.ts',
      'httpd/listeners.ts -> port/tls.ts',
      'httpd/start.ts -> port/choose.ts',
      'ws_client/socket.ts -> port/zone.ts',
    ]);
  });

  test('tls knows no server: it imports the ground and Node only, and only httpd imports it, the client but for whom it trusts', () => {
    const wrong = IMPORTS.filter(
      ({ from, to }) => from.startsWith('tls/') && ours(to) && !to.startsWith('tls/') && !GROUND.includes(to),
    );
    expect(wrong.map(shown)).toEqual([]);
    const users = RUNTIME.filter(({ from, to }) => to.startsWith('tls/') && !from.startsWith('tls/'));
    expect(users.filter(({ from }) => !from.startsWith('httpd/') && from !== 'index.ts').map(shown)).toEqual([
      'ws_client/config.ts -> tls/trust.ts',
      'ws_client/socket.ts -> tls/pem.ts',
      'ws_client/socket.ts -> tls/trust.ts',
    ]);
  });

  test('ws_client is made of the ground and of pure rooms: it knows no server and no port', () => {
    const allowed = [...GROUND, ...SHARED];
    const wrong = RUNTIME.filter(
      ({ from, to }) =>
        from.startsWith('ws_client/') && ours(to) && !to.startsWith('ws_client/') && !allowed.includes(to),
    );
    expect(wrong.map(shown)).toEqual([]);
    const types = IMPORTS.filter(
      ({ from, to }) => from.startsWith('ws_client/') && /^(port|tls|web|files)\//.test(to) && !SHARED.includes(to),
    );
    expect(types.map(shown)).toEqual([]);
  });

  test('nobody imports ws_client: it is an entry of its own', () => {
    const wrong = IMPORTS.filter(({ from, to }) => to.startsWith('ws_client/') && !from.startsWith('ws_client/'));
    expect(wrong.map(shown)).toEqual([]);
    expect(IMPORTS.filter(({ to }) => to === 'ws_client/index.ts').map(shown)).toEqual([]);
  });

  test('httpd_ws does not import httpd, so that a client can use it too', () => {
    const wrong = RUNTIME.filter(({ from, to }) => from.startsWith('httpd_ws/') && to.startsWith('httpd/'));
    expect(wrong.map(shown)).toEqual([]);
  });

  test('err, log and config stand on nothing but each other', () => {
    const wrong = RUNTIME.filter(({ from, to }) => GROUND.includes(from) && ours(to) && !GROUND.includes(to));
    expect(wrong.map(shown)).toEqual([]);
  });

  test('nobody imports index.ts', () => {
    expect(IMPORTS.filter(({ to }) => to === 'index.ts').map(shown)).toEqual([]);
  });

  test('there are no circles', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file);
      if (at >= 0) circles.push([...path.slice(at), file].join(' -> '));
      if (at >= 0 || done.has(file)) return;
      for (const { from, to } of RUNTIME) if (from === file && ours(to)) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of FILES) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('files knows no server: it imports nothing of ours but the ground', () => {
    const wrong = RUNTIME.filter(
      ({ from, to }) => from.startsWith('files/') && ours(to) && !to.startsWith('files/') && !GROUND.includes(to),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  test('web stands on top: only index.ts imports it', () => {
    const wrong = IMPORTS.filter(({ from, to }) => to.startsWith('web/') && !from.startsWith('web/'));
    expect(wrong.filter(({ from }) => from !== 'index.ts').map(shown)).toEqual([]);
  });

  test('a device stands on the server; who controls it, and the commands, stand on the device', () => {
    const ROOMS = ['device', 'device_control', 'cli'];
    const roomOf = (file: string) => ROOMS.indexOf(file.split('/')[0] as string);
    const wrong = IMPORTS.filter(({ from, to }) => ours(to) && roomOf(to) > Math.max(roomOf(from), -1));
    // what people import is one entry
    expect(wrong.filter(({ from }) => from !== 'device/index.ts').map(shown)).toEqual([]);
  });

  test('the arithmetic of a device knows no timer, and no clock but the one that it is given', () => {
    for (const file of ['random', 'agenda', 'gate', 'air', 'flow', 'heap', 'profile', 'chips', 'scenario']) {
      const code = (TEXT.get(`device/${file}.ts`) ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(code, file).not.toBe('');
      expect(code, file).not.toMatch(/\b(setTimeout|setInterval|Date|performance|Math\.random|process|console)\b/);
    }
  });

  test('modules that are not of Node are imported in one place each', () => {
    const foreign = RUNTIME.filter(({ to }) => !ours(to) && !to.startsWith('node:')).map(shown);
    expect(foreign.sort()).toEqual(['files/content_type.ts -> mime', 'log.ts -> pino']);
    expect(TEXT.get('httpd/llhttp.ts')).toContain("'undici/lib/llhttp/llhttp_simd-wasm.js'");
  });
});

describe('the pure rooms', () => {
  test('import each other and the error numbers only, and of Node what computes', () => {
    const allowed = [
      ...PURE,
      'err.ts',
      'latin1.ts',
      'is_utf8.ts',
      'origin.ts',
      'thenable.ts',
      'node:buffer',
      'node:crypto',
      'node:module',
    ];
    const wrong = RUNTIME.filter(({ from, to }) => PURE.includes(from) && !allowed.includes(to));
    expect(wrong.map(shown)).toEqual([]);
  });

  test.each(PURE)('%s knows no socket, timer, clock or promise', file => {
    const code = (TEXT.get(file) ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(code).not.toBe('');
    expect(code).not.toMatch(
      /\b(node:net|node:tls|setTimeout|setInterval|setImmediate|queueMicrotask|Date|performance|Promise|async|await|process|console)\b/,
    );
  });

  test('only llhttp.ts touches WebAssembly', () => {
    const touching = FILES.filter(file => {
      const code = (TEXT.get(file) ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      return /WebAssembly|undici/.test(code);
    });
    expect(touching).toEqual(['httpd/llhttp.ts']);
  });

  test("only ports, and the client's one file for it, know node:net", () => {
    const from = IMPORTS.filter(({ to }) => to === 'node:net').map(line => line.from);
    expect(from.filter(file => !file.startsWith('port/'))).toEqual(['ws_client/socket.ts']);
  });

  test('node:tls is known to its port, to who checks its options, and to the client', () => {
    const from = IMPORTS.filter(({ to }) => to === 'node:tls').map(line => line.from);
    expect(from).toEqual(['port/tls.ts', 'tls/tls_config.ts', 'tls/trust.ts', 'ws_client/socket.ts']);
  });
});

describe('the files', () => {
  test.each(FILES)('%s has at most 450 lines, and names in snake_case', file => {
    expect(TEXT.get(file)?.split('\n').length).toBeLessThanOrEqual(451);
    expect(file).toMatch(/^([a-z0-9_]+\/)*[a-z0-9_]+\.ts$/);
  });
});
