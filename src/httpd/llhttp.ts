/**
 * llhttp, as the WebAssembly build in undici. The only file that touches WebAssembly memory.
 *
 * The receive buffer lies in that memory, so that bytes are parsed where they were received. llhttp's callbacks only
 * record; whoever called `execute` looks at the record afterwards. There is one instance of the module per thread, and
 * a parser, some 60 bytes in its memory, per HTTP session.
 */
import { createRequire } from 'node:module';

/** Node's types leave WebAssembly to the DOM's; this is all that is used of it. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: object);
    readonly exports: unknown;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
}

/** What one receive can deliver at most. */
export const RECV_SHARE = 128 * 1024;
/** Size of the receive buffer: room for several receives whose bytes still wait. */
export const RECV_SIZE = 1024 * 1024;

/** llhttp's error numbers that are handled apart (llhttp.h, `llhttp_errno`). */
export const HPE_OK = 0;
export const HPE_INVALID_METHOD = 6;
export const HPE_PAUSED = 21;
export const HPE_PAUSED_H2_UPGRADE = 23;

const HTTP_REQUEST = 1;
/** Offsets in `llhttp__internal_s`; `test/httpd/llhttp.test.ts` pins them. */
const OFFSET_CONTENT_LENGTH = 32;
const OFFSET_METHOD = 41;
const OFFSET_FLAGS = 50;
const FLAG_CONTENT_LENGTH = 0x20;

type Exports = {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(size: number): number;
  free(at: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, len: number): number;
  llhttp_reset(parser: number): void;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_set_lenient_version(parser: number, on: number): void;
  llhttp_set_lenient_optional_cr_before_lf(parser: number, on: number): void;
};

/** What the last `execute` has seen. Offsets count from the start of the receive buffer. */
export const record = {
  urlFrom: -1,
  urlTo: -1,
  headersComplete: false,
  method: 0,
  /** Fields named Host, as far as their names came in one piece, and where the value of the last one begins. */
  hosts: 0,
  hostFrom: -1,
  /** The same of Connection. */
  connections: 0,
  connectionFrom: -1,
  /** Is there a Transfer-Encoding? */
  codings: false,
  /** The value of Content-Length, 0 without one. Above 2^53 it is not exact. */
  contentLength: 0,
};

const HOST = Buffer.from('host');
const CONNECTION = Buffer.from('connection');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');

/** Does this field name lie there, whatever the case of its letters? */
function isName(name: Buffer, at: number): boolean {
  for (let i = 0; i < name.length; i++) if (((view[at + i] as number) | 0x20) !== name[i]) return false;
  return true;
}

/** What the next value belongs to. */
const ANY = 0;
const OF_HOST = 1;
const OF_CONNECTION = 2;
let next = ANY;

const imports = {
  wasm_on_message_begin: () => HPE_OK,
  wasm_on_status: () => HPE_OK,
  wasm_on_header_field(_parser: number, at: number, len: number): number {
    // the value of the one before may have been empty
    next = ANY;
    if (len === HOST.length && isName(HOST, at)) {
      record.hosts += 1;
      next = OF_HOST;
    } else if (len === CONNECTION.length && isName(CONNECTION, at)) {
      record.connections += 1;
      next = OF_CONNECTION;
    } else if (len === TRANSFER_ENCODING.length && isName(TRANSFER_ENCODING, at)) {
      record.codings = true;
    }
    return HPE_OK;
  },
  wasm_on_header_value(_parser: number, at: number): number {
    if (next === ANY) return HPE_OK;
    if (next === OF_HOST) record.hostFrom = at - base;
    else record.connectionFrom = at - base;
    next = ANY;
    return HPE_OK;
  },
  wasm_on_url(_parser: number, at: number, len: number): number {
    if (record.urlFrom < 0) record.urlFrom = at - base;
    record.urlTo = at - base + len;
    return HPE_OK;
  },
  wasm_on_headers_complete(parser: number): number {
    const flags = view[parser + OFFSET_FLAGS] as number;
    record.headersComplete = true;
    record.method = view[parser + OFFSET_METHOD] as number;
    record.contentLength = (flags & FLAG_CONTENT_LENGTH) === 0 ? 0 : readLength(parser + OFFSET_CONTENT_LENGTH);
    // what a body is, and whether the connection is used again, is decided elsewhere
    return HPE_PAUSED;
  },
  wasm_on_body: () => HPE_OK,
  wasm_on_message_complete: () => HPE_OK,
};

