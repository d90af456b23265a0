/**
 * Responses that the application writes itself, with `socketSend`: in its handler, when that has ended, or some of it
 * before and some behind.
 */
import { EspError } from '../../src/err.js';
import { HTTP_ANY, HTTP_HEAD } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { Lab } from './lab.js';

/** Below it: how a response ends, and when it is written. */
export const RAW = '/raw';

/** A response that is never complete: handlerTimeout ends its connection. */
export const RAW_OPEN = /^\/raw\/(?:cut|never)(?![^/?])/;
/** A response that ends with its connection. */
const ENDS_WITH_SESSION = new Set(['close', 'rest']);

const OK = 'HTTP/1.1 200 OK\r\n';

/** What is written, piece by piece; the first `early` of them in the handler. */
const ANSWERS: Readonly<Record<string, { readonly early: number; readonly pieces: readonly string[] }>> = {
  len: { early: 0, pieces: [`${OK}Content-Length: 5\r\n\r\nhello`] },
  pieces: { early: 0, pieces: [...`${OK}content-length:  3\r\n\r\nabc`] },
  early: { early: 1, pieces: [`${OK}Content-Length: 5\r\n\r\nhello`] },
  half: { early: 1, pieces: [`${OK}Content-Length: 10\r\n\r\nhello`, 'world'] },
  head: { early: 1, pieces: ['HTTP/1.1 200', ` OK\r\nContent-Length: 2\r`, '\n\r', '\nok'] },
  chunks: { early: 0, pieces: [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r`, '\nhello\r\n', '0\r\n', '\r\n'] },
  none: { early: 0, pieces: [`${OK}Content-Length: 0\r\n\r\n`] },
  204: { early: 0, pieces: ['HTTP/1.1 204 No Content\r\n\r\n'] },
  304: { early: 0, pieces: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'] },
  interim: { early: 1, pieces: ['HTTP/1.1 100 Continue\r\n\r\n', `${OK}Content-Length: 1\r\n\r\n`, '1'] },
  last: { early: 0, pieces: [`${OK}Connection: close\r\nContent-Length: 4\r\n\r\n`, 'last'] },
  close: { early: 0, pieces: [`${OK}Connection: close\r\n\r\n`, 'until the end'] },
  rest: { early: 1, pieces: [`${OK}Connection: close\r\n\r\nuntil`, ' the end'] },
  cut: { early: 0, pieces: [`${OK}Content-Length: 10\r\n\r\nhello`] },
  never: { early: 0, pieces: [] },
};

/** A HEAD has no content (RFC 9110 section 9.3.2): what stands behind the final head is left out. */
function withoutContent(pieces: readonly string[]): string[] {
  const text = pieces.join('');
  const final = text.startsWith('HTTP/1.1 100') ? text.indexOf('\r\n\r\n') + 4 : 0;
  let left = text.indexOf('\r\n\r\n', final) + 4;
  return pieces.flatMap(piece => {
    const part = piece.slice(0, left);
    left -= part.length;
    return part === '' ? [] : [part];
  });
}

/** Does something for a session that may have ended meanwhile. */
function attempt(something: () => unknown): void {
  try {
    something();
  } catch (thrown) {
    if (!(thrown instanceof EspError)) throw thrown;
  }
}

async function answerRaw(req: HttpdReq, lab: Lab): Promise<void> {
  const { server } = lab;
  const when = req.getUriParam('when');
  const how = req.getUriParam('how') ?? '';
  const answer = ANSWERS[how];
  // nobody has its fd: a 500
  if (answer === undefined) return;
  const pieces = req.method === HTTP_HEAD && answer.pieces.length > 0 ? withoutContent(answer.pieces) : answer.pieces;
  if (when === 'read') await req.text();
  const fd = req.toSockfd();
  const send = (piece: string) => attempt(() => server.socketSend(fd, Buffer.from(piece, 'latin1')));
  lab.unanswered = RAW_OPEN.test(req.uri);
  for (const piece of pieces.slice(0, answer.early)) send(piece);
  const late = pieces.slice(answer.early);
  if (late.length === 0) return;
  const last = late.pop() as string;
  const over = lab.goesOn();
  const end = () => {
    // behind its last byte the next request may be handled at once
    over();
    send(last);
    if (ENDS_WITH_SESSION.has(how)) attempt(() => server.sessTriggerClose(fd));
  };
  if (when === 'work') {
    server.queueWork(() => {
      for (const piece of late) send(piece);
      end();
    });
  } else {
    void inTurns(lab, late, send).then(end);
  }
}

/** Sends each piece in a turn of its own. */
async function inTurns(lab: Lab, pieces: readonly string[], send: (piece: string) => void): Promise<void> {
  for (const piece of pieces) {
    await lab.later();
    send(piece);
  }
  await lab.later();
}

/** Registers them all. */
export function registerRawHandlers(lab: Lab): void {
  for (const uri of [`${RAW}/:how`, `${RAW}/:how/:when`]) {
    lab.server.registerUriHandler({
      uri,
      method: HTTP_ANY,
      handler: req => {
        lab.calls.push(`${req.method} ${req.uri} ${req.contentLen}`);
        return lab.watch(req, true, () => answerRaw(req, lab)) as Promise<number>;
      },
    });
  }
}
