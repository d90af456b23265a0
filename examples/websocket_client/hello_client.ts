/**
 * The WebSocket client of the libwebsockets port for W80x: it connects, says hello, and prints what comes.
 */

import { espLog, type TagLog } from '../../src/index.js';
import {
  type EspWebsocketClient,
  type EspWebsocketClientConfig,
  EspWebsocketError,
  espWebsocketClientInit,
} from '../../src/ws_client/index.js';
import { logText } from '../log_text.js';

export const TAG = 'hello_client';
/** The longest message that is taken, in bytes. */
export const MESSAGE_MAX = 1024 * 1024;

export interface HelloOptions {
  readonly config: EspWebsocketClientConfig;
  /** What is said when the connection is open. */
  readonly message: string;
  /** Leaves after so many messages. Default: stays until the server leaves, or `client.close()` is called. */
  readonly count?: number | undefined;
  readonly log?: TagLog;
}

/** A client that is not started yet. @throws EspError ESP_ERR_INVALID_ARG if the configuration is wrong */
export function helloClient({ config, message, log = espLog(TAG) }: HelloOptions): EspWebsocketClient {
  const client = espWebsocketClientInit({
    disableAutoReconnect: true,
    maxFrameLen: MESSAGE_MAX,
    maxMessageLen: MESSAGE_MAX,
    ...config,
  });
  client.on('connected', ({ subprotocol }) => {
    log.info('ev=LWS_CALLBACK_CLIENT_ESTABLISHED');
    if (subprotocol !== undefined) log.info(`subprotocol: ${logText(subprotocol)}`);
    log.info(`send message: ${logText(message)}`);
    // if the connection is lost, 'disconnected' tells
    void client.sendText(message);
  });
  client.on('closed', ({ code, reason }) => {
    log.info(`ev=LWS_CALLBACK_CLIENT_CLOSED: ${code}${reason === '' ? '' : ` ${logText(reason)}`}`);
  });
  // the library logs why
  client.on('disconnected', () => log.error('ev=CLIENT_CONNECTION_ERROR'));
  return client;
}

/**
 * Connects, says hello, and prints what comes, until the connection has ended.
 *
 * @throws EspWebsocketError (rejects) if there is no connection, or it was lost
 */
export async function sayHello(client: EspWebsocketClient, { count, log = espLog(TAG) }: HelloOptions): Promise<void> {
  let left = count ?? Number.POSITIVE_INFINITY;
  // what goes wrong the loop throws; begun in the same turn, it misses no message
  void client.start();
  for await (const { isText, text, data } of client) {
    log.info('ev=LWS_CALLBACK_RECEIVE');
    log.info(`Received message: ${isText ? logText(text) : `${data.length} bytes`}`);
    left -= 1;
    if (left === 0) return client.close();
  }
}

/** What a person can do about it; undefined if nothing comes to mind. */
export function hint(error: unknown): string | undefined {
  if (!(error instanceof EspWebsocketError)) return undefined;
  const { espTlsStackErr, espWsHandshakeStatusCode } = error.errorHandle;
  if (/SELF_SIGNED|ISSUER|VERIFY/.test(espTlsStackErr ?? '')) {
    return 'The server has shown a certificate that is not trusted: give the file of its authority with --ca.';
  }
  // it has expired, or is of another name: the message says so
  if (/CERT/.test(espTlsStackErr ?? '')) return undefined;
  if (espWsHandshakeStatusCode > 0)
    return 'There is a web server, which did not accept a WebSocket: is the path right?';
  return 'Does a server run there? Is it ws:// or wss://?';
}
