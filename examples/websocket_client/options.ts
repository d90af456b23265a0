/**
 * The arguments of the program.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { HelloOptions } from './hello_client.js';

export const URI = 'ws://localhost:8080/ws';
export const MESSAGE = 'Hello, server!';

export const USAGE = `Usage: npm run ws-client -- [uri] [message] [options]

  uri                  ws://… or wss://…; default ${URI}
  message              what to say first; default '${MESSAGE}'
  --ca <file>          who signs the server's certificate; default: the authorities that Node.js knows
  --allow-self-signed  take a certificate that is self-signed, and otherwise right
  --subprotocol <name> ask for it
  --count <n>          leave after n messages; default: stay until the server leaves, or Ctrl-C

HTTPD_LOG=error shows errors only, HTTPD_LOG_FORMAT=json prints JSON lines.`;

/** @throws Error that says which argument is wrong */
export function readOptions(args: readonly string[]): HelloOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ca: { type: 'string' },
      'allow-self-signed': { type: 'boolean', default: false },
      subprotocol: { type: 'string' },
      count: { type: 'string' },
    },
  });
  const [uri = URI, message = MESSAGE, ...more] = positionals;
  if (more.length > 0) throw new Error(`'${more.join(' ')}' is too much: put the message in quotes.`);
  const { ca, subprotocol, count } = values;
  const config = {
    uri,
    allowSelfSigned: values['allow-self-signed'],
    ...(subprotocol === undefined ? {} : { subprotocol }),
    ...(ca === undefined ? {} : { certPem: readCa(ca) }),
  };
  return { config, message, count: count === undefined ? undefined : readCount(count) };
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`--ca: ${(error as Error).message}`);
  }
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--count must be a number from 1, not '${text}'.`);
  return Number(text);
}
