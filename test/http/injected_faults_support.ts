/** Conversations by HTTP, for a port with faults. */
import { ESP_OK } from '../../src/err.js';
import { HTTPD_403_FORBIDDEN, HTTPD_404_NOT_FOUND } from '../../src/httpd/http_err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { App, Conversation } from '../support/fault_runs.js';
import { chunked, pattern, post, request } from './support.js';

const BODY = pattern(300)
  .toString('latin1')
  .replace(/[^ -~]/g, '.');

/** Answers with what it was asked, at once. */
function sync(req: HttpdReq): void {
  void req.respSend(`sync ${req.uri}`);
}

/** The same in the next turn but one. */
async function async(req: HttpdReq): Promise<void> {
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
  await req.respSend(`async ${req.uri}`);
}

async function echo(req: HttpdReq): Promise<void> {
  await req.respSend(`[${await req.text()}]`);
}

/** Receives piece by piece, and sends each in a chunk. */
async function pieces(req: HttpdReq): Promise<void> {
  let n = 0;
  for await (const chunk of req) n += chunk.length;
  await req.respSendChunk(`${n} bytes:`);
  await req.respSendChunk('x'.repeat(n % 50));
  await req.respSendChunk();
}

/** Two bytes at a time. */
async function sips(req: HttpdReq): Promise<void> {
  const sip = Buffer.alloc(2);
  let text = '';
  for (let n = await req.recv(sip); n > 0; n = await req.recv(sip)) text += sip.toString('latin1', 0, n);
  await req.respSend(text);
}

const keepAlive: Conversation = {
  name: 'GET on a connection that is kept',
  serve: app => {
    app.route('GET /sync', sync);
    app.route('GET /async', async);
  },
  client: async client => {
    for (const path of ['/sync', '/async', '/sync?last']) {
      client.send(request(`GET ${path}`));
      await client.until(`sync ${path}`);
    }
  },
};

const pipelined: Conversation = {
  name: 'GET and POST, pipelined',
  serve: app => {
    app.route('GET /sync', sync);
    app.route('GET /async', async);
    app.route('POST /echo', echo);
    app.route('POST /unread', sync);
  },
  client: async client => {
    client.send(
      ...[request('GET /async?1'), request('GET /sync?2'), post('/echo', 'three'), post('/unread', 'four'.repeat(20))],
      ...[request('GET /async?5'), request('GET /sync?6', 'Connection: close')],
    );
    await client.end();
  },
};

const bodies: Conversation = {
  name: 'POST with Content-Length and in chunks',
  serve: app => {
    app.route('POST /echo', echo);
    app.route('POST /pieces', pieces);
    app.route('POST /sips', sips);
  },
  client: async client => {
    client.send(post('/echo', BODY));
    await client.until(']');
    client.send(request('POST /sips', 'Transfer-Encoding: chunked'), chunked(Buffer.from(BODY.slice(0, 60)), 7));
    await client.until(BODY.slice(0, 60));
    client.send(request('POST /pieces', 'Transfer-Encoding: chunked'), '5;ext=1\r\nabcde\r\n', '3\r\nfgh\r\n');
    client.send('0\r\nTrailer: yes\r\n\r\n', post('/echo', '', 'Connection: close'));
    await client.end();
  },
};

const heads: Conversation = {
  name: 'HEAD, and answers in chunks',
  serve: app => {
    app.route('GET /sync', sync);
    app.route('GET /chunks', async req => {
      for (const piece of ['one', 'two', BODY]) await req.respSendChunk(piece);
      await req.respSendChunk();
    });
  },
  client: async client => {
    client.send(request('HEAD /sync'), request('GET /chunks'), request('HEAD /chunks'));
    await client.until('0\r\n\r\n');
    // to HTTP/1.0 there are no chunks: the end of the connection is that of the body
    client.send(request('GET /chunks HTTP/1.0'));
    await client.end();
  },
};

const expect: Conversation = {
  name: '100-continue',
  serve: app => {
    app.route('POST /echo', echo);
    app.route('POST /no', req => req.respSendErr(HTTPD_403_FORBIDDEN, 'no'));
  },
  client: async client => {
    client.send(request('POST /echo', 'Expect: 100-continue', 'Content-Length: 9'));
    await client.until('100 Continue\r\n\r\n');
    client.send('continued');
    await client.until('[continued]');
    client.send(request('POST /no', 'Expect: 100-continue', 'Content-Length: 9'));
    await client.end();
  },
};

const errors: Conversation = {
  name: 'errors behind valid requests',
  config: { maxReqBodyLen: 100 },
  serve: app => {
    app.route('GET /sync', sync);
    app.route('GET /async', async);
    app.route('POST /echo', echo);
    app.server.registerErrHandler(HTTPD_404_NOT_FOUND, async req => {
      await req.respSendErr(HTTPD_404_NOT_FOUND, 'custom');
      return ESP_OK;
    });
  },
  client: async client => {
    client.send(request('GET /nowhere'), post('/nowhere', 'unread'));
    client.send(request('GET /async?1'), request('GET /sync?2'), 'GET /sync HTTP/1.1\r\nHost : a\r\n\r\n', BODY);
    await client.end();
  },
};

