/** All cases, by their subject. */
import { OVER_TLS } from '../../support/raw_client.js';
import type { Case } from './case.js';
import { CASES as CHUNK_PARTS } from './cases_chunk_parts.js';
import { CASES as CHUNKED } from './cases_chunked.js';
import { CASES as CONNECTION } from './cases_connection.js';
import { CASES as CONTENT_LENGTH } from './cases_content_length.js';
import { CASES as EXPECT_UPGRADE } from './cases_expect_upgrade.js';
import { CASES as FIELDS } from './cases_fields.js';
import { CASES as HOST } from './cases_host.js';
import { CASES as PIPELINING } from './cases_pipelining.js';
import { CASES as REQUEST_LINE } from './cases_request_line.js';
import { CASES as RESPONSES } from './cases_responses.js';
import { CASES as TARGET_FORMS } from './cases_target_forms.js';
import { CASES as TRANSFER_ENCODING } from './cases_transfer_encoding.js';

const PLAIN: Readonly<Record<string, readonly Case[]>> = {
  'request line': REQUEST_LINE,
  fields: FIELDS,
  Host: HOST,
  'Content-Length': CONTENT_LENGTH,
  'Transfer-Encoding': TRANSFER_ENCODING,
  'chunked coding': CHUNKED,
  'chunk extensions and trailers': CHUNK_PARTS,
  Connection: CONNECTION,
  'forms of the target': TARGET_FORMS,
  pipelining: PIPELINING,
  responses: RESPONSES,
  'Expect and Upgrade': EXPECT_UPGRADE,
};

/** Targets in absolute form are those of https where a connection is encrypted (RFC 9110 section 7.4). */
function encrypted(item: Case): Case {
  const swap = (text: string) =>
    text.replace(/^((?:[A-Z]+ )?)(http)(s?)(?=:)/gim, (_, method, http, s) => `${method}${http}${s === '' ? 's' : ''}`);
  const expect = item.expect.map(answer => (answer.uri === undefined ? answer : { ...answer, uri: swap(answer.uri) }));
  return { ...item, raw: swap(item.raw), expect };
}

export const SUBJECTS = OVER_TLS
  ? Object.fromEntries(Object.entries(PLAIN).map(([name, cases]) => [name, cases.map(encrypted)]))
  : PLAIN;
