/** What a command has to tell a person, in a sentence that says what to do, before it ends. */

/** The command was given something that it can't do anything with. */
export class UsageError extends Error {}

/** The command can't do what it was told. `cause`, if there is one, is the application's own error: shown as it is. */
export class CliError extends Error {}

/**
 * @param help the command that tells the usage: all of it here would push the sentence out of sight
 * @returns the status that the process ends with
 */
export function report(thrown: unknown, help: string): number {
  if (thrown instanceof UsageError) {
    console.error(`${thrown.message}\nHelp: ${help}`);
    return 2;
  }
  if (!(thrown instanceof CliError)) throw thrown;
  console.error(thrown.message);
  const { cause } = thrown;
  if (cause !== undefined) console.error(cause instanceof Error ? (cause.stack ?? cause.message) : cause);
  return 1;
}
