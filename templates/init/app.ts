import { fileURLToPath } from 'node:url';
import {
  HTTP_GET,
  HTTPD_TYPE_JSON,
  HTTPD_WS_TYPE_TEXT,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  staticUriHandler,
  uriMatchWildcard,
  wsFrame,
} from 'esp-httpd';

/** What the application needs of the server's configuration; the rest is the chip's: 7 sockets, 8 handlers, and so on. */
export const config: Partial<HttpdConfig> = {
  uriMatchFn: uriMatchWildcard,
  // a browser keeps connections open: a new one takes the place of the one that was idle longest
  lruPurgeEnable: true,
};

const PAGES = fileURLToPath(new URL('public', import.meta.url));
const MESSAGE_MAX = 1024;

/** Called at each boot, with a new server: what lies in here is lost when the device boots again, as on the chip. */
export function register(server: HttpdServer): void {
  const bootedAt = performance.now();
  const uptime = (): number => Math.floor((performance.now() - bootedAt) / 1000);
  const status = (): string => JSON.stringify({ name: '{{name}}', uptime: uptime() });
  const textFrame = (payload: string) => wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload });

  server.registerUriHandler({
    uri: '/api/hello',
    method: HTTP_GET,
    handler: async (req: HttpdReq) => {
      req.respSetType(HTTPD_TYPE_JSON);
      await req.respSend(status());
    },
  });

  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    // a page of elsewhere may not connect
    wsAllowedOrigins: 'same-origin',
    handler: async (req: HttpdReq) => {
      if (req.method === HTTP_GET) {
        // the handshake: this leaves behind it
        await req.wsSendFrame(textFrame(status()));
        return;
      }
      const frame = wsFrame();
      await req.wsRecvFrame(frame, MESSAGE_MAX);
      await req.wsSendFrame(frame);
    },
  });

  server.registerUriHandler({ uri: '/*', method: HTTP_GET, handler: staticUriHandler({ root: PAGES }) });

  const everySecond = setInterval(() => server.wsBroadcast(textFrame(status())), 1000);
  server.on('stop', () => clearInterval(everySecond));
}
