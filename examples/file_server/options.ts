/**
 * The arguments of the program.
 */
import { parseArgs } from 'node:util';
import { MAX_FILE_SIZE } from './file_server.js';

export const COMMAND = 'npm run files';
/** The folder, unless told otherwise. */
export const ROOT = './file_server_data';

export const USAGE = `Usage: ${COMMAND} -- [--port <port>] [--root <folder>] [--max-size <bytes>]

  --port      TCP port to listen on, 0 to 65535; 0 lets the system choose one.
              Default: the environment variable PORT, or else 8080.
  --root      The folder with the files; created if absent. Default: ${ROOT}
  --max-size  The longest file, in bytes; K, M or G behind the number stand for
              1024, 1024² and 1024³ bytes. Default: 200K

HOST=127.0.0.1 listens on that address only; by default the server listens on all.
SELECT_LOOP, HTTPD_LOG and HTTPD_LOG_FORMAT are as in the other examples.`;

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

export interface Options {
  /** The arguments that say the port: one, or none. */
  readonly port: string[];
  readonly root: string;
  /** In bytes. */
  readonly maxSize: number;
}

/** @throws Error that says what is wrong */
export function readOptions(args: string[]): Options {
  const string = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    options: { port: string, root: string, 'max-size': string },
    allowPositionals: true,
  });
  const port = [...(values.port === undefined ? [] : [values.port]), ...positionals];
  return { port, root: values.root || ROOT, maxSize: readSize(values['max-size']) };
}

function readSize(text: string | undefined): number {
  if (text === undefined) return MAX_FILE_SIZE;
  const [, digits = '', unit = ''] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
  const size = Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (digits !== '' && size >= 1 && size <= Number.MAX_SAFE_INTEGER) return size;
  throw new Error(`--max-size must be a number of bytes such as 500000, 200K or 10M, not '${text}'.`);
}
