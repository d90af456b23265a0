#!/usr/bin/env node
/** The program `esp-httpd`. */
import { run } from './commands.js';

// whoever read the log has gone, as in `npx esp-httpd device app.ts | head`
process.stdout.on('error', () => process.exit(1));
const status = await run(process.argv.slice(2));
// an application's own timers don't keep a device running that is switched off
process.stdout.write('', () => process.exit(status));
