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

/** Size of the receive buffer: what one receive can deliver at most. */
export const RECV_SIZE = 64 * 1024;

/** llhttp's error numbers that are handled apart (llhttp.h, `llhttp_errno`). */
export const HPE_OK = 0;
export const HPE_INVALID_METHOD = 6;
export const HPE_INVALID_VERSION = 9;
export const HPE_PAUSED = 21;
export const HPE_PAUSED_H2_UPGRADE = 23;

const HTTP_REQUEST = 1;
/** Offsets in `llhttp__internal_s`; `test/httpd/llhttp.test.ts` pins them. */
const OFFSET_CONTENT_LENGTH = 32;
const OFFSET_METHOD = 41;
const OFFSET_MAJOR = 42;
const OFFSET_MINOR = 43;
const OFFSET_UPGRADE = 48;
const OFFSET_FLAGS = 50;
const FLAG_CHUNKED = 0x8;
const FLAG_TRANSFER_ENCODING = 0x200;

type Exports = {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(size: number): number;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, len: number): number;
  llhttp_resume(parser: number): void;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_set_lenient_optional_cr_before_lf(parser: number, on: number): void;
};

/** What the last `execute` has seen. Offsets count from the start of the receive buffer. */
export const record = {
  urlFrom: -1,
  urlTo: -1,
  headersComplete: false,
  messageComplete: false,
  keepAlive: false,
  upgrade: false,
  /** Pieces of the body: `[bodyFrom[i], bodyTo[i])` for each `i < bodyCount`. */
  bodyCount: 0,
  bodyFrom: [] as number[],
  bodyTo: [] as number[],
};

const imports = {
  wasm_on_message_begin: () => HPE_OK,
  wasm_on_status: () => HPE_OK,
  wasm_on_header_field: () => HPE_OK,
  wasm_on_header_value: () => HPE_OK,
  wasm_on_url(_parser: number, at: number, len: number): number {
    if (record.urlFrom < 0) record.urlFrom = at - base;
    record.urlTo = at - base + len;
    return HPE_OK;
  },
  wasm_on_headers_complete(parser: number, _status: number, upgrade: number, keepAlive: number): number {
    record.headersComplete = true;
    record.keepAlive = keepAlive !== 0;
    record.upgrade = upgrade !== 0;
    const mem = memory();
    // we decide on an upgrade after the handler has been asked; until then it is a message like any other
    mem[parser + OFFSET_UPGRADE] = 0;
    const hasBody = mem.readUInt16LE(parser + OFFSET_FLAGS) & FLAG_TRANSFER_ENCODING || lengthOf(mem, parser) > 0;
    // without a body the message is complete next, and the pause there is enough
    return hasBody ? HPE_PAUSED : HPE_OK;
  },
  wasm_on_body(_parser: number, at: number, len: number): number {
    record.bodyFrom[record.bodyCount] = at - base;
    record.bodyTo[record.bodyCount] = at - base + len;
    record.bodyCount += 1;
    return HPE_OK;
  },
  wasm_on_message_complete(): number {
    record.messageComplete = true;
    return HPE_PAUSED;
  },
};

const bytes = createRequire(import.meta.url)('undici/lib/llhttp/llhttp_simd-wasm.js') as Buffer;
const wasm = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports }).exports as Exports;
wasm._initialize();
/** Where the receive buffer begins. */
const base = wasm.malloc(RECV_SIZE);
let view = Buffer.from(wasm.memory.buffer);
let received = Buffer.from(wasm.memory.buffer, base, RECV_SIZE);

/** All of WebAssembly memory. A view dies when the memory grows, so it is made anew then. */
function memory(): Buffer {
  if (view.buffer !== wasm.memory.buffer) {
    view = Buffer.from(wasm.memory.buffer);
    received = Buffer.from(wasm.memory.buffer, base, RECV_SIZE);
  }
  return view;
}

function lengthOf(mem: Buffer, parser: number): number {
  const at = parser + OFFSET_CONTENT_LENGTH;
  return mem.readUInt32LE(at) + mem.readUInt32LE(at + 4) * 0x1_0000_0000;
}

/** The receive buffer of this thread. Valid until WebAssembly memory grows, so ask again after making a parser. */
export function receiveBuffer(): Buffer {
  memory();
  return received;
}

/** One llhttp parser for requests. `free` it. */
export class Llhttp {
  private parser: number;

  constructor(lenientLineEndings: boolean) {
    this.parser = wasm.llhttp_alloc(HTTP_REQUEST);
    if (this.parser === 0) throw new Error('WebAssembly memory for llhttp is exhausted');
    if (lenientLineEndings) wasm.llhttp_set_lenient_optional_cr_before_lf(this.parser, 1);
  }

  /**
   * Parses `[from, to)` of the receive buffer. It pauses behind a head whose body follows, and behind each message.
   *
   * @returns an error number; `record` holds what was seen, and unless the number is HPE_OK, `errorPos` where it stopped
   */
  execute(from: number, to: number): number {
    record.urlFrom = record.urlTo = -1;
    record.headersComplete = record.messageComplete = false;
    record.bodyCount = 0;
    return wasm.llhttp_execute(this.parser, base + from, to - from);
  }

  resume(): void {
    wasm.llhttp_resume(this.parser);
  }

  /** Offset in the receive buffer at which `execute` stopped. */
  get errorPos(): number {
    return wasm.llhttp_get_error_pos(this.parser) - base;
  }

  /** llhttp's words for the last error. */
  get errorReason(): string {
    const mem = memory();
    const from = wasm.llhttp_get_error_reason(this.parser);
    return mem.toString('latin1', from, mem.indexOf(0, from));
  }

  get method(): number {
    return memory()[this.parser + OFFSET_METHOD] ?? 0;
  }

  get major(): number {
    return memory()[this.parser + OFFSET_MAJOR] ?? 0;
  }

  get minor(): number {
    return memory()[this.parser + OFFSET_MINOR] ?? 0;
  }

  /** The value of Content-Length, 0 without one. Above 2^53 it is not exact. */
  get contentLength(): number {
    return lengthOf(memory(), this.parser);
  }

  get chunked(): boolean {
    return (memory().readUInt16LE(this.parser + OFFSET_FLAGS) & FLAG_CHUNKED) !== 0;
  }

  get transferEncoding(): boolean {
    return (memory().readUInt16LE(this.parser + OFFSET_FLAGS) & FLAG_TRANSFER_ENCODING) !== 0;
  }

  free(): void {
    if (this.parser !== 0) wasm.llhttp_free(this.parser);
    this.parser = 0;
  }
}
