/**
 * A second opinion: how the parser of node:http divides the same bytes into requests. Where two servers both accept a
 * stream and do not agree on that, one of them can be smuggled past the other.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';

/** A request as node:http has read it. */
export interface NodeRequest {
  readonly method: string;
  readonly url: string;
  /** Undefined if it has not ended well. */
  body: string | undefined;
}

/** A connection without a socket. */
class Pipe extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

export class NodeHttp {
  private readonly server: Server;
  private requests: NodeRequest[] = [];

  constructor() {
    const serve = (req: IncomingMessage, res: ServerResponse) => this.serve(req, res);
    this.server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, connectionsCheckingInterval: 2 ** 30 }, serve);
    this.server.timeout = 0;
    this.server.on('checkExpectation', serve);
    this.server.on('connect', (req: IncomingMessage) => this.note(req));
    this.server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** The requests in these bytes. */
  async read(bytes: Buffer): Promise<readonly NodeRequest[]> {
    this.requests = [];
    const pipe = new Pipe();
    pipe.on('error', () => {});
    this.server.emit('connection', pipe);
    pipe.push(bytes);
    for (let i = 0; i < 4; i++) await immediate();
    const { requests } = this;
    this.requests = [];
    pipe.destroy();
    return requests;
  }

  private note(req: IncomingMessage): NodeRequest {
    const request: NodeRequest = { method: req.method ?? '', url: req.url ?? '', body: undefined };
    this.requests.push(request);
    return request;
  }

  private serve(req: IncomingMessage, res: ServerResponse): void {
    const request = this.note(req);
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      if (req.complete) request.body = Buffer.concat(parts).toString('latin1');
    });
    res.on('error', () => {});
    res.end();
  }
}
