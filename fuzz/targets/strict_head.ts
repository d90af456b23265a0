/**
 * What the head of a request that was accepted must look like, written down once more, from RFC 9112 and not from the
 * parser: each of these lines is a way in which requests have been smuggled.
 */
import { demand, shown } from './finding.js';

const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP\/1\.(\d)$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * @param raw request line and header section, as they came
 * @throws Finding
 */
export function checkHead(raw: string): void {
  const must = (holds: boolean, what: string) => demand(holds, `a head is accepted ${what}`, () => shown(raw));
  must(raw.endsWith('\r\n\r\n'), 'that does not end in an empty line');
  const [first = '', ...lines] = raw.slice(0, -4).split('\r\n');
  const minor = REQUEST_LINE.exec(first)?.[1];
  must(minor !== undefined, 'with a malformed request line');
  const fields = lines.map(line => {
    const [, name = '', value = ''] = FIELD_LINE.exec(line) ?? [];
    must(name !== '', 'with a malformed field line');
    return { name: name.toLowerCase(), value: value.replace(/^[\t ]+|[\t ]+$/g, '') };
  });
  const values = (name: string) => fields.filter(field => field.name === name).map(field => field.value);
  const [hosts, lengths, codings] = [values('host'), values('content-length'), values('transfer-encoding')];
  must(hosts.length === 1 || (minor === '0' && hosts.length === 0), 'without one Host');
  must(lengths.length < 2 && lengths.every(len => /^\d+$/.test(len)), 'without one clear Content-Length');
  must(codings.length < 2 && codings.every(coding => coding.toLowerCase() === 'chunked'), 'with another coding');
  must(codings.length === 0 || (lengths.length === 0 && minor !== '0'), 'whose length two fields tell');
}

const WEB_ORIGIN = /^(https?):\/\/([^/?#@\\]+)$/i;

/**
 * May a WebSocket that is for pages of its own host be given to who asks so? By RFC 6454 section 4, and only where there is
 * no doubt: one Origin, if any, and one Host that is the same.
 *
 * @param raw request line and header section, as they came
 */
export function pageOfItsHost(raw: string): boolean {
  const values = (name: RegExp) =>
    raw
      .split(/\r?\n/)
      .slice(1)
      .filter(line => name.test(line))
      .map(line => line.slice(line.indexOf(':') + 1).trim());
  const [origins, hosts] = [values(/^origin:/i), values(/^host:/i)];
  if (origins.length === 0) return true;
  const [, scheme = '', authority = ''] = WEB_ORIGIN.exec(origins[0] ?? '') ?? [];
  const asUrl = (text = '') => URL.parse(`${scheme}://${text}`)?.host;
  return origins.length === 1 && hosts.length === 1 && authority !== '' && asUrl(authority) === asUrl(hosts[0]);
}
