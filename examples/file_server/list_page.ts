/**
 * The page: what `index.html` has, and the list of files in it.
 */
import { readFileSync } from 'node:fs';
import type { HttpdReq } from '../../src/index.js';
import { hashOf } from '../page.js';
import { FILES_MAX, type StoredFile } from './file_store.js';

const template = readFileSync(new URL('./index.html', import.meta.url), 'utf8');

const POLICY = [
  "default-src 'none'",
  `script-src ${hashOf('script', template)}`,
  `style-src ${hashOf('style', template)}`,
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Sends the page with this list. */
export async function sendListPage(
  req: HttpdReq,
  { files, more }: { files: readonly StoredFile[]; more: boolean },
  maxSize: number,
): Promise<void> {
  req.respSetType('text/html; charset=utf-8');
  req.respSetHdr('Content-Security-Policy', POLICY);
  req.respSetHdr('X-Content-Type-Options', 'nosniff');
  // with 'no-referrer' the Origin of its forms would be 'null'
  req.respSetHdr('Referrer-Policy', 'same-origin');
  req.respSetHdr('Cache-Control', 'no-store');
  const rows = files.map(row).join('\n');
  const parts: Record<string, string> = {
    count: more ? `${files.length}+` : String(files.length),
    rows: files.length === 0 ? '' : `<ul class="files">\n${rows}\n</ul>`,
    empty: files.length === 0 ? '<p class="empty">No files yet. What you upload is listed here.</p>' : '',
    more: more ? `<p class="empty">There are more than ${FILES_MAX} files; these are some of them.</p>` : '',
    'max-size': String(maxSize),
    'max-size-text': formatSize(maxSize),
  };
  await req.respSend(template.replace(/\{\{([a-z-]+)\}\}/g, (_, name: string) => parts[name] as string));
}

function row({ name, size, mtime }: StoredFile): string {
  const uri = encodeURIComponent(name);
  const shown = escapeHtml(name);
  const time = mtime.toISOString();
  const [, kind = 'file'] = /\.([a-z0-9]{1,4})$/i.exec(name) ?? [];
  return `<li>
  <span class="kind" aria-hidden="true">${kind}</span>
  <span class="about">
    <a class="name" href="/${uri}" target="_blank"><bdi>${shown}</bdi></a>
    <span class="facts"><span title="${size} bytes">${formatSize(size)}</span> <time datetime="${time}">${time.slice(0, 16).replace('T', ' ')} UTC</time></span>
  </span>
  <span class="actions">
    <a class="button" href="/${uri}" download aria-label="Download ${shown}">Download</a>
    <form method="post" action="/delete/${uri}"><button class="danger" aria-label="Delete ${shown}">Delete</button></form>
  </span>
</li>`;
}

/** A length in the unit that says it shortest: 1 KiB is 1024 bytes. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  let value = bytes;
  let unit = '';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1023.95) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(1).replace(/\.0$/, '')} ${unit}`;
}

const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, char => ESCAPED[char] as string);
}