const bytes = createRequire(import.meta.url)('undici/lib/llhttp/llhttp_simd-wasm.js') as Buffer;
const wasm = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports }).exports as Exports;
wasm._initialize();
/** Where the receive buffer begins. */
const base = wasm.malloc(RECV_SIZE);
/** All of WebAssembly memory, and the receive buffer in it. */
let view = Buffer.from(wasm.memory.buffer);
let received = Buffer.from(wasm.memory.buffer, base, RECV_SIZE);

/** A view dies when WebAssembly memory grows, as an allocation may make it: then it is made anew. */
function renewViews(): void {
  const { buffer } = wasm.memory;
  if (view.buffer === buffer) return;
  view = Buffer.from(buffer);
  received = Buffer.from(buffer, base, RECV_SIZE);
}
const LINE_END = '\r\n';
const lineEnd = wasm.malloc(LINE_END.length);
renewViews();
view.write(LINE_END, lineEnd, 'latin1');

function readLength(at: number): number {
  return view.readUInt32LE(at) + view.readUInt32LE(at + 4) * 0x1_0000_0000;
}

/** The receive buffer of this thread. It changes when a parser is made, so ask for it each time. */
export function receiveBuffer(): Buffer {
  return received;
}

/** One llhttp parser for the heads of requests. `free` it. */
export class Llhttp {
  /** Parsers of this thread that have been made and not freed. */
  static live = 0;
  private parser: number;

  constructor(lenientLineEndings: boolean) {
    this.parser = wasm.llhttp_alloc(HTTP_REQUEST);
    renewViews();
    if (this.parser === 0) throw new Error('WebAssembly memory for llhttp is exhausted');
    Llhttp.live += 1;
    // versions are looked at elsewhere: llhttp takes 1.2 for a mistake (RFC 9110 section 2.5)
    wasm.llhttp_set_lenient_version(this.parser, 1);
    if (lenientLineEndings) wasm.llhttp_set_lenient_optional_cr_before_lf(this.parser, 1);
  }

  /**
   * Parses `[from, to)` of the receive buffer. It pauses behind a head; `reset` before the next one.
   *
   * @returns an error number; `record` holds what was seen, and unless the number is HPE_OK, `errorPos` where it stopped
   */
  execute(from: number, to: number): number {
    record.urlFrom = record.urlTo = record.hostFrom = record.connectionFrom = -1;
    record.headersComplete = record.codings = false;
    record.hosts = record.connections = 0;
    next = ANY;
    return wasm.llhttp_execute(this.parser, base + from, to - from);
  }

  /** Parses a line ending that the peer has left out. */
  executeLineEnd(): number {
    return wasm.llhttp_execute(this.parser, lineEnd, LINE_END.length);
  }

  /** Parses the first part of a head once more, from its beginning, as Latin-1 text that is somewhat different. */
  replay(head: string): number {
    const at = wasm.malloc(head.length);
    renewViews();
    view.write(head, at, 'latin1');
    this.reset();
    const errno = wasm.llhttp_execute(this.parser, at, head.length);
    wasm.free(at);
    return errno;
  }

  /** Gets ready for another head. */
  reset(): void {
    wasm.llhttp_reset(this.parser);
  }

  /** Offset in the receive buffer at which `execute` stopped. */
  get errorPos(): number {
    return wasm.llhttp_get_error_pos(this.parser) - base;
  }

  /** llhttp's words for the last error. */
  get errorReason(): string {
    const from = wasm.llhttp_get_error_reason(this.parser);
    return view.toString('latin1', from, view.indexOf(0, from));
  }

  free(): void {
    if (this.parser === 0) return;
    wasm.llhttp_free(this.parser);
    this.parser = 0;
    Llhttp.live -= 1;
  }
}
