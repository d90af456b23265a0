/** Reads what a command was given. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './errors.js';

type Parsed<Options extends ParseArgsConfig['options']> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: Options }>
>;

/** @throws UsageError */
export function parse<const Options extends ParseArgsConfig['options']>(
  args: readonly string[],
  options: Options,
): Parsed<Options> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    // the rest of its message is about positional arguments
    throw new UsageError(`${(error as Error).message.split(/\.\s/)[0]}.`);
  }
}