const overrun: Conversation = {
  name: 'a chunked body that is too long',
  config: { maxReqBodyLen: 100 },
  serve: app => app.route('POST /echo', echo),
  client: async client => {
    client.send(request('POST /echo', 'Transfer-Encoding: chunked'), chunked(Buffer.from(BODY), 30));
    await client.end();
  },
};

const throwing: Conversation = {
  name: 'a handler that throws behind half of its answer',
  errors: /it ended before its response did/,
  serve: app => {
    app.route('GET /sync', sync);
    app.route('GET /throws', async req => {
      await req.respSendChunk('half');
      throw new Error('on purpose');
    });
  },
  client: async client => {
    client.send(request('GET /sync'), request('GET /throws'), request('GET /sync'));
    await client.end();
  },
};

/** Answers from a work of the queue, and ends behind that. */
function queued(app: App): (req: HttpdReq) => void {
  return req => {
    const copy = req.asyncHandlerBegin();
    const answer = async (): Promise<void> => {
      await copy.respSend(`queued ${copy.uri}`);
      copy.asyncHandlerComplete();
    };
    app.server.queueWork(() => app.track('a work', answer()).catch(() => {}));
  };
}

const works: Conversation = {
  name: 'asynchronous handlers and queued work',
  serve: app => {
    app.route('GET /queued', queued(app));
    app.route('GET /sync', sync);
  },
  client: async client => {
    client.send(request('GET /queued?1'), request('GET /queued?2'));
    await client.until('queued /queued?2');
    client.send(request('GET /sync'), request('GET /queued?3', 'Connection: close'));
    await client.end();
  },
};

const backPressure: Conversation = {
  name: 'an answer that waits for its reader',
  // half of it makes a sender wait
  config: { maxTxPending: 1_024, txOverflow: 'error' },
  serve: app => {
    app.route('GET /long', async req => {
      for (let i = 0; i < 6; i++) await req.respSendChunk(`${i}`.repeat(200));
      await req.respSendChunk();
    });
    app.route('GET /whole', req => req.respSend('w'.repeat(1_200)));
  },
  client: async client => {
    client.send(request('GET /long'), request('GET /whole', 'Connection: close'));
    await client.end();
  },
};

const overridden: Conversation = {
  name: 'overrides of receive and send',
  serve: app => {
    app.route('GET /sync', sync);
    app.route('POST /echo', echo);
    app.server.on('connected', fd => {
      const { server } = app;
      server.sessSetRecvOverride(fd, (hd, sock, buf) => hd.socketRecv(sock, buf));
      server.sessSetSendOverride(fd, (hd, sock, buf) => hd.socketSend(sock, buf));
    });
  },
  client: async client => {
    client.send(request('GET /sync'), post('/echo', BODY));
    await client.until(']');
    client.send(request('GET /sync?2', 'Connection: close'));
    await client.end();
  },
};

const announced: Conversation = {
  name: 'bodies of announced length, one of them left incomplete',
  errors: /it ended before its response did/,
  serve: app => {
    app.route('GET /parts', async req => {
      const parts = ['one', BODY, 'three'];
      req.respSendHead(parts.join('').length);
      for (const part of parts) await req.respSendPart(Buffer.from(part));
    });
    app.route('GET /short', async req => {
      req.respSendHead(100);
      await req.respSendPart(Buffer.from('too short'));
    });
  },
  client: async client => {
    client.send(request('GET /parts'), request('HEAD /parts'), request('GET /parts?2'), request('GET /short'));
    await client.end();
  },
};

const events: Conversation = {
  name: 'a stream of events, and one whose client goes',
  serve: app => {
    app.route('GET /events', req => {
      const stream = req.respStartEvents({ retry: 1_000 });
      const feed = async (): Promise<void> => {
        for (let i = 0; i < 5; i++) await stream.send({ data: `event ${i}\nof ${req.uri}`, id: `${i}` });
        if (req.uri === '/events') stream.end();
        await stream.closed;
      };
      void app.track('the stream', feed()).catch(() => {});
    });
  },
  client: async client => {
    client.send(request('GET /events'));
    await client.until('0\r\n\r\n');
    client.send(request('GET /events?endless'));
    await client.until('event 4');
    client.fin();
    await client.end();
  },
};

const hooks: Conversation = {
  name: 'hooks before handlers',
  serve: app => {
    app.server.before('/', async req => {
      await new Promise(resolve => setImmediate(resolve));
      req.respSetHdr('X-Hook', 'yes');
    });
    app.server.before('/closed', req => req.respSendErr(HTTPD_403_FORBIDDEN, 'closed'));
    app.route('POST /echo', echo);
    app.route('GET /sync', sync);
  },
  client: async client => {
    client.send(post('/echo', BODY), request('GET /closed/1'), post('/closed', 'unread'), request('GET /sync'));
    client.send(request('GET /nowhere', 'Connection: close'));
    await client.end();
  },
};

export const CONVERSATIONS: readonly Conversation[] = [
  keepAlive,
  pipelined,
  bodies,
  heads,
  expect,
  errors,
  overrun,
  throwing,
  works,
  backPressure,
  overridden,
  announced,
  events,
  hooks,
];
