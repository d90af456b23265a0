import { expect, test } from 'vitest';
import { attachment } from '../../src/files/content_disposition.js';

test.each([
  ['report.pdf', 'attachment; filename="report.pdf"'],
  ["it's (1) #2.txt", `attachment; filename="it's (1) #2.txt"`],
  ['/srv/www/a.txt', 'attachment; filename="a.txt"'],
  ['C:\\temp\\a.txt', 'attachment; filename="a.txt"'],
  ['../../etc/passwd', 'attachment; filename="passwd"'],
  ['naïve.txt', `attachment; filename="na_ve.txt"; filename*=UTF-8''na%C3%AFve.txt`],
  ['日本.txt', `attachment; filename="__.txt"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt`],
  ['😀.txt', `attachment; filename="_.txt"; filename*=UTF-8''%F0%9F%98%80.txt`],
  ['say "hi".txt', `attachment; filename="say _hi_.txt"; filename*=UTF-8''say%20%22hi%22.txt`],
  ['100%25.txt', `attachment; filename="100_25.txt"; filename*=UTF-8''100%2525.txt`],
  ["é'()*.txt", `attachment; filename="_'()*.txt"; filename*=UTF-8''%C3%A9%27%28%29%2A.txt`],
  ['a\r\nSet-Cookie: x\0\x7f.txt', 'attachment; filename="aSet-Cookie: x.txt"'],
  ['\ud800.txt', `attachment; filename="_.txt"; filename*=UTF-8''%EF%BF%BD.txt`],
])('%j', (name, field) => {
  expect(attachment(name)).toBe(field);
});
