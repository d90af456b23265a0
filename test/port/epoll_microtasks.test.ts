import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { EPOLL_HERE } from '../support/epoll.js';
import { run } from './child.js';

test.skipIf(!EPOLL_HERE)(
  'what waits for a promise goes on in the turn that settled it, before its immediates, and whatever else goes on',
  async () => {
    const program = run('microtask_child.ts');
    const [, port] = await program.prints(/port (\d+)/);
    const client = connect(Number(port), '127.0.0.1');
    for (const text of ['one', 'two', 'three']) {
      client.write(text);
      expect(String((await once(client, 'data'))[0])).toBe(text);
    }
    client.destroy();
    expect(await program.ended).toMatchObject({ code: 0 });
  },
);
