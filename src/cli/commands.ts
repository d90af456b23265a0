/** The commands of `esp-httpd`. */
import { readFileSync } from 'node:fs';
import { device } from './device.js';
import { report, UsageError } from './errors.js';
import { init } from './init.js';

const USAGE = `Usage: npx esp-httpd <command>

  device <module>  runs an application as a simulated device; see npx esp-httpd device --help
  init <folder>    makes a new project; see npx esp-httpd init --help
  --version        the version of esp-httpd
  --help           this text`;

const COMMANDS = new Map([
  ['device', device],
  ['init', init],
]);

/** @returns the status that the process ends with */
export async function run([name, ...args]: readonly string[]): Promise<number> {
  const command = COMMANDS.get(name ?? '');
  if (command !== undefined) return command(args);
  if (name === '--help' || name === '-h' || name === 'help') console.log(USAGE);
  else if (name === '--version' || name === '-v') console.log(version());
  else if (name !== undefined) return report(new UsageError(`There is no command '${name}'.`), 'npx esp-httpd --help');
  else {
    console.error(`Which command?\n\n${USAGE}`);
    return 2;
  }
  return 0;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
