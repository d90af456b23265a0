/**
 * How a client's messages are compressed and inflated.
 */
import { Deflater, Inflaters, type WsCodec } from '../httpd_ws/deflate.js';
import type { DeflateParams } from '../httpd_ws/extension.js';
import type { WsDeflateSettings } from '../httpd_ws/options.js';

/**
 * How messages look on a client's connection: the roles of the server's `WsCodecs`, exchanged.
 *
 * @param params undefined without permessage-deflate
 * @param fragmentLen longer messages are cut; never 0
 */
export function clientCodec(
  params: DeflateParams | undefined,
  ours: WsDeflateSettings | undefined,
  fragmentLen: number,
): WsCodec {
  if (params === undefined || ours === undefined) return { fragmentLen, deflater: undefined, inflaters: undefined };
  const inflaters = new Inflaters(params.serverNoContextTakeover ? undefined : params.serverMaxWindowBits);
  const deflater = new Deflater(ours, params.clientMaxWindowBits, !params.clientNoContextTakeover);
  return { fragmentLen, deflater, inflaters };
}

/** The connection has ended: what belongs to it is freed, and a client shares no compressor. */
export function closeClientCodec({ deflater, inflaters }: WsCodec): void {
  deflater?.close();
  inflaters?.close();
}
