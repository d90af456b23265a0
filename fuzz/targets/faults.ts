/** What nobody has caught: it would end the process. */
const faults: string[] = [];

/** From now on uncaught exceptions and unhandled rejections are findings. */
export function watchProcess(): void {
  process.on('uncaughtException', thrown => note('uncaught exception', thrown));
  process.on('unhandledRejection', thrown => note('unhandled rejection', thrown));
}

/** @returns the faults since the last call */
export function takeFaults(): string[] {
  return faults.splice(0);
}

function note(what: string, thrown: unknown): void {
  faults.push(`${what}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
}
