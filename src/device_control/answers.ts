/** Bodies of requests and answers: JSON, with errors that say what to do. */
import { ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE, ESP_OK, EspError } from '../err.js';
import { errorText, HTTPD_ERR_CODE_MAX, type HttpdErrCode } from '../httpd/http_err.js';
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';
import type { HttpdServer } from '../httpd/server.js';

export const JSON_TYPE = 'application/json';

/** A request that can't be done: what its client is told. */
export class Refusal extends Error {
  constructor(
    readonly status: string,
    message: string,
  ) {
    super(message);
  }
}

/** What a handler answers with. */
export interface Answer {
  /** Default '200 OK'. */
  readonly status?: string;
  readonly body: unknown;
}

/** A URI handler from a function that says what to answer, or throws a `Refusal` or what a device throws. */
export function answering(act: (req: HttpdReq) => Promise<Answer> | Answer): UriHandler {
  return async req => {
    let answer: Answer;
    try {
      answer = await act(req);
    } catch (thrown) {
      const status = statusFor(thrown);
      if (status === undefined) throw thrown;
      answer = { status, body: { error: (thrown as Error).message } };
    }
    await sendJson(req, answer);
    return ESP_OK;
  };
}

function statusFor(thrown: unknown): string | undefined {
  if (thrown instanceof Refusal) return thrown.status;
  if (!(thrown instanceof EspError)) return undefined;
  if (thrown.code === ESP_ERR_INVALID_ARG) return '400 Bad Request';
  return thrown.code === ESP_ERR_INVALID_STATE ? '409 Conflict' : undefined;
}

export async function sendJson(req: HttpdReq, { status = '200 OK', body }: Answer): Promise<void> {
  req.respSetStatus(status);
  req.respSetType(JSON_TYPE);
  await req.respSend(`${JSON.stringify(body)}\n`);
}

/**
 * The body of a request.
 *
 * @param example is shown to who sends something else
 * @returns undefined if there is none
 * @throws Refusal if it is not JSON
 */
export async function readBody(req: HttpdReq, example: string): Promise<unknown> {
  const text = await req.text();
  if (text === '') return undefined;
  const type = req.getHdrValueStr('Content-Type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== JSON_TYPE) {
    const given = type === undefined ? 'it names no type' : 'it is something else';
    throw new Refusal(
      '415 Unsupported Media Type',
      `the body must be of type ${JSON_TYPE}, and ${given}; with curl: -H 'Content-Type: ${JSON_TYPE}' -d '${example}'`,
    );
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Refusal('400 Bad Request', `the body is not JSON; send such as ${example}`);
  }
}

/** Errors that the server itself finds are told as JSON too. */
export function registerJsonErrors(server: HttpdServer): void {
  for (let code = 0; code < HTTPD_ERR_CODE_MAX; code++) server.registerErrHandler(code, jsonError);
}

async function jsonError(req: HttpdReq, code: HttpdErrCode): Promise<number> {
  const [status, sentence] = errorText(code);
  await sendJson(req, { status, body: { error: sentence } });
  return ESP_OK;
}
