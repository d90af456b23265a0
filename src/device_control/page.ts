/** The control page: one HTML file with one inline script and one inline style, and nothing from elsewhere. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ESP_OK } from '../err.js';
import type { UriHandler } from '../httpd/route.js';

/** From both src/ and dist/. */
const FILE = new URL('../../assets/device/index.html', import.meta.url);

/** The handler that serves the page. */
export async function pageHandler(): Promise<UriHandler> {
  const page = await readFile(FILE, 'utf8');
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
    await req.respSend(page);
    return ESP_OK;
  };
}

/** The page's script, or style, as a source that a Content-Security-Policy allows. */
function hashOf(element: 'script' | 'style', page: string): string {
  const [, text = ''] = page.match(new RegExp(`<${element}>([^]*?)</${element}>`)) ?? [];
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
