/**
 * The example for a server that somebody else starts, with `config`, such as a simulated device:
 * `npx esp-httpd device examples/captive_portal/app.ts`.
 */
import type { HttpdServer } from '../../src/index.js';
import { PORTAL_CONFIG, portalOptions, registerPortal } from './portal.js';

export const config = PORTAL_CONFIG;

export function register(server: HttpdServer): void {
  registerPortal(server, portalOptions(process.env));
}
