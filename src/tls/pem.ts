/** What PEM text has in it (RFC 7468). Pure. */

/** A certificate. */
export const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** A key that needs a password: of PKCS #8 (section 11), and in OpenSSL's older form. */
export const ENCRYPTED = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m;
