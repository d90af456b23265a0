/**
 * HTTP-date of RFC 9110 section 5.6.7. Pure.
 *
 * Times are whole seconds since 1970, which is all that such a date can say.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)';
const MONTH = `(?<month>${MONTHS.join('|')})`;
/** The grammar lets a leap second be. */
const TIME = '(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)';

const FORMATS = [
  // IMF-fixdate, the one to send: Sun, 06 Nov 1994 08:49:37 GMT
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  // rfc850-date: Sunday, 06-Nov-94 08:49:37 GMT
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  // asctime-date: Sun Nov  6 08:49:37 1994
  new RegExp(`^${DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`),
];

/** An IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function httpDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString();
}

/**
 * The time that an HTTP-date of any of the three formats says.
 *
 * @param now tells the century of a year with two digits
 * @returns undefined for what is no date: whoever gets one ignores the field
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  for (const format of FORMATS) {
    const fields = format.exec(text)?.groups;
    if (fields !== undefined) return secondsOf(fields, now);
  }
  return undefined;
}

function secondsOf(fields: Record<string, string>, now: number): number | undefined {
  const { year = '', month = '', hour, minute, second } = fields;
  const day = Number(fields.day);
  const monthIndex = MONTHS.indexOf(month);
  const time = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  const at = (y: number) => Date.UTC(y, monthIndex, day) / 1000 + time;
  const fullYear = year.length === 2 ? centuryOf(now) + Number(year) : Number(year);
  // the 31st of February is the 3rd of March to Date.UTC, which takes the year 94 for 1994 too
  const date = new Date(Date.UTC(fullYear, monthIndex, day));
  if (date.getUTCFullYear() !== fullYear || date.getUTCMonth() !== monthIndex) return undefined;
  const seconds = at(fullYear);
  if (year.length === 4) return seconds;
  // more than 50 years ahead means the last year in the past that ended so
  return seconds > inFiftyYears(now) ? at(fullYear - 100) : seconds;
}

function centuryOf(now: number): number {
  return Math.floor(new Date(now * 1000).getUTCFullYear() / 100) * 100;
}

function inFiftyYears(now: number): number {
  const date = new Date(now * 1000);
  return date.setUTCFullYear(date.getUTCFullYear() + 50) / 1000;
}
