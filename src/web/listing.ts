/**
 * A folder as a page of links.
 */
import type { FolderEntry } from '../files/root.js';
import { escapeHtml } from '../httpd/html.js';
import { HTTP_HEAD } from '../httpd/methods.js';
import type { HttpdReq } from '../httpd/req.js';

/** So many entries a page shows at most. */
export const MAX_ENTRIES = 10_000;

/** A folder to show. */
export interface Listing {
  /** Its path, for people. */
  readonly title: string;
  /** Is it the outermost one, with nothing to go back to? */
  readonly isTop: boolean;
  readonly entries: readonly FolderEntry[];
  /** Are there more, which are not shown? */
  readonly isCut: boolean;
}

/** What is collected before it is sent. */
const CHUNK_CHARS = 16 * 1024;

/** Names come from whoever may write to the folder: nothing on the page may run, or load anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 0.125rem 0.5rem; text-align: left; vertical-align: top; }
th + th, td + td { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
td:first-child { overflow-wrap: anywhere; }
`;

/** Answers with the page, in chunks. */
export async function sendListing(req: HttpdReq, listing: Listing): Promise<void> {
  req.respSetType('text/html; charset=utf-8');
  req.respAddHdr('Content-Security-Policy', POLICY);
  req.respAddHdr('X-Content-Type-Options', 'nosniff');
  req.respAddHdr('Cache-Control', 'no-cache');
  if (req.method === HTTP_HEAD) return req.respSendChunk();
  let chunk = '';
  for (const piece of listingPieces(listing)) {
    chunk += piece;
    if (chunk.length < CHUNK_CHARS) continue;
    await req.respSendChunk(chunk);
    chunk = '';
  }
  await req.respSendChunk(chunk);
  await req.respSendChunk();
}

/** The page, from its start to its end. */
export function* listingPieces({ title, isTop, entries, isCut }: Listing): Generator<string> {
  const heading = escapeHtml(title);
  yield `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${heading}</title>
<style>${STYLE}</style>
<h1>${heading}</h1>
<table>
<tr><th>Name<th>Size<th>Modified
`;
  if (!isTop) yield '<tr><td><a href="../">../</a><td><td>\n';
  for (const entry of [...entries].sort(inOrder)) yield row(entry);
  yield '</table>\n';
  if (isCut) yield `<p>There are more than the ${entries.length} entries that are shown here.</p>\n`;
  yield '</html>\n';
}

function row({ name, isFolder, size, mtimeMs }: FolderEntry): string {
  const slash = isFolder ? '/' : '';
  // a name can't be taken for a scheme: its colons are encoded
  const link = `<a href="${escapeHtml(encodeURIComponent(name))}${slash}">${escapeHtml(name)}${slash}</a>`;
  return `<tr><td>${link}<td>${isFolder ? '' : size}<td>${isoTime(mtimeMs)}\n`;
}

/** Folders first, then by name. */
function inOrder(a: FolderEntry, b: FolderEntry): number {
  if (a.isFolder !== b.isFolder) return a.isFolder ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** Such as `2024-05-17T08:30:00Z`; nothing for a time that has no such form. */
function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().replace(/\.\d+/, '');
}
