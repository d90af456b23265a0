import { describe, expect, test } from 'vitest';
import { DeviceHeap } from '../../src/device/heap.js';
import type { HeapSettings } from '../../src/device/profile.js';
import { ESP_ERR_INVALID_ARG, ESP_ERR_NO_MEM, ESP_OK } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { HTTPD_WS_TYPE_BINARY, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { collectLog } from '../support/server.js';
import { hello, MemDevice, plainProfile, request } from './support.js';

const NO_MEM = expect.objectContaining({ code: ESP_ERR_NO_MEM });
const HEAP: HeapSettings = { size: 10_000, session: 1_000, tlsSession: 5_000, request: 500 };

/** A device with this much memory. */
function withHeap(heap: Partial<HeapSettings>, onBoot: (server: HttpdServer) => void = hello): Promise<MemDevice> {
  return MemDevice.start({ profile: plainProfile({ heap: { ...HEAP, ...heap } }), onBoot });
}

describe('the heap of a device', () => {
  test('is taken and given back by the application too', () => {
    const heap = new DeviceHeap(HEAP, () => 100);
    expect([heap.size, heap.free, heap.minimumFree]).toEqual([10_000, 9_900, 9_900]);
    expect(heap.take(9_000)).toBe(true);
    expect(heap.take(901)).toBe(false);
    expect(heap.take(900)).toBe(true);
    expect(heap.free).toBe(0);
    heap.give(9_900);
    expect([heap.free, heap.minimumFree]).toEqual([9_900, 0]);
  });

  test.each([-1, 0.5, Number.NaN, '5', 2 ** 60])('does not take %j', bytes => {
    const heap = new DeviceHeap(HEAP, () => 0);
    expect(() => heap.take(bytes as number)).toThrow(expect.objectContaining({ code: ESP_ERR_INVALID_ARG }));
  });

  test('does not get back what was not taken', () => {
    const heap = new DeviceHeap(HEAP, () => 0);
    heap.take(5);
    expect(() => heap.give(6)).toThrow('5 are taken');
  });
});

describe('sessions', () => {
  test('draw from it, and one that gets nothing is refused with a line in the log', async () => {
    const { logger, lines } = collectLog('error');
    const rig = await MemDevice.start({
      profile: plainProfile({ heap: { ...HEAP, size: 2_600 } }),
      config: { logger },
    });
    const conns = [rig.connect(), rig.connect(), rig.connect()];
    expect(conns.map(conn => conn.ended)).toEqual([undefined, undefined, 'reset']);
    expect(lines).toEqual(['E device: httpd_accept_conn: ESP_ERR_NO_MEM: no memory for another connection']);
    expect(rig.device.heap.free).toBe(600);
    conns[0]?.reset();
    await rig.run(100);
    expect(rig.device.heap.free).toBe(1_600);
    await rig.get(rig.connect());
  });
});

describe('requests', () => {
  test('draw from it while they are served; without memory they get a 500, and the connection ends', async () => {
    const { logger, lines } = collectLog('error');
    let free = 0;
    const rig = await MemDevice.start({
      profile: plainProfile({ heap: { ...HEAP, size: 1_600 } }),
      config: { logger },
      onBoot(server, device) {
        server.registerUriHandler({
          uri: '/',
          method: HTTP_GET,
          handler: req => {
            free = device.heap.free;
            return req.respSend('hello');
          },
        });
      },
    });
    const conn = rig.connect();
    await rig.get(conn);
    expect([free, rig.device.heap.free]).toEqual([100, 600]);
    expect(rig.device.heap.take(101)).toBe(true);
    const before = conn.sent.length;
    await rig.get(conn);
    expect(conn.sent.subarray(before).toString()).toMatch(/^HTTP\/1\.1 500 .*\r\n[\s\S]*Connection: close/);
    expect(lines).toEqual([
      "E httpd_uri: httpd_uri: uri handler execution failed: GET '/': ESP_ERR_HTTPD_ALLOC_MEM: no memory for the request",
    ]);
  });

  test('that go asynchronous need it twice', async () => {
    const kept: HttpdReq[] = [];
    const failures: unknown[] = [];
    const rig = await withHeap({ size: 3_600 }, server =>
      server.registerUriHandler({
        uri: '/',
        method: HTTP_GET,
        handler: req => {
          try {
            kept.push(req.asyncHandlerBegin());
          } catch (error) {
            failures.push(error);
            return req.respSend('later');
          }
        },
      }),
    );
    const conns = [rig.connect(), rig.connect()];
    conns[0]?.deliver(request());
    await rig.run(50);
    expect(rig.device.heap.free).toBe(600);
    await rig.get(conns[1] as (typeof conns)[0]);
    expect(failures).toEqual([NO_MEM]);
    const [req] = kept as [HttpdReq];
    void req.respSend('done');
    req.asyncHandlerComplete();
    await rig.run(50);
    expect(rig.device.heap.free).toBe(1_600);
  });
});

describe('queued sends', () => {
  async function slowWebSocket(size: number) {
    const rig = await withHeap({ size }, server =>
      server.registerUriHandler({ uri: '/', method: HTTP_GET, isWebsocket: true, handler: () => undefined }),
    );
    const conn = rig.connect();
    conn.deliver(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await rig.until(() => conn.sent.includes('\r\n\r\n'));
    // the reader stops
    conn.room = 0;
    return { rig, conn };
  }
  const frame = (len: number) => wsFrame({ type: HTTPD_WS_TYPE_BINARY, payload: new Uint8Array(len) });

  test('of WebSockets draw from it', async () => {
    const { rig, conn } = await slowWebSocket(10_000);
    const errors: unknown[] = [];
    let sent = 0;
    while (errors.length === 0 && sent < 100) {
      try {
        void rig.server.wsSendFrameAsync(4, frame(996));
        sent += 1;
      } catch (error) {
        errors.push(error);
      }
      await rig.run(5);
    }
    expect(errors).toEqual([NO_MEM]);
    // what is under way to the client, and what waits behind it
    expect(sent).toBe(4 + 9);
    expect(rig.device.heap.free).toBe(0);
    expect(rig.server.wsBroadcast(frame(1))).toBe(0);
    conn.drain();
    await rig.run(200);
    expect(rig.device.heap.free).toBe(9_000);
    expect(rig.server.wsBroadcast(frame(1))).toBe(1);
  });

  test('that wait in the work queue draw from it, until they are worked off', async () => {
    const { rig } = await slowWebSocket(10_000);
    const codes: number[] = [];
    rig.device.stall(1);
    rig.server.wsSendDataAsync(4, frame(5_000), code => codes.push(code));
    expect(rig.device.heap.free).toBe(4_000);
    expect(() => rig.server.wsSendDataAsync(4, frame(5_000))).toThrow(NO_MEM);
    for (let i = 0; i < 5; i++) rig.server.queueWork(() => {});
    // the mailbox has six places
    expect(() => rig.server.wsSendDataAsync(4, frame(1))).toThrow('work queue');
    expect(rig.device.heap.free).toBe(4_000);
    await rig.run(1_100);
    expect(codes).toEqual([ESP_OK]);
    expect(rig.device.heap.free).toBeGreaterThan(4_000);
  });
});

test('a boot gives it all back', async () => {
  const rig = await withHeap({});
  rig.connect();
  await rig.run(50);
  rig.device.heap.take(5_000);
  const { heap } = rig.device;
  void rig.device.reboot();
  await rig.until(() => rig.device.state === 'running');
  expect(rig.device.heap).not.toBe(heap);
  expect(rig.device.heap.free).toBe(10_000);
});
