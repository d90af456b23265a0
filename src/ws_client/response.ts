/**
 * What is known of a response by its head.
 */
import { eachHeader } from '../httpd/headers.js';
import { escapeForLog } from '../log.js';
import type { WsResponse } from './errors.js';
import type { ResponseHead } from './response_head.js';

/** Interim responses that a server may send before its answer. */
export const INTERIM_MAX = 16;

export function responseOf({ status, statusText, section }: ResponseHead, body: Buffer): WsResponse {
  const rawHeaders = [...eachHeader(section)];
  const headers = new Map<string, string>();
  for (const [name, value] of rawHeaders) {
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return { status, statusText, headers, rawHeaders, body };
}

/** Status and reason, for a message. */
export function statusOf({ status, statusText }: ResponseHead): string {
  return escapeForLog(`${status} ${statusText}`.trimEnd().slice(0, 200));
}
