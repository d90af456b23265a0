/**
 * Logs by tag, in ESP-IDF's form: `I (4962) ws_echo_server: Starting server on port: '80'`.
 *
 * pino does the logging; `HTTPD_LOG` sets the level (`trace`, `debug`, `info`, `warn`, `error`, `silent`; default `info`), and
 * `HTTPD_LOG_FORMAT=json` gives pino's own lines.
 */
import { type Logger, pino } from 'pino';
import { describeThrown, faultOf, isClientGone, isError } from './err.js';

/** The logger of one tag. Where a line is built on a hot path, ask `debugOn` first: that is the one comparison. */
export interface TagLog {
  readonly debugOn: boolean;
  /** ESP-IDF's verbose level, pino's trace. */
  verbose(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  /** @param error is logged with its stack, as `err` in JSON lines */
  warn(message: string, error?: Error): void;
  error(message: string, error?: Error): void;
}

const TAPS = Symbol.for('esp-httpd.log.taps');
const LETTERS: Record<number, string> = { 10: 'V', 20: 'D', 30: 'I', 40: 'W', 50: 'E', 60: 'E' };
// of the process, and not of this module: an application may have another copy of it, and they share one log
const startedAt = Math.round(performance.timeOrigin);
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to escape
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

/** So many lines of a stack are printed. */
const STACK_MAX = 30;

/** What pino writes, as far as it is looked at. */
interface Entry {
  readonly level: number;
  readonly time: number;
  readonly tag?: string;
  readonly msg?: string;
  readonly err?: { readonly stack?: string };
}

/**
 * A line of pino's in ESP-IDF's form, and the lines of an error's stack behind it. Times are milliseconds since the start of
 * the process, as on the chip.
 */
function espLines(line: string): string[] {
  const { level, time, tag, msg, err } = JSON.parse(line) as Entry;
  // one line a message, and nothing in it that drives a terminal
  const text = `${tag ?? 'app'}: ${msg ?? ''}`.replace(CONTROL, escapeForLog);
  return [`${LETTERS[level] ?? 'I'} (${Math.max(0, time - startedAt)}) ${text}`, ...stackLines(err?.stack)];
}

/** The frames of a stack, and those of its causes; set in, so that none can pass for a line of the log. */
function stackLines(stack: string | undefined): string[] {
  if (stack === undefined) return [];
  const lines = stack.split('\n').slice(0, STACK_MAX);
  const first = lines.findIndex(line => /^\s+at /.test(line));
  return first < 0 ? [] : lines.slice(first).map(line => `    ${line.trim().replace(CONTROL, escapeForLog)}`);
}

type LogTap = (line: string) => void;

/** Who sees the lines too. All copies of this module in a process share it. */
const taps: Set<LogTap> = sharedTaps(globalThis as TapHolder);

interface TapHolder {
  [TAPS]?: Set<LogTap>;
}

function sharedTaps(global: TapHolder): Set<LogTap> {
  global[TAPS] ??= new Set();
  return global[TAPS];
}

const espStream = {
  write(line: string): void {
    const lines = espLines(line);
    process.stdout.write(`${lines.join('\n')}\n`);
    for (const tap of taps) for (const text of lines) tap(text);
  },
};

/** pino prints its own lines; the taps get ESP-IDF's form. */
const tapHook = {
  streamWrite(line: string): string {
    if (taps.size > 0) {
      const lines = espLines(line);
      for (const tap of taps) for (const text of lines) tap(text);
    }
    return line;
  },
};

/**
 * Shows each line that is printed where no other logger is given, whichever copy of this library in the process has
 * written it.
 *
 * @param tap is called with a line in ESP-IDF's form, without its line ending; it must neither throw nor log
 * @returns ends it
 */
export function tapLog(tap: LogTap): () => void {
  taps.add(tap);
  return () => void taps.delete(tap);
}

let shared: Logger | undefined;

/** The logger that is used where none is given. */
function defaultLogger(): Logger {
  if (shared === undefined) {
    const level = process.env.HTTPD_LOG || 'info';
    const known = level === 'silent' || Object.hasOwn(pino.levels.values, level);
    const options = { level: known ? level : 'info', base: null };
    const json = process.env.HTTPD_LOG_FORMAT === 'json';
    shared = json ? pino({ ...options, hooks: tapHook }) : pino(options, espStream);
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
    warn: (message, err) => (err === undefined ? child.warn(message) : child.warn({ err }, message)),
    error: (message, err) => (err === undefined ? child.error(message) : child.error({ err }, message)),
  };
}

/** Logs that application code has failed: with its stack if the fault is its own; that a client has left is a detail. */
export function logThrown(log: TagLog, what: string, thrown: unknown, level: 'warn' | 'error' = 'error'): void {
  const message = `${what}: ${escapeForLog(describeThrown(thrown))}`;
  if (isClientGone(thrown)) log.debug(message);
  else log[level](message, isError(thrown) ? faultOf(thrown) : undefined);
}

/**
 * The library's own logger, for a server that is not the one whose log is read: errors only, marked with
 * `prefix`.
 */
export function sideLogger(prefix: string): Logger {
  const logger = defaultLogger();
  return logger.child({}, { msgPrefix: prefix, level: logger.isLevelEnabled('error') ? 'error' : logger.level });
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
