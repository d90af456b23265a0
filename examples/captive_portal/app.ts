/**
 * The example for a server that somebody else starts, with `config`, such as a simulated device:
 * `npx esp-httpd device examples/captive_portal/app.ts`.
 */
import type { HttpdServer } from '../../src/index.js';
import { LOOPBACK } from './own_address.js';
import { PORTAL_CONFIG, portalOptions, registerPortal } from './portal.js';

export const config = PORTAL_CONFIG;

/**
 * Ready when the DNS server is too, or can't be.
 *
 * @param options by default those of the environment; a device is reached from this machine only, unless HOST says more
 */
export async function register(
  server: HttpdServer,
  options = portalOptions({ ...process.env, HOST: process.env.HOST || LOOPBACK }),
): Promise<void> {
  await registerPortal(server, options).bound;
}
