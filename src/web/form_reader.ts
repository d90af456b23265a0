/**
 * Reads a form: moves a request's body into a splitter when somebody wants what comes out of it, and no sooner.
 */
import { ESP_ERR_INVALID_SIZE, ESP_ERR_INVALID_STATE, EspError } from '../err.js';
import { HTTPD_400_BAD_REQUEST, HTTPD_413_CONTENT_TOO_LARGE, withStatus } from '../httpd/http_err.js';
import type { HttpdReq } from '../httpd/req.js';
import { harmless } from '../thenable.js';
import { beyond, type FormLimits } from './form_options.js';
import { GrowingBuffer, type RawPart, type Splitter, truncated } from './form_splitter.js';

/** A field or a file of a form. Its content can be read once, before the next part is asked for. */
export interface FormPart {
  /** Name of the field, decoded. It is a peer's text, and no safe key for an object. */
  readonly name: string;
  /**
   * A file's name as the client says it, without any folder and without control characters; undefined for a field, and
   * empty where no file was chosen. It is a peer's text: check it before it becomes a part of a path.
   */
  readonly filename: string | undefined;
  /** Media type as the client says it, in lower case and without parameters; 'text/plain' if it says none. */
  readonly type: string;
  /** All of the content as UTF-8 text. Rejects as `formParts` does. */
  text(): Promise<string>;
  /** All of the content. Rejects as `formParts` does. */
  bytes(): Promise<Buffer>;
  /** The content in pieces, as they arrive. Fails as `formParts` does. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void>;
}

export class FormReader {
  private readonly body: AsyncGenerator<Buffer, void, void>;
  private current: Part | undefined;
  private over = false;
  private busy = false;
  /** Once it has failed it fails for the same reason again. */
  private failure: unknown;

  constructor(
    req: HttpdReq,
    private readonly splitter: Splitter,
    private readonly limits: FormLimits,
  ) {
    this.body = req[Symbol.asyncIterator]();
  }

  /** The next part; what is left of the one before is dropped. */
  next(): Promise<FormPart | undefined> {
    return this.alone(async () => {
      if (this.current !== undefined) await this.drop(this.current);
      for (;;) {
        const found = this.splitter.shift();
        if (found instanceof EspError) throw this.fail(found);
        if (found !== undefined) this.current = new Part(this, found);
        if (found !== undefined || this.over) return this.current;
        await this.feed();
      }
    });
  }

  /** The next piece of a part's content; undefined at its end. */
  read(part: Part): Promise<Buffer | undefined> {
    return this.alone(() => this.piece(part));
  }

  /** Nobody wants the rest. */
  release(): void {
    this.failure ??= new EspError(ESP_ERR_INVALID_STATE, 'the form is not read any more: its loop has been left');
    this.splitter.destroy();
  }

  private async drop(part: Part): Promise<void> {
    let piece: Buffer | undefined;
    do piece = await this.piece(part);
    while (piece !== undefined);
    this.current = undefined;
  }

  private async piece(part: Part): Promise<Buffer | undefined> {
    if (part !== this.current) {
      throw new EspError(ESP_ERR_INVALID_STATE, `the part '${part.name}' is over: read it before the next one`);
    }
    for (;;) {
      const piece = part.raw.take();
      if (piece !== undefined) return this.counted(part, piece);
      if (part.raw.ended) return undefined;
      if (this.over) throw this.fail(truncated());
      await this.feed();
    }
  }

  private counted(part: Part, piece: Buffer): Buffer {
    const option = part.filename === undefined ? 'maxFieldLen' : 'maxFileLen';
    part.received += piece.length;
    if (part.received > this.limits[option]) throw this.fail(beyond(this.limits, option, 'the length of a part'));
    return piece;
  }

  private async feed(): Promise<void> {
    try {
      const { value, done } = await this.body.next();
      if (this.failure !== undefined) throw this.failure;
      if (!done) return this.splitter.write(value);
    } catch (thrown) {
      // without this the form would seem to end here
      this.failure ??= thrown;
      throw thrown;
    }
    this.over = true;
    this.splitter.end();
  }

  private fail(error: EspError): EspError {
    withStatus(error, error.code === ESP_ERR_INVALID_SIZE ? HTTPD_413_CONTENT_TOO_LARGE : HTTPD_400_BAD_REQUEST);
    this.failure = error;
    return error;
  }

  /** Lets one read at a time. */
  private async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.failure !== undefined) throw this.failure;
    if (this.busy) throw new EspError(ESP_ERR_INVALID_STATE, 'another read of this form waits: await it');
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
    }
  }
}

class Part implements FormPart {
  readonly name: string;
  readonly filename: string | undefined;
  readonly type: string;
  /** Bytes of its content so far. */
  received = 0;
  private asked = false;

  constructor(
    private readonly reader: FormReader,
    readonly raw: RawPart,
  ) {
    this.name = raw.name;
    this.filename = raw.filename;
    this.type = raw.type;
  }

  text(): Promise<string> {
    return harmless(this.readAll().then(bytes => bytes.toString('utf8')));
  }

  bytes(): Promise<Buffer> {
    return harmless(this.readAll());
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    if (this.asked) {
      throw new EspError(ESP_ERR_INVALID_STATE, `the part '${this.name}' has been read, or is being read, already`);
    }
    this.asked = true;
    for (let piece = await this.reader.read(this); piece !== undefined; piece = await this.reader.read(this)) {
      yield piece;
    }
  }

  private async readAll(): Promise<Buffer> {
    const content = new GrowingBuffer();
    for await (const piece of this) content.append(piece);
    return content.take();
  }
}
