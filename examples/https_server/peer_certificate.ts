/**
 * A certificate in lines, as mbedtls_x509_crt_info() has them. All of it is a stranger's text.
 */
import type { X509Certificate } from 'node:crypto';
import { logText } from '../log_text.js';

export function certificateInfo(cert: X509Certificate): string[] {
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['serial number', (cert.serialNumber.match(/.{1,2}/g) ?? []).join(':')],
    ['issuer name', nameOf(cert.issuer)],
    ['subject name', nameOf(cert.subject)],
    ['issued  on', timeOf(cert.validFrom)],
    ['expires on', timeOf(cert.validTo)],
  ];
  return facts.map(([name, value]) => `${name.padEnd(18)}: ${value}`);
}

/** Node.js has each part of a name on a line; an empty name is undefined there. */
function nameOf(name: string | undefined): string {
  return logText((name ?? '').split('\n').join(', '));
}

/** UTC, to the second. */
function timeOf(text: string): string {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? logText(text) : time.toISOString().slice(0, 19).replace('T', ' ');
}
