/** What the programs of the encrypted examples do alike: a certificate to try them with, the start, the log. */
import { espLog, type HttpdServer, type HttpdSslConfig, httpdSslStart } from '../src/index.js';
import { type DevCertificates, devCertificates } from './dev_certificate.js';
import { runProgram } from './program.js';
import { logListening, logStarting } from './tls_log.js';

export interface TlsProgram {
  /** How it is started, such as 'npm run https'. */
  readonly command: string;
  /** The tag of its log. */
  readonly tag: string;
  /** What it has besides the port and the server's certificate. */
  ssl(files: DevCertificates): Omit<HttpdSslConfig, 'servercert' | 'prvtkeyPem'>;
  /** Registers the handlers. */
  register(server: HttpdServer): void;
  /** What to do to try it. */
  hint(files: DevCertificates, server: HttpdServer): string;
}

/** Runs an example with the arguments and the environment of this process, on port 8443 by default. */
export async function runTlsProgram({ command, tag, ssl, register, hint }: TlsProgram): Promise<void> {
  const log = espLog(tag);
  await runProgram({
    command,
    log,
    defaultPort: 8443,
    start: async ({ serverPort, ...httpd }) => {
      const files = await devCertificates();
      if (files.made) log.info(`Made certificates to try it with; who trusts ${files.ca} trusts them`);
      logStarting(tag);
      const pair = { servercert: files.cert, prvtkeyPem: files.key };
      const server = await httpdSslStart({ portSecure: serverPort, ...pair, httpd, ...ssl(files) });
      logListening(server, httpd.host);
      log.info('Registering URI handlers');
      register(server);
      log.info(hint(files, server));
      log.info('Ctrl-C stops the server');
      return server;
    },
  });
}
