/**
 * A page of an example: one HTML file with one inline script and one inline style, and nothing from elsewhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ESP_OK, type HttpdReq } from '../src/index.js';

/** The handler that serves the page in this file. */
export function pageHandler(file: URL): (req: HttpdReq) => Promise<number> {
  const page = readFileSync(file, 'utf8');
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf('script', page)}`,
    `style-src ${hashOf('style', page)}`,
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return async req => {
    req.respSetType('text/html; charset=utf-8');
    req.respSetHdr('Content-Security-Policy', policy);
    req.respSetHdr('X-Content-Type-Options', 'nosniff');
    req.respSetHdr('Referrer-Policy', 'no-referrer');
    req.respSetHdr('Cache-Control', 'no-cache');
    await req.respSend(page);
    return ESP_OK;
  };
}

/** The page's script, or style, as a source that a Content-Security-Policy allows. */
export function hashOf(element: 'script' | 'style', page: string): string {
  const [, text = ''] = page.match(new RegExp(`<${element}>([^]*?)</${element}>`)) ?? [];
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
