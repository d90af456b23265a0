import { describe, expect, test } from 'vitest';
import { EPOLL_HERE } from '../support/epoll.js';
import { RawClient } from '../support/raw_client.js';
import { run } from './child.js';
import { keep } from './rig.js';

const PORTS = EPOLL_HERE ? ['epoll', 'net'] : ['net'];

describe.each(PORTS)('a process with a server on %s', port => {
  test('that has stopped ends by itself, and nothing is left', async () => {
    const { ended } = run('exit_child.ts', ['stop', port]);
    const { code, output } = await ended;
    expect(output).toContain('nothing left to do, 0 callbacks left');
    expect(code).toBe(0);
  });

  test('that stops when its client has left ends by itself', async () => {
    const { prints, ended } = run('exit_child.ts', ['serve once', port]);
    const client = keep(await RawClient.connect(Number((await prints(/port=(\d+)\./))[1])));
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.readResponse()).text).toBe('ok');
    client.end();
    const { code, output } = await ended;
    expect(output).toContain('nothing left to do, 0 callbacks left');
    expect(code).toBe(0);
  });

  test('that is idle lives on, and serves', async () => {
    const { process: child, prints, ended } = run('exit_child.ts', ['idle', port]);
    const [, number] = await prints(/port=(\d+)\./);
    await prints(/still here/);
    const client = keep(await RawClient.connect(Number(number)));
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.readResponse()).text).toBe('ok');
    child.kill('SIGTERM');
    const { signal, output } = await ended;
    expect(signal).toBe('SIGTERM');
    expect(output).not.toContain('nothing left to do');
  });
});
