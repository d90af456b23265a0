import { constants, createInflateRaw } from 'node:zlib';
import { expect, test } from 'vitest';
import { WsCodecs } from '../../src/httpd_ws/deflate.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { checkWsOptions } from '../../src/httpd_ws/options.js';
import { EncodedMessage } from '../../src/httpd_ws/send.js';
import { CONTINUE, TEXT } from '../support/ws_frames.js';
import { startWs } from './ws_server.js';
import { lastFd, OFFER } from './ws_watch.js';

test('with a context that is kept messages leave in the order in which they were compressed', async () => {
  const { server, open } = await startWs({
    wsPerMessageDeflate: { threshold: 0, serverNoContextTakeover: false },
  });
  const ws = await open(OFFER);
  const fd = lastFd(server);
  const send = (payload: string) => void server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload }));
  const fragment = (type: number, payload: string, final: boolean) =>
    void server.wsSendFrameAsync(fd, wsFrame({ type, payload, fragmented: true, final }));
  fragment(TEXT, 'begun', false);
  send('held one, a text of some length, held one');
  send('held two, a text of some length, held two');
  server.once('sentData', () => send('from a listener: a text of some length, held one, held two'));
  fragment(CONTINUE, ' and ended', true);

  const inflate = createInflateRaw();
  const got: string[] = [];
  inflate.on('data', (bytes: Buffer) => got.push(bytes.toString()));
  expect((await ws.readFrame()).text).toBe('begun');
  expect((await ws.readFrame()).text).toBe(' and ended');
  for (let i = 0; i < 3; i++) {
    inflate.write(Buffer.concat([(await ws.readFrame()).payload, Buffer.from([0, 0, 0xff, 0xff])]));
    await new Promise<void>(done => inflate.flush(constants.Z_SYNC_FLUSH, done));
  }
  expect(got.join('|')).toBe(
    'held one, a text of some length, held one|held two, a text of some length, held two|' +
      'from a listener: a text of some length, held one, held two',
  );
});

test('a compressed message that many get costs its own length, not that of the payload', () => {
  const codec = new WsCodecs(checkWsOptions({ wsPerMessageDeflate: true }, '/')).for({
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  });
  const bytes = new EncodedMessage(TEXT, 'to and fro '.repeat(50_000)).bytes(codec);
  expect(bytes.length).toBeLessThan(10_000);
  expect(bytes.buffer.byteLength).toBeLessThan(2 * bytes.length);
});
