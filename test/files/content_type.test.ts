import { expect, test } from 'vitest';
import { contentType, isCompressible } from '../../src/files/content_type.js';

test.each([
  ['/www/index.html', 'text/html; charset=utf-8', true],
  ['/www/STYLE.CSS', 'text/css; charset=utf-8', true],
  ['/www/app.js', 'text/javascript; charset=utf-8', true],
  ['/www/app.mjs', 'text/javascript; charset=utf-8', true],
  ['/www/notes.txt', 'text/plain; charset=utf-8', true],
  ['/www/data.json', 'application/json', true],
  ['/www/feed.atom', 'application/atom+xml', true],
  ['/www/logo.svg', 'image/svg+xml', true],
  ['/www/app.wasm', 'application/wasm', true],
  ['/www/favicon.ico', 'image/vnd.microsoft.icon', true],
  ['/www/font.ttf', 'font/ttf', true],
  ['/www/font.woff2', 'font/woff2', false],
  ['/www/photo.jpg', 'image/jpeg', false],
  ['/www/clip.mp4', 'video/mp4', false],
  ['/www/app.js.gz', 'application/gzip', false],
  ['/www/archive.zip', 'application/zip', false],
  ['/www/firmware.bin', 'application/octet-stream', false],
  ['/www/README', 'application/octet-stream', false],
  ['/www/.html', 'application/octet-stream', false],
  ['html', 'application/octet-stream', false],
  ['/www.d/file', 'application/octet-stream', false],
  ['/www/file.', 'application/octet-stream', false],
  ['/www/file.neverheardof', 'application/octet-stream', false],
])('%s is %s; worth compressing: %s', (path, type, compressible) => {
  expect(contentType(path)).toBe(type);
  expect(isCompressible(type)).toBe(compressible);
});
