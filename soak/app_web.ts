/** The application under soak: files, forms, cookies, parameters, passwords, other origins, metrics. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  basicAuth,
  cors,
  formParts,
  HTTP_GET,
  HTTP_POST,
  type HttpdReq,
  type HttpdServer,
  metricsUriHandler,
  readForm,
  staticUriHandler,
  type UriHandler,
} from '../src/index.js';
import type { FileName } from './folder.js';
import { idOf, type Tally } from './tally.js';

/** What of a name must not be in a header. */
function plain(text: string): string {
  return encodeURIComponent(text);
}

export function registerWeb(server: HttpdServer, tally: Tally, folder: string): void {
  const on = (method: number, uri: string, handler: UriHandler) =>
    server.registerUriHandler({ uri, method, handler: tally.watch(handler) });
  const marked = (req: HttpdReq) => req.respSetHdr('X-Id', idOf(req) ?? '');
  for (const prefix of ['/files', '/download', '/form', '/login', '/led', '/private', '/api', '/metrics']) {
    server.before(prefix, marked);
  }
  on(HTTP_GET, '/files/*', staticUriHandler({ root: join(folder, 'www'), listing: true }));
  const medium: FileName = 'medium.bin';
  on(HTTP_GET, '/download', req =>
    req.respSendFile(join(folder, 'www', medium), { download: true, cacheControl: 'no-cache' }),
  );
  on(HTTP_POST, '/form', async req => {
    const hash = createHash('sha1');
    for await (const part of formParts(req, { maxFileLen: 200_000 })) {
      hash.update(`${part.name}=${part.filename ?? ''};`);
      for await (const piece of part) hash.update(piece);
    }
    await req.respSend(hash.digest('hex'));
  });
  on(HTTP_POST, '/login', async req => {
    const form = await readForm(req);
    req.respSetCookie('user', plain(form.get('user') ?? ''), { httpOnly: true, sameSite: 'strict' });
    await req.respSend(`was ${req.getCookieVal('user') ?? 'nobody'}`);
  });
  on(HTTP_GET, '/led/:id/state', req => req.respSend(`led ${req.getUriParam('id')}`));
  server.before('/private', basicAuth({ realm: 'soak', users: { ada: 'lovelace' } }));
  on(HTTP_GET, '/private', req => req.respSend('private'));
  server.before('/api', cors({ origins: ['https://example.com'] }));
  on(HTTP_GET, '/api', req => req.respSend('api'));
  on(HTTP_GET, '/metrics', metricsUriHandler());
}
