/**
 * multipart/form-data (RFC 7578): parts from bytes, with the multipart parser of busboy.
 *
 * Its streams are read when somebody wants bytes, and given some when they are empty; so they hold no more than was
 * written last, and nothing in them ever waits.
 *
 * It is lenient where nothing depends on it: a line of a header section that is no field is passed over with all that
 * follows it there, and a boundary with one hyphen behind it may be taken for the closing one.
 */
import { Dicer } from '@fastify/busboy';
import { describeThrown, type EspError } from '../err.js';
import { isFieldValue } from '../httpd/headers.js';
import { beyond, type FormLimits } from './form_options.js';
import { baseName, decodeExtValue, decodePartText, parseParams } from './form_params.js';
import { malformed, type RawPart, type Splitter } from './form_splitter.js';

/** boundary of RFC 2046 section 5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** More than one write brings, so that busboy never waits for a part to be read. */
const PART_HWM = 1024 * 1024;
const COPY_BELOW = 8 * 1024;

/** Header fields of a part: values by name in lower case, without a prototype. */
type PartHeaders = Readonly<Record<string, readonly string[] | undefined>>;

export function isBoundary(text: string | undefined): text is string {
  return text !== undefined && BOUNDARY.test(text);
}

export class MultipartSplitter implements Splitter {
  private readonly dicer: Dicer;
  private readonly queue: (RawPart | EspError)[] = [];
  /** The part whose header section has not ended. */
  private headless: Dicer.PartStream | undefined;
  /** Bytes that have been written since its begin, but for those of the write in which it began. */
  private headlessLen = 0;
  private readonly maxRawHeadLen: number;
  private count = 0;
  private closed = false;
  private failed = false;

  constructor(
    boundary: string,
    private readonly limits: FormLimits,
  ) {
    // it cuts longer header sections without a word: with this much room it shows
    this.maxRawHeadLen = 2 * limits.maxHeaderLen;
    const config = { boundary, maxHeaderSize: this.maxRawHeadLen, partHwm: PART_HWM };
    this.dicer = new Dicer(config);
    this.dicer.on('part', part => this.onPart(part));
    this.dicer.on('finish', () => this.onClosed());
  }

  write(bytes: Buffer): void {
    if (this.closed || this.failed) return;
    const { headless } = this;
    try {
      this.dicer.write(bytes);
    } catch (thrown) {
      return this.fail(malformed(describeThrown(thrown)));
    }
    if (headless === undefined || this.headless !== headless) return;
    this.headlessLen += bytes.length;
    if (this.headlessLen > this.maxRawHeadLen) this.headTooLong();
  }

  end(): void {
    if (this.closed || this.failed) return;
    if (this.headless !== undefined) this.headOpen();
    else this.fail(malformed('it ends before its closing boundary'));
  }

  shift(): RawPart | EspError | undefined {
    return this.queue.shift();
  }

  destroy(): void {
    this.failed = true;
    this.dicer.destroy();
  }

  private onPart(stream: Dicer.PartStream): void {
    if (this.failed) return;
    if (this.headless !== undefined) return this.headOpen();
    this.count += 1;
    if (this.count > this.limits.maxParts) {
      return this.fail(beyond(this.limits, 'maxParts', 'the number of parts'));
    }
    this.headless = stream;
    this.headlessLen = 0;
    stream.on('header', headers => this.onHead(stream, headers as PartHeaders));
  }

  /** The closing boundary has come. */
  private onClosed(): void {
    this.closed = true;
    if (this.headless !== undefined && !this.failed) this.headOpen();
  }

  private onHead(stream: Dicer.PartStream, headers: PartHeaders): void {
    if (this.failed) return;
    this.headless = undefined;
    if (lengthOf(headers) > this.limits.maxHeaderLen) return this.headTooLong();
    const [disposition, second] = headers['content-disposition'] ?? [];
    const parsed = isFieldValue(disposition) ? parseParams(disposition.trim()) : undefined;
    const name = parsed?.params.get('name');
    if (second !== undefined || parsed?.value !== 'form-data' || name === undefined) {
      return this.fail(malformed('a part has no proper Content-Disposition: form-data with a name'));
    }
    const part = new StreamPart(
      decodePartText(name),
      fileNameOf(parsed.params),
      mediaType(headers['content-type']?.[0]),
      stream,
    );
    if (Buffer.byteLength(part.name) > this.limits.maxFieldNameLen) {
      return this.fail(beyond(this.limits, 'maxFieldNameLen', 'the length of a name'));
    }
    this.queue.push(part);
  }

  private headOpen(): void {
    this.fail(malformed('the header section of a part does not end'));
  }

  private headTooLong(): void {
    this.fail(beyond(this.limits, 'maxHeaderLen', 'the length of a header section'));
  }

  private fail(error: EspError): void {
    this.failed = true;
    this.queue.push(error);
  }
}

/** A part whose content is in a stream of busboy's. */
class StreamPart implements RawPart {
  constructor(
    readonly name: string,
    readonly filename: string | undefined,
    readonly type: string,
    private readonly stream: Dicer.PartStream,
  ) {}

  get ended(): boolean {
    return this.stream.readableEnded;
  }

  take(): Buffer | undefined {
    const piece = this.stream.read() as Buffer | null;
    if (piece === null) return undefined;
    // a small piece must not keep the bytes around it in memory
    return piece.length < COPY_BELOW ? Buffer.from(piece) : piece;
  }
}

/** The bytes that the fields came as, white space and repairs apart. */
function lengthOf(headers: PartHeaders): number {
  let len = 0;
  for (const [name, values = []] of Object.entries(headers)) {
    for (const value of values) len += name.length + ': '.length + value.length + '\r\n'.length;
  }
  return len;
}

/** `filename*` is not for forms (RFC 7578 section 4.2), but some clients send nothing else. */
function fileNameOf(params: ReadonlyMap<string, string>): string | undefined {
  const plain = params.get('filename');
  if (plain !== undefined) return baseName(decodePartText(plain));
  const extended = params.get('filename*');
  return extended === undefined ? undefined : baseName(decodeExtValue(extended) ?? '');
}

/** A part's Content-Type (RFC 7578 section 4.4). What is none stands for bytes of an unknown kind. */
function mediaType(field: string | undefined): string {
  if (field === undefined) return 'text/plain';
  const type = parseParams(field.trim())?.value;
  return type?.includes('/') ? type : 'application/octet-stream';
}
