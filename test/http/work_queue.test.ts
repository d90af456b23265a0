import { describe, expect, test } from 'vitest';
import { collectLog, connectTo } from '../support/server.js';
import { deferred, errorOf, exchange, ok, request, serve, stillServes, turns, until } from './support.js';

describe('queueWork', () => {
  test('works run in their order, with their arguments, after the caller has gone on', async () => {
    const server = await serve({});
    const ran: unknown[] = [];
    for (let i = 0; i < 100; i++) server.queueWork((arg: number) => ran.push(arg), i);
    server.queueWork((...args) => ran.push(args));
    expect(ran).toEqual([]);
    await turns(2);
    expect(ran).toEqual([...Array.from({ length: 100 }, (_, i) => i), [undefined]]);
  });

  test('works that works queue run behind them', async () => {
    const server = await serve({});
    const ran: string[] = [];
    server.queueWork(() => {
      ran.push('a');
      server.queueWork(() => ran.push('a1'));
    });
    server.queueWork(() => ran.push('b'));
    await until(() => expect(ran).toEqual(['a', 'b', 'a1']));
  });

  test('a work that queues itself for ever starves no client', async () => {
    const server = await serve({ 'GET /': ok });
    let going = true;
    let count = 0;
    const work = () => {
      count += 1;
      if (going) server.queueWork(work);
    };
    server.queueWork(work);
    for (let i = 0; i < 10; i++) await stillServes(server, '/');
    going = false;
    expect(count).toBeGreaterThan(10);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('on purpose');
      },
    ],
    ['rejects', () => Promise.reject(new Error('on purpose'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
  ])('a work that %s is logged and harms no other', async (_name, bad) => {
    const { logger, lines } = collectLog('error');
    const server = await serve({ 'GET /': ok }, { logger });
    const ran: number[] = [];
    server.queueWork(() => ran.push(1));
    server.queueWork(bad);
    server.queueWork(() => ran.push(2));
    await until(() => expect(lines.some(line => line.includes('a work failed'))).toBe(true));
    expect(ran).toEqual([1, 2]);
    await stillServes(server, '/');
  });

  test('an async work keeps no other waiting', async () => {
    const server = await serve({});
    const gate = deferred();
    const ran: string[] = [];
    server.queueWork(async () => {
      await gate.promise;
      ran.push('slow');
    });
    server.queueWork(() => ran.push('fast'));
    await until(() => expect(ran).toEqual(['fast']));
    gate.resolve();
    await until(() => expect(ran).toEqual(['fast', 'slow']));
  });

  test('full: ESP_FAIL for the one too many, every accepted one runs', async () => {
    const server = await serve({}, { maxWorkQueue: 5 });
    const ran: number[] = [];
    const names: string[] = [];
    for (let i = 0; i < 8; i++) {
      let name = 'none';
      try {
        server.queueWork(() => ran.push(i));
      } catch (error) {
        name = (error as Error).name;
      }
      names.push(name);
    }
    expect(names).toEqual([...Array(5).fill('none'), ...Array(3).fill('ESP_FAIL')]);
    await until(() => expect(ran).toEqual([0, 1, 2, 3, 4]));
    server.queueWork(() => ran.push(99));
    await until(() => expect(ran).toHaveLength(6));
  });

  test('a thousand works from clients that disconnect at the same time all run', async () => {
    let ran = 0;
    const server = await serve({
      'GET /': req => {
        for (let i = 0; i < 50; i++) {
          req.handle.queueWork(() => {
            ran += 1;
          });
        }
        void req.respSend('ok');
      },
    });
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(server)));
    for (const client of clients) client.send(request('GET /'));
    for (const client of clients) {
      await client.readResponse();
      client.reset();
    }
    await until(() => expect(ran).toBe(1_000));
  });

  test('what was queued before stop still runs; after stop it is ESP_ERR_INVALID_STATE', async () => {
    const server = await serve({});
    const ran: number[] = [];
    for (let i = 0; i < 10; i++) server.queueWork(() => ran.push(i));
    await server.stop({ grace: 0 });
    await until(() => expect(ran).toHaveLength(10));
    expect(await errorOf(() => server.queueWork(() => {}))).toBe('ESP_ERR_INVALID_STATE');
  });

  test('a handler answers from a work', async () => {
    const server = await serve({
      'GET /': req => {
        const copy = req.asyncHandlerBegin();
        req.handle.queueWork(async () => {
          await copy.respSend('from a work');
          copy.asyncHandlerComplete();
        });
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('from a work');
  });
});
