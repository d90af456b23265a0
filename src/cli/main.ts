#!/usr/bin/env node
/** The program `esp-httpd`. */

try {
  await import('../node_version.cjs');
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
// not before: a Node.js that is too old may not even understand it
const { run } = await import('./commands.js');

// whoever read the log has gone, as in `npx esp-httpd device app.ts | head`
process.stdout.on('error', () => process.exit(1));
const status = await run(process.argv.slice(2));
// an application's own timers don't keep a device running that is switched off
process.stdout.write('', () => process.exit(status));
