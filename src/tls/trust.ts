/**
 * Where a chain of certificates may end: at any that is named as an authority, also at an intermediate one, as mbedTLS
 * has it. By itself OpenSSL goes on until it finds one that has signed itself.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { CERTIFICATE } from './pem.js';

/**
 * What a context with authorities is made with, besides them. Node.js knows the option since 22.9, and 20.18; elsewhere
 * nothing can be said, and `untrusted` tells whom that concerns.
 */
export function anchorOptions(): SecureContextOptions {
  return endsAnywhere() ? { allowPartialTrustChain: true } : {};
}

/**
 * @param option where the authorities come from, for the message
 * @param authorities in PEM, one or several in each
 * @returns what to log if this Node.js does not trust one of these authorities: its issuer is not among them
 */
export function untrusted(option: string, authorities: readonly string[]): string | undefined {
  if (authorities.length === 0 || endsAnywhere()) return undefined;
  const all = authorities.flatMap(text => text.match(CERTIFICATE) ?? []).map(pem => new X509Certificate(pem));
  const lost = all.find(cert => !all.some(issuer => cert.checkIssued(issuer)));
  if (lost === undefined) return undefined;
  const whose = lost.subject.replaceAll('\n', ', ');
  return `${option}: '${whose}' is not trusted by itself on Node.js ${process.version}: add the authority that has signed it, or use 22.9 or newer`;
}

function endsAnywhere(): boolean {
  const { context } = createSecureContext() as { context: { setAllowPartialTrustChain?: unknown } };
  return typeof context.setAllowPartialTrustChain === 'function';
}
