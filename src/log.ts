/**
 * Logs by tag, in ESP-IDF's form: `I (4962) ws_echo_server: Starting server on port: '80'`.
 *
 * pino does the logging; `HTTPD_LOG` sets the level (`trace`, `debug`, `info`, `warn`, `error`, `silent`; default `info`), and
 * `HTTPD_LOG_FORMAT=json` gives pino's own lines.
 */
import { type Logger, pino } from 'pino';

/** The logger of one tag. Where a line is built on a hot path, ask `debugOn` first: that is the one comparison. */
export interface TagLog {
  readonly debugOn: boolean;
  /** ESP-IDF's verbose level, pino's trace. */
  verbose(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

const LETTERS: Record<number, string> = { 10: 'V', 20: 'D', 30: 'I', 40: 'W', 50: 'E', 60: 'E' };
const startedAt = Date.now();
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to escape
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

/** Prints pino's lines in ESP-IDF's form. Times are milliseconds since the start of the process, as on the chip. */
const espStream = {
  write(line: string): void {
    const { level, time, tag, msg } = JSON.parse(line) as { level: number; time: number; tag?: string; msg?: string };
    // one line a message, and nothing in it that drives a terminal
    const text = (msg ?? '').replace(CONTROL, escapeForLog);
    process.stdout.write(`${LETTERS[level] ?? 'I'} (${Math.max(0, time - startedAt)}) ${tag ?? 'app'}: ${text}\n`);
  },
};

let shared: Logger | undefined;

/** The logger that is used where none is given. */
function defaultLogger(): Logger {
  if (shared === undefined) {
    const level = process.env.HTTPD_LOG || 'info';
    const known = level === 'silent' || Object.hasOwn(pino.levels.values, level);
    const options = { level: known ? level : 'info', base: null };
    shared = process.env.HTTPD_LOG_FORMAT === 'json' ? pino(options) : pino(options, espStream);
  }
  return shared;
}

/**
 * A logger for one tag, as `ESP_LOGx(TAG, …)` has it.
 *
 * @param tag such as `'ws_echo_server'`
 * @param logger the pino logger to write to; by default the library's own, which prints to standard output
 */
export function espLog(tag: string, logger: Logger = defaultLogger()): TagLog {
  const child = logger.child({ tag });
  return {
    debugOn: child.isLevelEnabled('debug'),
    verbose: message => child.trace(message),
    debug: message => child.debug(message),
    info: message => child.info(message),
    warn: message => child.warn(message),
    error: message => child.error(message),
  };
}

/** The tags of ESP-IDF's server, one for each of its files. */
export interface HttpdLogs {
  readonly httpd: TagLog;
  readonly sess: TagLog;
  readonly parse: TagLog;
  readonly txrx: TagLog;
  readonly uri: TagLog;
  readonly ws: TagLog;
}

export function httpdLogs(logger?: Logger): HttpdLogs {
  return {
    httpd: espLog('httpd', logger),
    sess: espLog('httpd_sess', logger),
    parse: espLog('httpd_parse', logger),
    txrx: espLog('httpd_txrx', logger),
    uri: espLog('httpd_uri', logger),
    ws: espLog('httpd_ws', logger),
  };
}

/** A peer's text, fit for a log line: control characters and anything outside printable ASCII are escaped. */
export function escapeForLog(text: string): string {
  return text.replace(/[^\x20-\x7e]|\\/g, char => {
    if (char === '\\') return '\\\\';
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
