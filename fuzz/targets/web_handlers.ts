/** What else the server of the HTTP target serves: files, forms, events, and what runs before a handler. */
import { ESP_FAIL, ESP_OK } from '../../src/err.js';
import type { EventStream } from '../../src/httpd/event_stream.js';
import { HTTP_ANY, HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { basicAuth, basicAuthUser } from '../../src/web/basic_auth.js';
import { cors } from '../../src/web/cors.js';
import { formParts, readForm } from '../../src/web/form.js';
import { staticUriHandler } from '../../src/web/static_files.js';
import type { Lab } from './lab.js';
import { folderOfFiles } from './www.js';

type Handler = (req: HttpdReq, lab: Lab) => unknown;

/** A stream of events that lives until its client goes; below it one that ends. */
export const EVENTS = '/events';

const FORM_LIMITS = { maxParts: 4, maxFieldLen: 60, maxFileLen: 100, maxFieldNameLen: 20, maxHeaderLen: 150 };

const HANDLERS: Readonly<Record<string, Handler>> = {
  '/led/:id/?': (req, lab) => {
    lab.calls.push(`led ${req.getUriParam('id')} of ${req.uriTemplate}`);
    void req.respSend('led');
  },
  '/known': async (req, lab) => {
    req.respSendHead(10);
    await req.respSendPart(Buffer.from('five.'));
    await lab.later();
    await req.respSendPart(Buffer.from('more.'));
  },
  '/form': async (req, lab) => {
    const fields = await readForm(req, FORM_LIMITS);
    for (const [name, value] of fields) lab.calls.push(`field ${name}=${value}`);
    await req.respSend(String(fields));
  },
  '/upload': async (req, lab) => {
    for await (const part of formParts(req, FORM_LIMITS)) {
      const { name, filename, type } = part;
      // some are dropped
      const content = name === 'drop' ? '' : (await part.bytes()).toString('latin1');
      lab.calls.push(`part ${name} ${filename} ${type} ${content}`);
    }
    await req.respSend('uploaded');
  },
  [`${EVENTS}/some`]: (req, lab) => {
    const events = req.respStartEvents({ retry: 1_000 });
    lab.calls.push(`events from ${events.lastEventId}`);
    // the handler returns, and the stream goes on
    void lab.waitFor(tell(events));
  },
  [EVENTS]: (req, lab) => {
    const { open } = req.respStartEvents({ keepAlive: 100 });
    lab.endless = open;
    lab.calls.push(`events ${open}`);
  },
  '/cookie': req => {
    try {
      req.respSetCookie('c', req.getCookieVal('c') ?? 'none', { httpOnly: true, maxAge: 5 });
    } catch {
      // a value that can be received and not sent
    }
    void req.respSend('cookie');
  },
  '/auth': (req, lab) => {
    lab.calls.push(`user ${basicAuthUser(req)}`);
    void req.respSend('in');
  },
  '/cors': req => void req.respSend('shared'),
};

async function tell(events: EventStream): Promise<void> {
  try {
    await events.send({ data: 'one\ntwo', event: 'e', id: '1' });
    await events.comment('a comment');
    events.end();
  } catch {
    // the client has gone
  }
}

/** Registers them all. */
export function registerWebHandlers(lab: Lab): void {
  const { server } = lab;
  const watched = (handler: Handler) => (req: HttpdReq) => {
    lab.calls.push(`${req.method} ${req.uri} ${req.contentLen}`);
    return lab.watch(req, true, () => handler(req, lab)) as Promise<number>;
  };
  for (const [uri, handler] of Object.entries(HANDLERS)) {
    server.registerUriHandler({ uri, method: HTTP_ANY, handler: watched(handler) });
  }
  const files = staticUriHandler({ root: folderOfFiles(), listing: true, cacheControl: 'no-cache' });
  // files are read in threads, and so after any number of turns
  server.registerUriHandler({ uri: '/www/*', method: HTTP_GET, handler: watched(req => lab.waitFor(files(req))) });
  server.before('/auth', basicAuth({ realm: 'fuzz', users: { user: 'pass' } }));
  server.before('/cors', cors({ origins: ['http://example.com'], allowedHeaders: ['X-N'], maxAge: 5 }));
  server.before('/hook', async req => {
    await lab.later();
    req.respSetHdr('X-Hook', 'ran');
    return req.uri.endsWith('!') ? ESP_FAIL : ESP_OK;
  });
}
