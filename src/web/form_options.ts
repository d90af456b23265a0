/**
 * What a form may be like.
 */
import { ESP_ERR_INVALID_SIZE, EspError, invalidArg } from '../err.js';

/** Limits of a form. What goes beyond one fails with ESP_ERR_INVALID_SIZE, and a 413 for the client. */
export interface FormOptions {
  /** Fields and files, from 1. Default 100. */
  maxParts?: number;
  /** Bytes of a field's value, from 0. Default 65,536. */
  maxFieldLen?: number;
  /** Bytes of a file, from 0. Default: no limit but `config.maxReqBodyLen`. */
  maxFileLen?: number;
  /** Bytes of a part's name, from 1. Default 100. */
  maxFieldNameLen?: number;
  /** Bytes of a part's header section, from 1. Default 8,192. */
  maxHeaderLen?: number;
}

export type FormLimits = Readonly<Required<FormOptions>>;

const DEFAULTS: FormLimits = {
  maxParts: 100,
  maxFieldLen: 64 * 1024,
  maxFileLen: Number.MAX_SAFE_INTEGER,
  maxFieldNameLen: 100,
  maxHeaderLen: 8 * 1024,
};

const LEAST: FormLimits = { maxParts: 1, maxFieldLen: 0, maxFileLen: 0, maxFieldNameLen: 1, maxHeaderLen: 1 };

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkFormOptions(options: FormOptions): FormLimits {
  if (options === null || typeof options !== 'object') invalidArg('the options must be an object; see FormOptions');
  const limits = { ...DEFAULTS };
  for (const name of Object.keys(options)) {
    if (!isOption(name)) invalidArg(`a form has no option '${name}'; see FormOptions`);
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < LEAST[name]) {
      invalidArg(`${name} must be a whole number from ${LEAST[name]}`);
    }
    Object.assign(limits, { [name]: value });
  }
  return limits;
}

function isOption(name: string): name is keyof FormOptions {
  return Object.hasOwn(DEFAULTS, name);
}

/** @param what such as 'the number of parts' */
export function beyond(limits: FormLimits, option: keyof FormOptions, what: string): EspError {
  return new EspError(ESP_ERR_INVALID_SIZE, `${what} is above ${limits[option]} (${option})`);
}
